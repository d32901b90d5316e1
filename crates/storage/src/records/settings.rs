//! Single values that the server keeps by name, such as how far the development clock was moved.

use crate::{StorageError, Tx};

const GET: &str = "SELECT value FROM settings WHERE name = $1";
const PUT: &str = "INSERT INTO settings (name, value) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const INSERT: &str = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
const LOCK: &str = "UPDATE settings SET value = value WHERE name = $1 RETURNING value";

pub(crate) const STATEMENTS: &[&str] = &[GET, PUT, INSERT, LOCK];

/// How far the development clock was moved ahead, in microseconds.
pub const CLOCK_OFFSET: &str = "clock_offset_micros";
/// The last event that was added to the daily sums by member, key and end user.
pub const ROLLED_UP_TO: &str = "usage_rolled_up_to";

pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<String>, StorageError> {
    tx.query_optional(GET, &[name.into()])?.map(|row| row.text("value").map(str::to_owned)).transpose()
}

pub fn put(tx: &mut Tx<'_>, name: &str, value: &str) -> Result<(), StorageError> {
    tx.execute(PUT, &[name.into(), value.into()]).map(|_| ())
}

/// The value, `first` where there is none yet, held until the transaction ends: nobody else changes it meanwhile.
pub fn lock(tx: &mut Tx<'_>, name: &str, first: &str) -> Result<String, StorageError> {
    tx.execute(INSERT, &[name.into(), first.into()])?;
    let row = tx.query_optional(LOCK, &[name.into()])?;
    match row {
        Some(row) => row.text("value").map(str::to_owned),
        None => Err(StorageError::Unexpected(format!("the setting {name} was deleted while it was read"))),
    }
}
