//! Accounts: the customers of the product, each with its subscription row and its row in the ledger.

use domain::catalog::Interval;
use domain::ids::{AccountId, PlanVersionId, SubscriptionId};
use domain::time::Timestamp;
use serde_json::{Map, Value as Json};

use super::subscriptions;
use crate::ledger::postgres_journal;
use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO accounts (id, external_id, name, email, billing_email, metadata, status, created_at, \
    updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (external_id) DO NOTHING";
const BY_ID: &str = "SELECT id, external_id, name, email, billing_email, metadata, status, created_at, updated_at \
    FROM accounts WHERE id = $1";
const BY_EXTERNAL_ID: &str = "SELECT id, external_id, name, email, billing_email, metadata, status, created_at, \
    updated_at FROM accounts WHERE external_id = $1";
const LOCK: &str = "UPDATE accounts SET updated_at = updated_at WHERE id = $1 RETURNING id, external_id, name, email, \
    billing_email, metadata, status, created_at, updated_at";
const UPDATE: &str = "UPDATE accounts SET external_id = $2, name = $3, email = $4, billing_email = $5, metadata = $6, \
    status = $7, updated_at = $8 WHERE id = $1";
const NEWEST: &str = "SELECT id, external_id, name, email, billing_email, metadata, status, created_at, updated_at \
    FROM accounts ORDER BY id DESC LIMIT $1";
const BEFORE: &str = "SELECT id, external_id, name, email, billing_email, metadata, status, created_at, updated_at \
    FROM accounts WHERE id < $1 ORDER BY id DESC LIMIT $2";
/// A first command may have made the ledger's row before the account was there to see.
const RAISE_EPOCH: &str = "INSERT INTO ledger_accounts (account_id, entitlement_epoch, last_at) VALUES ($1, 1, 0) \
    ON CONFLICT (account_id) DO UPDATE SET entitlement_epoch = ledger_accounts.entitlement_epoch + 1";
const EPOCH: &str = "SELECT entitlement_epoch FROM ledger_accounts WHERE account_id = $1";

pub(crate) const STATEMENTS: &[&str] =
    &[INSERT, BY_ID, BY_EXTERNAL_ID, LOCK, UPDATE, NEWEST, BEFORE, RAISE_EPOCH, EPOCH];

/// A customer, as the product sees it: a person or a company with a plan.
#[derive(Clone, PartialEq, Debug)]
pub struct Account {
    pub id: AccountId,
    /// The id that the app's own system knows the customer by. Once set it stays.
    pub external_id: Option<String>,
    pub name: String,
    pub email: Option<String>,
    pub billing_email: Option<String>,
    pub metadata: Map<String, Json>,
    pub status: AccountStatus,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountStatus {
    Active,
    /// May use nothing until it is active again.
    Suspended,
    /// Nobody belongs to it any more, for ever. What was counted and paid is kept.
    Closed,
}

impl AccountStatus {
    pub const ALL: [AccountStatus; 3] = [AccountStatus::Active, AccountStatus::Suspended, AccountStatus::Closed];

    pub fn as_str(self) -> &'static str {
        match self {
            AccountStatus::Active => "active",
            AccountStatus::Suspended => "suspended",
            AccountStatus::Closed => "closed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Adds an account with its subscription on `plan` (the default plan's version; none where the catalog names none) and
/// its row in the ledger. False, and nothing is added, when its external id is taken.
pub fn insert(
    tx: &mut Tx<'_>,
    account: &Account,
    subscription: SubscriptionId,
    plan: Option<PlanVersionId>,
) -> Result<bool, StorageError> {
    let values: [Value; 9] = [
        account.id.into(),
        account.external_id.as_ref().into(),
        (&account.name).into(),
        account.email.as_ref().into(),
        account.billing_email.as_ref().into(),
        to_json(&account.metadata)?.into(),
        account.status.as_str().into(),
        account.created_at.into(),
        account.updated_at.into(),
    ];
    if tx.execute(INSERT, &values)? == 0 {
        return Ok(false);
    }
    let now = account.created_at;
    let on_default = subscriptions::Subscription {
        account: account.id,
        id: subscription,
        plan_version: plan,
        plan_until: None,
        then_plan_version: None,
        source: domain::billing::Source::Default,
        status: domain::billing::Status::Active,
        interval: Interval::Monthly,
        anchor: now,
        periods_since: now,
        granted: None,
        created_at: now,
        updated_at: now,
    };
    subscriptions::insert(tx, &on_default)?;
    raise_epoch(tx, account.id)?;
    Ok(true)
}

pub fn by_id(tx: &mut Tx<'_>, id: AccountId) -> Result<Option<Account>, StorageError> {
    tx.query_optional(BY_ID, &[id.into()])?.as_ref().map(decode).transpose()
}

pub fn by_external_id(tx: &mut Tx<'_>, external_id: &str) -> Result<Option<Account>, StorageError> {
    tx.query_optional(BY_EXTERNAL_ID, &[external_id.into()])?.as_ref().map(decode).transpose()
}

/// The account, held until the transaction ends: nobody else changes it meanwhile.
pub fn lock(tx: &mut Tx<'_>, id: AccountId) -> Result<Option<Account>, StorageError> {
    tx.query_optional(LOCK, &[id.into()])?.as_ref().map(decode).transpose()
}

/// Writes everything but the id and when it was made. Whoever changes the status raises the epoch too.
///
/// # Errors
/// [`StorageError::Taken`] when another account has its external id.
pub fn update(tx: &mut Tx<'_>, account: &Account) -> Result<(), StorageError> {
    let values: [Value; 8] = [
        account.id.into(),
        account.external_id.as_ref().into(),
        (&account.name).into(),
        account.email.as_ref().into(),
        account.billing_email.as_ref().into(),
        to_json(&account.metadata)?.into(),
        account.status.as_str().into(),
        account.updated_at.into(),
    ];
    tx.execute(UPDATE, &values).map(|_| ())
}

/// The newest first, from the one made before `before`.
pub fn list(tx: &mut Tx<'_>, before: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StorageError> {
    let limit = Value::from(i64::from(limit));
    let rows = match before {
        None => tx.query(NEWEST, &[limit])?,
        Some(before) => tx.query(BEFORE, &[before.into(), limit])?,
    };
    rows.iter().map(decode).collect()
}

/// Makes the ledger read the account's terms again before it judges anything more. Every change of plan, override,
/// standing or credit calls this in its own transaction.
pub fn raise_epoch(tx: &mut Tx<'_>, account: AccountId) -> Result<(), StorageError> {
    postgres_journal::hold(tx, account)?;
    tx.execute(RAISE_EPOCH, &[account.into()])?;
    tx.note_account_changed(account);
    Ok(())
}

/// What the account's terms are known by: those that were read at another epoch may be old.
pub fn epoch(tx: &mut Tx<'_>, account: AccountId) -> Result<i64, StorageError> {
    tx.query_optional(EPOCH, &[account.into()])?.map_or(Ok(0), |row| row.integer("entitlement_epoch"))
}

fn decode(row: &Row) -> Result<Account, StorageError> {
    Ok(Account {
        id: row.parsed("id", AccountId::parse)?,
        external_id: row.text_or_null("external_id")?.map(str::to_owned),
        name: row.text("name")?.to_owned(),
        email: row.text_or_null("email")?.map(str::to_owned),
        billing_email: row.text_or_null("billing_email")?.map(str::to_owned),
        metadata: row.json("metadata")?,
        status: row.parsed("status", AccountStatus::parse)?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn to_json(metadata: &Map<String, Json>) -> Result<String, StorageError> {
    serde_json::to_string(metadata).map_err(StorageError::unexpected)
}
