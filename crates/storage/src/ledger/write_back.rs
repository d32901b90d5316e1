//! Writing to `balances` and `usage_daily` on SQLite what waits for it, and keeping the redo log that says what waits.
//!
//! [`log`] is the one place that writes either, always within a transaction: the rows written back, one row of the log that
//! says so and what a batch has changed, and the log's oldest rows deleted when everything from them has been written.
//! Whatever is committed, tables and log say together the same truth.

use domain::ids::AccountId;
use domain::ledger::Balance;
use rusqlite::{Connection, params};

use super::redo::{self, BalanceKey, DayKey, DaySum, Follower, Record, Span};
use super::unwritten::{Done, Part, Plan, Unwritten};
use crate::StorageError;
use crate::sqlite::in_unsynced_transaction;
use crate::tx::{Engine, Tx};

const UPSERT_BALANCE: &str = "INSERT INTO balances (account_id, scope, scope_id, meter, window_kind, window_start, used, \
    reserved, credited, warned_percent, warned_limit, observed_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
    ON CONFLICT (account_id, scope, scope_id, meter, window_kind, window_start) DO UPDATE SET used = excluded.used, \
    reserved = excluded.reserved, credited = excluded.credited, warned_percent = excluded.warned_percent, \
    warned_limit = excluded.warned_limit, observed_at = excluded.observed_at";
/// A sum that leaves the range of integers stays at its end: what waits must always be possible to write.
const ADD_TO_DAY: &str = "INSERT INTO usage_daily (account_id, day, meter, model, amount, events) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (account_id, day, meter, model) DO UPDATE SET \
    amount = CASE WHEN typeof(amount + excluded.amount) = 'integer' THEN amount + excluded.amount \
    WHEN excluded.amount > 0 THEN 9223372036854775807 ELSE -9223372036854775808 END, \
    events = events + excluded.events";
const INSERT_ROW: &str = "INSERT INTO ledger_redo (id, content) VALUES (?1, ?2)";
const DELETE_THROUGH: &str = "DELETE FROM ledger_redo WHERE id <= ?1";
const DELETE_ALL: &str = "DELETE FROM ledger_redo";
const ENDS: &str = "SELECT MIN(id), MAX(id) FROM ledger_redo";

pub(crate) const STATEMENTS: &[&str] = &[UPSERT_BALANCE, ADD_TO_DAY, INSERT_ROW, DELETE_THROUGH, DELETE_ALL, ENDS];

/// Rows of either table written in one transaction while nothing else is to do: what comes meanwhile waits for it.
const ROWS_A_STEP: usize = 1_000;

/// Logs what a batch has changed, and writes back what of the rest is due. In a transaction; what it returns is told to
/// [`Unwritten::committed`] after the commit.
pub(super) fn log_batch(
    connection: &Connection,
    unwritten: &Unwritten,
    balances: Vec<(BalanceKey, Balance)>,
    days: Vec<(DayKey, DaySum)>,
) -> Result<Done, StorageError> {
    let part = unwritten.part_for_batch(balances.len().max(days.len()));
    log(connection, unwritten, part, Record { balances, days, ..Record::default() })
}

fn log(connection: &Connection, unwritten: &Unwritten, part: Part, changed: Record) -> Result<Done, StorageError> {
    let plan = unwritten.plan(part, !changed.is_empty());
    write_balances(connection, &plan.balances)?;
    write_days(connection, &plan.days)?;
    let record = record_of(&plan, changed);
    let mut row_bytes = None;
    if plan.is_all {
        if unwritten.log_ends().is_some() {
            connection.execute(DELETE_ALL, [])?;
        }
    } else {
        if let Some(through) = plan.delete_through {
            connection.prepare_cached(DELETE_THROUGH)?.execute(params![through])?;
        }
        if !record.is_empty() {
            let content = redo::encode(&record);
            connection.prepare_cached(INSERT_ROW)?.execute(params![plan.row, content])?;
            row_bytes = Some(content.len());
        }
    }
    Ok(Done { plan, record, row_bytes })
}

/// The row of the log that goes with a transaction.
pub(super) fn record_of(plan: &Plan, changed: Record) -> Record {
    Record { written_balances: Span::of(&plan.balances), written_days: Span::of(&plan.days), ..changed }
}

/// The statements stand in the order of the tables' keys, so that neighbours find their page at hand.
fn write_balances(connection: &Connection, rows: &[(BalanceKey, Balance)]) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(UPSERT_BALANCE)?;
    for ((account, place), balance) in rows {
        statement.execute(params![
            account.to_string(),
            place.scope.as_str(),
            place.scope_id_text(),
            place.meter.as_str(),
            place.window.as_str(),
            place.start.micros(),
            balance.used,
            balance.reserved,
            balance.credited,
            balance.warned_percent,
            balance.warned_limit,
            balance.observed_at.micros(),
        ])?;
    }
    Ok(())
}

fn write_days(connection: &Connection, rows: &[(DayKey, DaySum)]) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(ADD_TO_DAY)?;
    for ((account, (day, meter, model)), (amount, events)) in rows {
        statement.execute(params![account.to_string(), day, meter.as_str(), model.as_str(), amount, events])?;
    }
    Ok(())
}

/// Writes back one step of what waits. Returns whether more waits.
pub(crate) fn write_step(connection: &Connection, unwritten: &Unwritten) -> Result<bool, StorageError> {
    write_part(connection, unwritten, Part::Next(ROWS_A_STEP))?;
    Ok(!unwritten.is_empty())
}

/// Writes back everything that waits, or that waits of one account.
pub(crate) fn write_back(
    connection: &Connection,
    unwritten: &Unwritten,
    account: Option<AccountId>,
) -> Result<(), StorageError> {
    match account {
        Some(account) => {
            while unwritten.has(account) {
                write_part(connection, unwritten, Part::Of(account, ROWS_A_STEP))?;
            }
        }
        None => while !unwritten.is_empty() && write_step(connection, unwritten)? {},
    }
    Ok(())
}

fn write_part(connection: &Connection, unwritten: &Unwritten, part: Part) -> Result<(), StorageError> {
    // It changes nothing of what log and tables say together, so it may come to the disk whenever.
    let done = in_unsynced_transaction(connection, || log(connection, unwritten, part, Record::default()))?;
    unwritten.committed(done);
    Ok(())
}

/// Finds again what a process left unwritten that was killed, and writes it back before anybody reads.
///
/// # Errors
/// When the log cannot be read. A disk that is full is no error: what waits goes on waiting.
pub(crate) fn recover(connection: &Connection, unwritten: &Unwritten) -> Result<(), StorageError> {
    restore(connection, unwritten)?;
    if let Err(error) = write_back(connection, unwritten, None) {
        tracing::warn!(%error, "what the last process left in the ledger's redo log could not be written back yet");
    }
    Ok(())
}

/// After a transaction that failed: what waits is what the log on the disk says, whatever became of the commit.
pub(crate) fn agree_with_log(connection: &Connection, unwritten: &Unwritten) -> Result<(), StorageError> {
    let ends: (Option<i64>, Option<i64>) = connection.query_row(ENDS, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if ends.0.zip(ends.1) == unwritten.log_ends() { Ok(()) } else { restore(connection, unwritten) }
}

fn restore(connection: &Connection, unwritten: &Unwritten) -> Result<(), StorageError> {
    let mut log = Follower::default();
    log.catch_up(&mut Tx::new(Engine::Sqlite(connection)))?;
    unwritten.restore(log);
    Ok(())
}
