//! Keeping the ledger's tables in months: partitions made ahead on PostgreSQL, and callers' keys dropped when they can no
//! longer come again.

use domain::ids::{EventId, EventKind, Id};
use domain::time::{MICROS_PER_DAY, Timestamp};
use domain::windows::{Window, WindowKind};

use super::{KEY_DAYS, key_bucket};
use crate::{StorageError, Tx};

/// Months that are made ahead, so that a server that cannot make one for weeks still has where to write.
const MONTHS_AHEAD: usize = 3;
/// Keys looked at in one transaction on SQLite.
const SLICE: i64 = 5_000;

const LOCK: &str = "SELECT pg_advisory_xact_lock(7240020)::text AS locked";
const EXISTS: &str = "SELECT to_regclass($1)::text AS found";
const REST_OF_EVENTS: &str = "SELECT id FROM usage_events_rest WHERE id >= $1 AND id < $2 LIMIT 1";
const REST_OF_KEYS: &str = "SELECT bucket FROM ledger_keys_rest WHERE bucket = $1 LIMIT 1";
const KEY_PARTITIONS: &str = "SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
    JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = 'ledger_keys' AND c.relname <> 'ledger_keys_rest'";
/// The account at the end of the next slice of keys.
const SLICE_END: &str =
    "SELECT account_id FROM ledger_keys WHERE account_id > $1 ORDER BY account_id LIMIT 1 OFFSET $2";
const DELETE_SLICE: &str = "DELETE FROM ledger_keys WHERE account_id > $1 AND account_id <= $2 AND bucket < $3";

pub(crate) const STATEMENTS: &[&str] = &[SLICE_END, DELETE_SLICE];
pub(crate) const POSTGRES_STATEMENTS: &[&str] = &[LOCK, EXISTS, REST_OF_EVENTS, REST_OF_KEYS, KEY_PARTITIONS];

/// Makes this month's partitions and the next ones. Nothing to do on SQLite.
pub fn make_partitions(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StorageError> {
    if !tx.is_postgres() {
        return Ok(());
    }
    tx.query(LOCK, &[])?;
    let mut month = Window::containing(WindowKind::Month, now, now);
    for _ in 0..=MONTHS_AHEAD {
        let end = month.end.unwrap_or(month.start);
        let bucket = key_bucket(month.start);
        let events = format!("usage_events_{bucket}");
        let (from, to) = (first_id(month.start), first_id(end));
        // A month that was written to before it had a partition (a clock moved far ahead) stays where it is.
        let begun = !tx.query(REST_OF_EVENTS, &[from.as_str().into(), to.as_str().into()])?.is_empty();
        if !begun && !exists(tx, &events)? {
            tx.execute_script(&format!(
                "CREATE TABLE {events} PARTITION OF usage_events FOR VALUES FROM ('{from}') TO ('{to}')"
            ))?;
        }
        let keys = format!("ledger_keys_{bucket}");
        let begun = !tx.query(REST_OF_KEYS, &[bucket.into()])?.is_empty();
        if !begun && !exists(tx, &keys)? {
            let next = bucket + 1;
            tx.execute_script(&format!(
                "CREATE TABLE {keys} PARTITION OF ledger_keys FOR VALUES FROM ({bucket}) TO ({next})"
            ))?;
        }
        month = Window::containing(WindowKind::Month, end, end);
    }
    Ok(())
}

fn exists(tx: &mut Tx<'_>, table: &str) -> Result<bool, StorageError> {
    let row = tx.query_optional(EXISTS, &[table.into()])?;
    row.map_or(Ok(false), |row| row.text_or_null("found").map(|found| found.is_some()))
}

/// The own part of the lowest id that can be made at this time; ids begin with their time.
fn first_id(at: Timestamp) -> String {
    let account = domain::ids::AccountId::from_bits(0);
    EventId::from_own(account, Id::<EventKind>::new(at, 0).bits()).own_text()
}

/// The first month whose keys are still needed: whatever may still be recorded must find the key it was recorded with.
pub fn oldest_bucket(now: Timestamp) -> i64 {
    key_bucket(now.minus_micros(KEY_DAYS * MICROS_PER_DAY))
}

/// Drops whole months of keys on PostgreSQL. Returns whether that is all there was to do.
pub fn drop_key_partitions(tx: &mut Tx<'_>, now: Timestamp) -> Result<bool, StorageError> {
    if !tx.is_postgres() {
        return Ok(false);
    }
    let oldest = oldest_bucket(now);
    for row in tx.query(KEY_PARTITIONS, &[])? {
        let name = row.text("name")?;
        let bucket = name.strip_prefix("ledger_keys_").and_then(|bucket| bucket.parse::<i64>().ok());
        if bucket.is_some_and(|bucket| bucket < oldest) {
            tx.execute_script(&format!("DROP TABLE {name}"))?;
        }
    }
    Ok(true)
}

/// Deletes the old keys of the accounts after this one, one slice of them. Returns where to go on; `None` at the end.
pub fn delete_old_keys(tx: &mut Tx<'_>, after: &str, now: Timestamp) -> Result<Option<String>, StorageError> {
    const LAST: &str = "acct_zzzzzzzzzzzzzzzzzzzzzzzzzz";
    let row = tx.query_optional(SLICE_END, &[after.into(), SLICE.into()])?;
    let end = row.as_ref().map_or(Ok(LAST), |row| row.text("account_id"))?.to_owned();
    tx.execute(DELETE_SLICE, &[after.into(), end.as_str().into(), oldest_bucket(now).into()])?;
    Ok(row.is_some().then_some(end))
}
