//! What was used a day: the sums that the ledger keeps by model, and those by member, key and end user that a job adds
//! up afterwards from the events.
//!
//! Days are counted since 1970, in UTC. Amounts are in the meter's integer unit. Before the sums by model are read, what
//! the ledger has not written to them yet must be: [`crate::Database::write_back_of`].

use domain::catalog::LimitScope;
use domain::ids::{AccountId, EventId};
use domain::ledger::Posting;
use domain::name::Name;
use domain::time::Timestamp;

use crate::ledger::rows::decode_postings;
use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const TOTALS: &str = "SELECT meter, CAST(SUM(amount) AS BIGINT) AS amount, CAST(SUM(events) AS BIGINT) AS events \
    FROM usage_daily WHERE account_id = $1 AND day >= $2 AND day <= $3 GROUP BY meter ORDER BY meter";
const BY_MODEL: &str = "SELECT model, meter, CAST(SUM(amount) AS BIGINT) AS amount, \
    CAST(SUM(events) AS BIGINT) AS events FROM usage_daily WHERE account_id = $1 AND day >= $2 AND day <= $3 \
    GROUP BY model, meter ORDER BY model, meter";
const BY_DAY: &str = "SELECT day, meter, CAST(SUM(amount) AS BIGINT) AS amount, CAST(SUM(events) AS BIGINT) AS events \
    FROM usage_daily WHERE account_id = $1 AND day >= $2 AND day <= $3 GROUP BY day, meter ORDER BY day, meter";
const BY_SCOPE: &str = "SELECT scope_id, meter, CAST(SUM(amount) AS BIGINT) AS amount, \
    CAST(SUM(events) AS BIGINT) AS events FROM usage_daily_scoped WHERE account_id = $1 AND scope = $2 AND day >= $3 \
    AND day <= $4 GROUP BY scope_id, meter ORDER BY scope_id, meter";
const ADD_SCOPED: &str = "INSERT INTO usage_daily_scoped (account_id, scope, scope_id, day, meter, amount, events) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account_id, scope, day, meter, scope_id) DO UPDATE SET \
    amount = usage_daily_scoped.amount + excluded.amount, events = usage_daily_scoped.events + excluded.events";
const EVENTS_BETWEEN: &str = "SELECT account_id, id, occurred_at, postings, details FROM usage_events \
    WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";
const EVENTS_OF_ACCOUNT: &str = "SELECT account_id, id, occurred_at, postings, details FROM usage_events \
    WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3";

pub(crate) const STATEMENTS: &[&str] =
    &[TOTALS, BY_MODEL, BY_DAY, BY_SCOPE, ADD_SCOPED, EVENTS_BETWEEN, EVENTS_OF_ACCOUNT];

/// What was used of one meter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterSum {
    pub meter: Name,
    pub amount: i64,
    /// How many events moved it.
    pub events: i64,
}

/// Days from `first` to `last`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Days {
    pub first: i64,
    pub last: i64,
}

impl Days {
    fn values(self, account: AccountId) -> [Value; 3] {
        [account.into(), self.first.into(), self.last.into()]
    }
}

pub fn totals(tx: &mut Tx<'_>, account: AccountId, days: Days) -> Result<Vec<MeterSum>, StorageError> {
    tx.query(TOTALS, &days.values(account))?.iter().map(decode_sum).collect()
}

/// The empty name stands for usage that no model made.
pub fn by_model(tx: &mut Tx<'_>, account: AccountId, days: Days) -> Result<Vec<(Name, MeterSum)>, StorageError> {
    let rows = tx.query(BY_MODEL, &days.values(account))?;
    rows.iter().map(|row| Ok((Name::new(row.text("model")?), decode_sum(row)?))).collect()
}

pub fn by_day(tx: &mut Tx<'_>, account: AccountId, days: Days) -> Result<Vec<(i64, MeterSum)>, StorageError> {
    let rows = tx.query(BY_DAY, &days.values(account))?;
    rows.iter().map(|row| Ok((row.integer("day")?, decode_sum(row)?))).collect()
}

/// By member, key or end user; as far as the events have been added up.
pub fn by_scope(
    tx: &mut Tx<'_>,
    account: AccountId,
    scope: LimitScope,
    days: Days,
) -> Result<Vec<(Name, MeterSum)>, StorageError> {
    let values = [account.into(), scope.as_str().into(), days.first.into(), days.last.into()];
    let rows = tx.query(BY_SCOPE, &values)?;
    rows.iter().map(|row| Ok((Name::new(row.text("scope_id")?), decode_sum(row)?))).collect()
}

fn decode_sum(row: &Row) -> Result<MeterSum, StorageError> {
    Ok(MeterSum {
        meter: Name::new(row.text("meter")?),
        amount: row.integer("amount")?,
        events: row.integer("events")?,
    })
}

/// Whose usage of what, on which day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ScopedDay {
    pub account: AccountId,
    pub scope: LimitScope,
    pub scope_id: Name,
    pub day: i64,
    pub meter: Name,
}

/// Adds to the sums of one member, key or end user.
pub fn add_scoped(tx: &mut Tx<'_>, key: &ScopedDay, amount: i64, events: i64) -> Result<(), StorageError> {
    let values: [Value; 7] = [
        key.account.into(),
        key.scope.as_str().into(),
        key.scope_id.as_str().into(),
        key.day.into(),
        key.meter.as_str().into(),
        amount.into(),
        events.into(),
    ];
    tx.execute(ADD_SCOPED, &values).map(|_| ())
}

/// An event, as far as adding up needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageEvent {
    pub id: EventId,
    pub occurred_at: Timestamp,
    pub postings: Vec<Posting>,
    /// JSON, as the event keeps it.
    pub details: String,
}

/// Events of all accounts in the order of their own ids, after `after` and before `before`.
pub fn events_between(tx: &mut Tx<'_>, after: &str, before: &str, limit: u32) -> Result<Vec<UsageEvent>, StorageError> {
    let rows = tx.query(EVENTS_BETWEEN, &[after.into(), before.into(), i64::from(limit).into()])?;
    rows.iter().map(decode_event).collect()
}

/// Events of one account after `after`, the oldest first.
pub fn events_of_account(
    tx: &mut Tx<'_>,
    account: AccountId,
    after: &str,
    limit: u32,
) -> Result<Vec<UsageEvent>, StorageError> {
    let rows = tx.query(EVENTS_OF_ACCOUNT, &[account.into(), after.into(), i64::from(limit).into()])?;
    rows.iter().map(decode_event).collect()
}

fn decode_event(row: &Row) -> Result<UsageEvent, StorageError> {
    let account = row.parsed("account_id", AccountId::parse)?;
    Ok(UsageEvent {
        id: row.parsed("id", |text| EventId::from_own_text(account, text))?,
        occurred_at: row.time("occurred_at")?,
        postings: decode_postings(row.text("postings")?)?,
        details: row.text("details")?.to_owned(),
    })
}
