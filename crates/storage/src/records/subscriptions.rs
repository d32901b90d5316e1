//! Subscriptions: which plan version each account is on, since when, and what was agreed with it beside the plan.
//!
//! Every account has one row. What follows from payments and grants is domain's to say ([`domain::billing::standing`]);
//! here it is written down for the ledger. Who changes it raises the account's epoch in the same transaction
//! ([`super::accounts::raise_epoch`]); the functions here that change what judges an account do it themselves.

use domain::billing::{Source, Standing, Status};
use domain::catalog::Interval;
use domain::entitlements::Overrides;
use domain::ids::{AccountId, PlanVersionId, SubscriptionId};
use domain::time::Timestamp;

use super::accounts::raise_epoch;
use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO subscriptions (account_id, id, plan_version_id, source, status, billing_interval, \
    anchor, periods_since, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const BY_ACCOUNT: &str = "SELECT account_id, id, plan_version_id, plan_until, then_plan_version_id, source, status, \
    billing_interval, anchor, periods_since, granted_version_id, granted_until, created_at, updated_at \
    FROM subscriptions WHERE account_id = $1";
const SET_GRANT: &str = "UPDATE subscriptions SET granted_version_id = $2, granted_until = $3, updated_at = $4 \
    WHERE account_id = $1";
const PUT_STANDING: &str = "UPDATE subscriptions SET plan_version_id = $2, plan_until = $3, then_plan_version_id = $4, \
    source = $5, status = $6, billing_interval = $7, anchor = $8, periods_since = $9, updated_at = $10 \
    WHERE account_id = $1";
const DUE: &str = "SELECT account_id FROM subscriptions WHERE plan_until IS NOT NULL AND plan_until <= $1 \
    ORDER BY plan_until LIMIT $2";
const DUE_GRANTS: &str = "SELECT account_id FROM subscriptions WHERE granted_until IS NOT NULL AND granted_until <= $1 \
    ORDER BY granted_until LIMIT $2";
const OVERRIDES: &str = "SELECT content FROM overrides WHERE account_id = $1";
const PUT_OVERRIDES: &str = "INSERT INTO overrides (account_id, content, updated_at) VALUES ($1, $2, $3) \
    ON CONFLICT (account_id) DO UPDATE SET content = excluded.content, updated_at = excluded.updated_at";
const DELETE_OVERRIDES: &str = "DELETE FROM overrides WHERE account_id = $1";

pub(crate) const STATEMENTS: &[&str] =
    &[INSERT, BY_ACCOUNT, SET_GRANT, PUT_STANDING, DUE, DUE_GRANTS, OVERRIDES, PUT_OVERRIDES, DELETE_OVERRIDES];

/// An account's plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    pub account: AccountId,
    pub id: SubscriptionId,
    /// `None`: whatever the catalog's default plan is.
    pub plan_version: Option<PlanVersionId>,
    /// When the plan ends by itself. `None`: it does not.
    pub plan_until: Option<Timestamp>,
    /// The plan after `plan_until`. `None`: the default plan.
    pub then_plan_version: Option<PlanVersionId>,
    pub source: Source,
    pub status: Status,
    pub interval: Interval,
    /// Periods and years count from here.
    pub anchor: Timestamp,
    /// When the current run of periods began.
    pub periods_since: Timestamp,
    /// A plan given without payment, whether it is in force or not.
    pub granted: Option<GrantedPlan>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A plan given without payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GrantedPlan {
    pub version: PlanVersionId,
    /// `None`: for good.
    pub until: Option<Timestamp>,
}

impl Subscription {
    /// What periods count from when nothing is paid for: the day the account was made.
    pub fn own_anchor(&self) -> Timestamp {
        self.created_at
    }
}

pub(super) fn insert(tx: &mut Tx<'_>, subscription: &Subscription) -> Result<(), StorageError> {
    let values: [Value; 10] = [
        subscription.account.into(),
        subscription.id.into(),
        subscription.plan_version.into(),
        subscription.source.as_str().into(),
        subscription.status.as_str().into(),
        subscription.interval.as_str().into(),
        subscription.anchor.into(),
        subscription.periods_since.into(),
        subscription.created_at.into(),
        subscription.updated_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// `Ok(None)`: there is no such account.
pub fn by_account(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<Subscription>, StorageError> {
    tx.query_optional(BY_ACCOUNT, &[account.into()])?.as_ref().map(decode).transpose()
}

/// Notes the plan that an account was given without payment, or that it was given none. Says nothing yet about which plan
/// is in force: [`put_standing`] does.
pub fn set_grant(
    tx: &mut Tx<'_>,
    account: AccountId,
    granted: Option<GrantedPlan>,
    now: Timestamp,
) -> Result<(), StorageError> {
    let (version, until) = (granted.map(|granted| granted.version), granted.and_then(|granted| granted.until));
    tx.execute(SET_GRANT, &[account.into(), version.into(), until.into(), now.into()]).map(|_| ())
}

/// Writes what an account is on from now on. `default_plan` is the newest version of the default plan: an account that
/// comes to it gets that one, and one that is on it already stays on its own. False: nothing has changed.
pub fn put_standing(
    tx: &mut Tx<'_>,
    row: &Subscription,
    standing: &Standing,
    default_plan: Option<PlanVersionId>,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let plan_version = match standing.source {
        Source::Default if row.source == Source::Default => row.plan_version,
        Source::Default => default_plan,
        Source::Granted | Source::Paid => standing.plan,
    };
    let anchor = standing.anchor.unwrap_or(row.own_anchor());
    let written = Subscription {
        plan_version,
        plan_until: standing.until,
        then_plan_version: standing.then,
        source: standing.source,
        status: standing.status,
        interval: standing.interval,
        anchor,
        periods_since: if anchor == row.anchor { row.periods_since } else { now },
        ..row.clone()
    };
    if written == *row {
        return Ok(false);
    }
    let values: [Value; 10] = [
        row.account.into(),
        written.plan_version.into(),
        written.plan_until.into(),
        written.then_plan_version.into(),
        written.source.as_str().into(),
        written.status.as_str().into(),
        written.interval.as_str().into(),
        written.anchor.into(),
        written.periods_since.into(),
        now.into(),
    ];
    tx.execute(PUT_STANDING, &values)?;
    raise_epoch(tx, row.account)?;
    Ok(true)
}

/// Accounts whose plan, or the plan they were given, is over; the longest over first. An account may come twice.
pub fn due(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, StorageError> {
    let values = [now.into(), i64::from(limit).into()];
    let mut rows = tx.query(DUE, &values)?;
    rows.extend(tx.query(DUE_GRANTS, &values)?);
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
    let granted = row.parsed_or_null("granted_version_id", PlanVersionId::parse)?;
    let granted_until = row.time_or_null("granted_until")?;
    Ok(Subscription {
        account: row.parsed("account_id", AccountId::parse)?,
        id: row.parsed("id", SubscriptionId::parse)?,
        plan_version: row.parsed_or_null("plan_version_id", PlanVersionId::parse)?,
        plan_until: row.time_or_null("plan_until")?,
        then_plan_version: row.parsed_or_null("then_plan_version_id", PlanVersionId::parse)?,
        source: row.parsed("source", Source::parse)?,
        status: row.parsed("status", Status::parse)?,
        interval: row.parsed("billing_interval", Interval::parse)?,
        anchor: row.time("anchor")?,
        periods_since: row.time("periods_since")?,
        granted: granted.map(|version| GrantedPlan { version, until: granted_until }),
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
