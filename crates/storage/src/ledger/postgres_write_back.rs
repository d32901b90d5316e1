//! Writing to `balances` and `usage_daily` on PostgreSQL what accounts' own rows have kept back, for whoever reads those
//! tables. Batches do it by themselves when much or long waits (`postgres_loading.rs`).

use domain::ids::AccountId;

use super::postponed::Postponed;
use crate::value::Value;
use crate::{StorageError, Tx};

const POSTPONED: &str = "SELECT account_id FROM ledger_accounts WHERE account_id = $1 AND LENGTH(postponed) > 0";
/// Whoever remembers the account reads it again.
const TAKE: &str = "UPDATE ledger_accounts SET version = version + 1 WHERE account_id = $1 AND LENGTH(postponed) > 0 \
    RETURNING account_id, postponed";
const CLEAR: &str = "UPDATE ledger_accounts SET postponed = '' WHERE account_id = $1";
const UPSERT_BALANCE: &str = "INSERT INTO balances (account_id, scope, scope_id, meter, window_kind, window_start, used, \
    reserved, credited, warned_percent, warned_limit, observed_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
    ON CONFLICT (account_id, scope, scope_id, meter, window_kind, window_start) DO UPDATE SET used = excluded.used, \
    reserved = excluded.reserved, credited = excluded.credited, warned_percent = excluded.warned_percent, \
    warned_limit = excluded.warned_limit, observed_at = excluded.observed_at";
const ADD_TO_DAY: &str = "INSERT INTO usage_daily (account_id, day, meter, model, amount, events) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, day, meter, model) DO UPDATE SET \
    events = usage_daily.events + excluded.events, amount = CAST(LEAST(GREATEST(CAST(usage_daily.amount AS NUMERIC) \
    + excluded.amount, -9223372036854775808), 9223372036854775807) AS BIGINT)";
const SOME: &str = "SELECT account_id FROM ledger_accounts WHERE account_id > $1 AND LENGTH(postponed) > 0 \
    AND last_at < $2 ORDER BY account_id LIMIT 256";

pub(crate) const STATEMENTS: &[&str] = &[POSTPONED, TAKE, CLEAR, UPSERT_BALANCE, ADD_TO_DAY, SOME];

/// Whether the account's row keeps something that the tables lack.
pub(crate) fn is_behind(tx: &mut Tx<'_>, account: AccountId) -> Result<bool, StorageError> {
    Ok(tx.query_optional(POSTPONED, &[account.into()])?.is_some())
}

/// Accounts after this one whose rows keep something back and that were last used before that time, 256 at most.
pub(crate) fn accounts_behind(
    tx: &mut Tx<'_>,
    after: &str,
    idle_since: domain::time::Timestamp,
) -> Result<Vec<AccountId>, StorageError> {
    let rows = tx.query(SOME, &[after.into(), idle_since.into()])?;
    rows.iter().map(|row| row.parsed("account_id", AccountId::parse)).collect()
}

/// Writes what the account's row keeps to the tables, and takes it from the row.
pub(crate) fn write_back(tx: &mut Tx<'_>, account: AccountId) -> Result<(), StorageError> {
    let Some(row) = tx.query_optional(TAKE, &[account.into()])? else { return Ok(()) };
    let Postponed { mut balances, mut days } = Postponed::of_row(&row)?;
    balances.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (place, balance) in balances {
        let values: [Value; 12] = [
            account.into(),
            place.scope.as_str().into(),
            place.scope_id_text().into(),
            place.meter.as_str().into(),
            place.window.as_str().into(),
            place.start.into(),
            balance.used.into(),
            balance.reserved.into(),
            balance.credited.into(),
            i64::from(balance.warned_percent).into(),
            balance.warned_limit.into(),
            balance.observed_at.into(),
        ];
        tx.execute(UPSERT_BALANCE, &values)?;
    }
    days.sort();
    for ((day, meter, model), (amount, events)) in days {
        let values: [Value; 6] =
            [account.into(), day.into(), meter.as_str().into(), model.as_str().into(), amount.into(), events.into()];
        tx.execute(ADD_TO_DAY, &values)?;
    }
    tx.execute(CLEAR, &[account.into()]).map(|_| ())
}
