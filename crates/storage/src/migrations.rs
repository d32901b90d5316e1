//! The schema, one numbered file an engine with the same name, applied once and in order.

use domain::time::Timestamp;
use rusqlite::Connection;

use crate::StorageError;
use crate::sqlite::in_transaction;
use crate::tx::{Engine, Tx};
use crate::value::Value;

struct Migration {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migration {
    ($name:literal) => {
        Migration {
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }
    };
}

const MIGRATIONS: &[Migration] = &[
    migration!("0001_foundation"),
    migration!("0002_ledger_redo"),
    migration!("0003_mails"),
    migration!("0004_people"),
    migration!("0005_webhooks"),
    migration!("0006_billing"),
    migration!("0007_solitude"),
    migration!("0008_stripe_meters"),
    migration!("0009_former_anchors"),
    migration!("0010_reconciliations"),
    migration!("0011_postponed"),
    migration!("0012_terms_in_force"),
    migration!("0013_events_by_time"),
    migration!("0014_journal"),
];

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)";
const LOCK: &str = "SELECT pg_advisory_xact_lock(7240019)::text AS locked";
const VERSION: &str = "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) AS version FROM migrations";
const INSERT: &str = "INSERT INTO migrations (version, name, applied_at) VALUES ($1, $2, $3)";

/// Applies what is missing. Several nodes may start at once; one does it, the others wait and find it done.
///
/// # Errors
/// [`StorageError::NewerSchema`] when the database was made by a newer build.
pub fn migrate(tx: &mut Tx<'_>, now: Timestamp) -> Result<usize, StorageError> {
    if tx.is_postgres() {
        tx.query(LOCK, &[])?;
    }
    tx.execute_script(CREATE_TABLE)?;
    let found = tx.query_optional(VERSION, &[])?.map_or(Ok(0), |row| row.integer("version"))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StorageError::NewerSchema { found, known });
    }
    let missing = MIGRATIONS.iter().enumerate().skip(found as usize);
    let mut applied = 0;
    for (place, migration) in missing {
        tx.execute_script(if tx.is_postgres() { migration.postgres } else { migration.sqlite })?;
        let values = [Value::Integer(place as i64 + 1), migration.name.into(), now.into()];
        tx.execute(INSERT, &values)?;
        applied += 1;
    }
    Ok(applied)
}

pub(crate) fn migrate_sqlite(connection: &Connection, now: Timestamp) -> Result<usize, StorageError> {
    let mut tx = Tx::new(Engine::Sqlite(connection));
    in_transaction(connection, || migrate(&mut tx, now))
}
