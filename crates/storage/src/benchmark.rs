//! What the benchmark measures against, and the data it measures on. Reached only by a server that was started for it.

use domain::time::Timestamp;

use crate::{StorageError, Tx};

/// Account number i has the id of its number as digits, and is known outside as `bench-<i>`.
const SEED_ACCOUNTS: &str = "WITH RECURSIVE numbers (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers \
    WHERE i + 1 < CAST($2 AS BIGINT)) INSERT INTO accounts (id, external_id, name, metadata, status, created_at, \
    updated_at) SELECT 'acct_' || substr('00000000000000000000000000' || CAST(i AS TEXT), length(CAST(i AS TEXT)) + 1, 26), \
    'bench-' || CAST(i AS TEXT), 'Benchmark', '{}', 'active', CAST($3 AS BIGINT), CAST($3 AS BIGINT) FROM numbers";
const SEED_LEDGER: &str = "WITH RECURSIVE numbers (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers \
    WHERE i + 1 < CAST($2 AS BIGINT)) INSERT INTO ledger_accounts (account_id, entitlement_epoch, last_at) \
    SELECT 'acct_' || substr('00000000000000000000000000' || CAST(i AS TEXT), length(CAST(i AS TEXT)) + 1, 26), 1, 0 \
    FROM numbers";
/// Event number i belongs to account i modulo the number of accounts; ids that small sort before every real one.
const SEED_EVENTS: &str = "WITH RECURSIVE numbers (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers \
    WHERE i + 1 < CAST($2 AS BIGINT)) INSERT INTO usage_events (account_id, id, action, at, occurred_at, flags, model, \
    amounts, postings, draws, details) SELECT 'acct_' || substr('00000000000000000000000000' || \
    CAST(i % CAST($3 AS BIGINT) AS TEXT), length(CAST(i % CAST($3 AS BIGINT) AS TEXT)) + 1, 26), \
    substr('00000000000000000000000000' || CAST(i AS TEXT), length(CAST(i AS TEXT)) + 1, 26), 'consume', 1, 1, 0, '', \
    '[[\"requests\",1000000]]', '[[\"account\",\"\",\"requests\",\"period\",1,1000000,0,0]]', '[]', '{}' FROM numbers";
const CREATE_COUNTERS: &str =
    "CREATE TABLE IF NOT EXISTS benchmark_counters (account_id TEXT PRIMARY KEY, used BIGINT NOT NULL)";
const READ_COUNTER: &str = "SELECT used FROM benchmark_counters WHERE account_id = $1";
const WRITE_COUNTER: &str = "INSERT INTO benchmark_counters (account_id, used) VALUES ($1, $2) \
    ON CONFLICT (account_id) DO UPDATE SET used = excluded.used";
const CLEAR_COUNTERS: &str = "DELETE FROM benchmark_counters";

/// Statements on the server's own tables, for the test that prepares them all.
pub const STATEMENTS: &[&str] = &[SEED_ACCOUNTS, SEED_LEDGER, SEED_EVENTS];

/// Accounts `from` up to `to`, on the default plan.
pub fn seed_accounts(tx: &mut Tx<'_>, from: i64, to: i64, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(SEED_ACCOUNTS, &[from.into(), to.into(), now.into()])?;
    tx.execute(SEED_LEDGER, &[from.into(), to.into()])?;
    Ok(())
}

/// Events `from` up to `to`, spread over so many accounts.
pub fn seed_events(tx: &mut Tx<'_>, from: i64, to: i64, accounts: i64) -> Result<(), StorageError> {
    tx.execute(SEED_EVENTS, &[from.into(), to.into(), accounts.into()]).map(|_| ())
}

/// Nothing to do on SQLite, which does it by itself at once.
pub fn checkpoint(tx: &mut Tx<'_>) -> Result<(), StorageError> {
    if tx.is_postgres() { tx.execute_script("CHECKPOINT") } else { Ok(()) }
}

/// The reference's own table, empty.
pub fn clear_counters(tx: &mut Tx<'_>) -> Result<(), StorageError> {
    tx.execute_script(CREATE_COUNTERS)?;
    tx.execute(CLEAR_COUNTERS, &[]).map(|_| ())
}

pub fn read_counter(tx: &mut Tx<'_>, account: &str) -> Result<i64, StorageError> {
    tx.query_optional(READ_COUNTER, &[account.into()])?.map_or(Ok(0), |row| row.integer("used"))
}

pub fn write_counter(tx: &mut Tx<'_>, account: &str, used: i64) -> Result<(), StorageError> {
    tx.execute(WRITE_COUNTER, &[account.into(), used.into()]).map(|_| ())
}
