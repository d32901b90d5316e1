//! Subscriptions: which plan version each account is on, since when, and what was agreed with it beside the plan.
//!
//! Every account has one row. Who changes it raises the account's epoch in the same transaction
//! ([`super::accounts::raise_epoch`]); the functions here that change what judges an account do it themselves.

use domain::catalog::Interval;
use domain::entitlements::Overrides;
use domain::ids::{AccountId, PlanVersionId, SubscriptionId};
use domain::time::Timestamp;

use super::accounts::raise_epoch;
use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO subscriptions (account_id, id, plan_version_id, source, status, billing_interval, \
    anchor, periods_since, granted_until, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const BY_ACCOUNT: &str = "SELECT account_id, id, plan_version_id, source, status, billing_interval, anchor, \
    periods_since, granted_until, created_at, updated_at FROM subscriptions WHERE account_id = $1";
const GRANT: &str = "UPDATE subscriptions SET plan_version_id = $2, source = $3, status = $4, granted_until = $5, \
    updated_at = $6 WHERE account_id = $1";
/// Named by source, so that a plan that was bought meanwhile is never taken away.
const END_GRANT: &str = "UPDATE subscriptions SET plan_version_id = $2, source = $3, status = $4, granted_until = NULL, \
    updated_at = $5 WHERE account_id = $1 AND source = $6";
const END_DUE_GRANT: &str = "UPDATE subscriptions SET plan_version_id = $2, source = $3, status = $4, \
    granted_until = NULL, updated_at = $5 WHERE account_id = $1 AND source = $6 AND granted_until <= $5";
const DUE_GRANTS: &str = "SELECT account_id FROM subscriptions WHERE granted_until IS NOT NULL AND granted_until <= $1 \
    ORDER BY granted_until LIMIT $2";
const OVERRIDES: &str = "SELECT content FROM overrides WHERE account_id = $1";
const PUT_OVERRIDES: &str = "INSERT INTO overrides (account_id, content, updated_at) VALUES ($1, $2, $3) \
    ON CONFLICT (account_id) DO UPDATE SET content = excluded.content, updated_at = excluded.updated_at";
const DELETE_OVERRIDES: &str = "DELETE FROM overrides WHERE account_id = $1";

pub(crate) const STATEMENTS: &[&str] =
    &[INSERT, BY_ACCOUNT, GRANT, END_GRANT, END_DUE_GRANT, DUE_GRANTS, OVERRIDES, PUT_OVERRIDES, DELETE_OVERRIDES];

/// An account's plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    pub account: AccountId,
    pub id: SubscriptionId,
    /// `None`: whatever the catalog's default plan is.
    pub plan_version: Option<PlanVersionId>,
    pub source: Source,
    pub status: Status,
    pub interval: Interval,
    /// Periods and years count from here.
    pub anchor: Timestamp,
    /// When the current run of periods began.
    pub periods_since: Timestamp,
    /// When a granted plan ends. `None`: it does not end by itself.
    pub granted_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Why an account is on its plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// It is the catalog's default plan.
    Default,
    /// Given without payment.
    Granted,
}

impl Source {
    pub const ALL: [Source; 2] = [Source::Default, Source::Granted];

    pub fn as_str(self) -> &'static str {
        match self {
            Source::Default => "default",
            Source::Granted => "granted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Active,
}

impl Status {
    pub const ALL: [Status; 1] = [Status::Active];

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Active => "active",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

pub(super) fn insert(tx: &mut Tx<'_>, subscription: &Subscription) -> Result<(), StorageError> {
    let values: [Value; 11] = [
        subscription.account.into(),
        subscription.id.into(),
        subscription.plan_version.into(),
        subscription.source.as_str().into(),
        subscription.status.as_str().into(),
        subscription.interval.as_str().into(),
        subscription.anchor.into(),
        subscription.periods_since.into(),
        subscription.granted_until.into(),
        subscription.created_at.into(),
        subscription.updated_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// `Ok(None)`: there is no such account.
pub fn by_account(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<Subscription>, StorageError> {
    tx.query_optional(BY_ACCOUNT, &[account.into()])?.as_ref().map(decode).transpose()
}

/// Puts an account on a plan that it does not pay for. Its anchor stays, and with it its periods and what is used in
/// them. False: there is no such account.
pub fn grant(
    tx: &mut Tx<'_>,
    account: AccountId,
    plan: PlanVersionId,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let values: [Value; 6] = [
        account.into(),
        plan.into(),
        Source::Granted.as_str().into(),
        Status::Active.as_str().into(),
        until.into(),
        now.into(),
    ];
    let granted = tx.execute(GRANT, &values)? == 1;
    if granted {
        raise_epoch(tx, account)?;
    }
    Ok(granted)
}

/// Puts an account whose plan was granted back on the default plan. Anchor and usage stay. False: no plan was granted.
pub fn end_grant(
    tx: &mut Tx<'_>,
    account: AccountId,
    default_plan: Option<PlanVersionId>,
    now: Timestamp,
) -> Result<bool, StorageError> {
    end_grant_by(tx, END_GRANT, account, default_plan, now)
}

/// As [`end_grant`], where the grant is over. It may have been made longer since it was found due.
pub fn end_due_grant(
    tx: &mut Tx<'_>,
    account: AccountId,
    default_plan: Option<PlanVersionId>,
    now: Timestamp,
) -> Result<bool, StorageError> {
    end_grant_by(tx, END_DUE_GRANT, account, default_plan, now)
}

fn end_grant_by(
    tx: &mut Tx<'_>,
    statement: &'static str,
    account: AccountId,
    default_plan: Option<PlanVersionId>,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let values: [Value; 6] = [
        account.into(),
        default_plan.into(),
        Source::Default.as_str().into(),
        Status::Active.as_str().into(),
        now.into(),
        Source::Granted.as_str().into(),
    ];
    let ended = tx.execute(statement, &values)? == 1;
    if ended {
        raise_epoch(tx, account)?;
    }
    Ok(ended)
}

/// Accounts whose granted plan is over, the longest over first.
pub fn due_grants(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, StorageError> {
    let rows = tx.query(DUE_GRANTS, &[now.into(), i64::from(limit).into()])?;
    rows.iter().map(|row| row.parsed("account_id", AccountId::parse)).collect()
}

pub fn overrides(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<Overrides>, StorageError> {
    tx.query_optional(OVERRIDES, &[account.into()])?.map(|row| row.json("content")).transpose()
}

/// Replaces what was agreed with the account.
pub fn put_overrides(
    tx: &mut Tx<'_>,
    account: AccountId,
    overrides: &Overrides,
    now: Timestamp,
) -> Result<(), StorageError> {
    let content = serde_json::to_string(overrides).map_err(StorageError::unexpected)?;
    tx.execute(PUT_OVERRIDES, &[account.into(), content.into(), now.into()])?;
    raise_epoch(tx, account)
}

/// False: nothing was agreed with the account.
pub fn delete_overrides(tx: &mut Tx<'_>, account: AccountId) -> Result<bool, StorageError> {
    let deleted = tx.execute(DELETE_OVERRIDES, &[account.into()])? == 1;
    if deleted {
        raise_epoch(tx, account)?;
    }
    Ok(deleted)
}

fn decode(row: &Row) -> Result<Subscription, StorageError> {
    Ok(Subscription {
        account: row.parsed("account_id", AccountId::parse)?,
        id: row.parsed("id", SubscriptionId::parse)?,
        plan_version: row.parsed_or_null("plan_version_id", PlanVersionId::parse)?,
        source: row.parsed("source", Source::parse)?,
        status: row.parsed("status", Status::parse)?,
        interval: row.parsed("billing_interval", Interval::parse)?,
        anchor: row.time("anchor")?,
        periods_since: row.time("periods_since")?,
        granted_until: row.time_or_null("granted_until")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
