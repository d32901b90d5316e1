//! Writing to `balances` and `usage_daily` on PostgreSQL what accounts' own rows have kept back, for whoever reads those
//! tables. Batches do it by themselves when much or long waits (`postgres_loading.rs`).

use domain::ids::AccountId;
use domain::time::Timestamp;

use super::postgres_journal;
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
/// By the key, whatever is found, so that the statement takes no longer where little is.
const AFTER: &str = "SELECT account_id, CAST(CASE WHEN LENGTH(postponed) > 0 AND last_at < $2 THEN 1 ELSE 0 END AS BIGINT) \
    AS is_behind FROM ledger_accounts WHERE account_id > $1 ORDER BY account_id LIMIT 1000";

pub(crate) const STATEMENTS: &[&str] = &[POSTPONED, TAKE, CLEAR, UPSERT_BALANCE, ADD_TO_DAY, AFTER];

/// Whether the account's row keeps something that the tables lack.
pub(crate) fn is_behind(tx: &mut Tx<'_>, account: AccountId) -> Result<bool, StorageError> {
    if tx.journal().is_some_and(|journal| journal.noted(account).is_some()) {
        return Ok(true);
    }
    postgres_journal::must_be_ours(tx)?;
    let is_behind = tx.query_optional(POSTPONED, &[account.into()])?.is_some();
    tx.must_see_what_left()?;
    Ok(is_behind)
}

/// Of the thousand accounts after this one, those whose rows keep something back and that were last used before that time;
/// and the last of the thousand, if there are so many.
pub(crate) fn accounts_after(
    tx: &mut Tx<'_>,
    after: &str,
    idle_since: Timestamp,
) -> Result<(Vec<AccountId>, Option<String>), StorageError> {
    let rows = tx.query(AFTER, &[after.into(), idle_since.into()])?;
    let mut behind = Vec::new();
    for row in &rows {
        if row.integer("is_behind")? != 0 {
            behind.push(row.parsed("account_id", AccountId::parse)?);
        }
    }
    let last = rows.last().filter(|_| rows.len() == 1_000).map(|row| row.text("account_id").map(str::to_owned));
    Ok((behind, last.transpose()?))
}

/// Writes what the account's row keeps to the tables, and takes it from the row. Whoever remembers the account reads it again.
pub(crate) fn write_back(tx: &mut Tx<'_>, account: AccountId) -> Result<(), StorageError> {
    postgres_journal::hold(tx, account)?;
    tx.note_account_changed(account);
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
