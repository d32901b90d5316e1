//! Authenticator apps, whose secrets are kept sealed, and the recovery codes that stand in for them, kept as hashes.

use domain::ids::UserId;
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const PUT: &str = "INSERT INTO authenticators (user_id, secret, confirmed_at, last_step, created_at) \
    VALUES ($1, $2, NULL, 0, $3) ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, confirmed_at = NULL, \
    last_step = 0, created_at = excluded.created_at WHERE authenticators.confirmed_at IS NULL";
const GET: &str = "SELECT user_id, secret, confirmed_at, last_step, created_at FROM authenticators WHERE user_id = $1";
const CONFIRM: &str = "UPDATE authenticators SET confirmed_at = $2 WHERE user_id = $1 AND confirmed_at IS NULL";
/// A step is used once: of two who come with the same code, one changes the row.
const USE_STEP: &str = "UPDATE authenticators SET last_step = $2 WHERE user_id = $1 AND last_step < $2";
const DELETE: &str = "DELETE FROM authenticators WHERE user_id = $1";

const INSERT_CODE: &str = "INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)";
const USE_CODE: &str = "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL";
const CODES_LEFT: &str = "SELECT COUNT(*) AS codes FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL";
const DELETE_CODES: &str = "DELETE FROM recovery_codes WHERE user_id = $1";

pub(crate) const STATEMENTS: &[&str] =
    &[PUT, GET, CONFIRM, USE_STEP, DELETE, INSERT_CODE, USE_CODE, CODES_LEFT, DELETE_CODES];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authenticator {
    pub user: UserId,
    /// Sealed.
    pub secret: Vec<u8>,
    /// `None`: the person has not shown yet that their app gives the right codes; nobody is asked for any.
    pub confirmed_at: Option<Timestamp>,
    /// The last time step whose code was used.
    pub last_step: i64,
    pub created_at: Timestamp,
}

/// Puts a secret in the place of one that was not confirmed. False: there is a confirmed one.
pub fn put(tx: &mut Tx<'_>, user: UserId, secret: &[u8], now: Timestamp) -> Result<bool, StorageError> {
    Ok(tx.execute(PUT, &[user.into(), secret.into(), now.into()])? == 1)
}

pub fn get(tx: &mut Tx<'_>, user: UserId) -> Result<Option<Authenticator>, StorageError> {
    tx.query_optional(GET, &[user.into()])?.as_ref().map(decode).transpose()
}

/// False: it was confirmed before, or there is none.
pub fn confirm(tx: &mut Tx<'_>, user: UserId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(tx.execute(CONFIRM, &[user.into(), now.into()])? == 1)
}

/// False: this step or a later one was used before.
pub fn use_step(tx: &mut Tx<'_>, user: UserId, step: i64) -> Result<bool, StorageError> {
    Ok(tx.execute(USE_STEP, &[user.into(), step.into()])? == 1)
}

/// With all recovery codes.
pub fn delete(tx: &mut Tx<'_>, user: UserId) -> Result<(), StorageError> {
    tx.execute(DELETE_CODES, &[user.into()])?;
    tx.execute(DELETE, &[user.into()]).map(|_| ())
}

/// Puts these codes in the place of all there were.
pub fn replace_recovery_codes(tx: &mut Tx<'_>, user: UserId, hashes: &[[u8; 32]]) -> Result<(), StorageError> {
    tx.execute(DELETE_CODES, &[user.into()])?;
    for hash in hashes {
        tx.execute(INSERT_CODE, &[user.into(), hash.as_slice().into()])?;
    }
    Ok(())
}

/// False: no such code, or it was used before.
pub fn use_recovery_code(tx: &mut Tx<'_>, user: UserId, hash: &[u8; 32], now: Timestamp) -> Result<bool, StorageError> {
    let values: [Value; 3] = [user.into(), hash.as_slice().into(), now.into()];
    Ok(tx.execute(USE_CODE, &values)? == 1)
}

pub fn recovery_codes_left(tx: &mut Tx<'_>, user: UserId) -> Result<i64, StorageError> {
    tx.query_optional(CODES_LEFT, &[user.into()])?.map_or(Ok(0), |row| row.integer("codes"))
}

fn decode(row: &Row) -> Result<Authenticator, StorageError> {
    Ok(Authenticator {
        user: row.parsed("user_id", UserId::parse)?,
        secret: row.bytes("secret")?.to_vec(),
        confirmed_at: row.time_or_null("confirmed_at")?,
        last_step: row.integer("last_step")?,
        created_at: row.time("created_at")?,
    })
}
