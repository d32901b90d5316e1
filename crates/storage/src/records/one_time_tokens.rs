//! Tokens that are good once and for a short time: links in mails, challenges at sign-in, hand-offs. Kept as hashes.

use domain::time::Timestamp;

use crate::value::Value;
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO one_time_tokens (hash, purpose, subject, content, attempts, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, 0, $5, $6)";
const TAKE: &str = "DELETE FROM one_time_tokens WHERE hash = $1 AND purpose = $2 \
    RETURNING subject, content, attempts, created_at, expires_at";
const GET: &str = "SELECT subject, content, attempts, created_at, expires_at FROM one_time_tokens \
    WHERE hash = $1 AND purpose = $2";
const TRY: &str = "UPDATE one_time_tokens SET attempts = attempts + 1 WHERE hash = $1 AND purpose = $2 \
    RETURNING subject, content, attempts, created_at, expires_at";
const DELETE_OF_SUBJECT: &str = "DELETE FROM one_time_tokens WHERE subject = $1 AND purpose = $2";
const EXPIRED: &str = "SELECT hash FROM one_time_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2";
const DELETE: &str = "DELETE FROM one_time_tokens WHERE hash = $1";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, TAKE, GET, TRY, DELETE_OF_SUBJECT, EXPIRED, DELETE];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OneTimeToken {
    /// Whom it is about, such as a user's id.
    pub subject: String,
    /// JSON, of a shape that the purpose knows.
    pub content: String,
    /// How often it was tried, where a code goes with it.
    pub attempts: i64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

pub fn insert(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
    purpose: &'static str,
    token: &OneTimeToken,
) -> Result<(), StorageError> {
    let values: [Value; 6] = [
        hash.as_slice().into(),
        purpose.into(),
        (&token.subject).into(),
        (&token.content).into(),
        token.created_at.into(),
        token.expires_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// Takes a token: whoever comes with it next finds none. `Ok(None)`: there is none of this purpose, or its time is over.
pub fn take(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
    purpose: &'static str,
    now: Timestamp,
) -> Result<Option<OneTimeToken>, StorageError> {
    let row = tx.query_optional(TAKE, &[hash.as_slice().into(), purpose.into()])?;
    Ok(row.as_ref().map(decode).transpose()?.filter(|token| token.expires_at > now))
}

/// Looks at a token without taking it.
pub fn get(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
    purpose: &'static str,
    now: Timestamp,
) -> Result<Option<OneTimeToken>, StorageError> {
    let row = tx.query_optional(GET, &[hash.as_slice().into(), purpose.into()])?;
    Ok(row.as_ref().map(decode).transpose()?.filter(|token| token.expires_at > now))
}

/// Counts an attempt and answers the token with it counted.
pub fn try_once(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
    purpose: &'static str,
    now: Timestamp,
) -> Result<Option<OneTimeToken>, StorageError> {
    let row = tx.query_optional(TRY, &[hash.as_slice().into(), purpose.into()])?;
    Ok(row.as_ref().map(decode).transpose()?.filter(|token| token.expires_at > now))
}

/// Makes all tokens of a purpose useless for somebody.
pub fn delete_of(tx: &mut Tx<'_>, subject: &str, purpose: &'static str) -> Result<(), StorageError> {
    tx.execute(DELETE_OF_SUBJECT, &[subject.into(), purpose.into()]).map(|_| ())
}

/// Deletes at most `limit` tokens that were over before this time; how many.
pub fn delete_expired(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<usize, StorageError> {
    let expired = tx.query(EXPIRED, &[before.into(), i64::from(limit).into()])?;
    for row in &expired {
        tx.execute(DELETE, &[row.bytes("hash")?.into()])?;
    }
    Ok(expired.len())
}

fn decode(row: &crate::value::Row) -> Result<OneTimeToken, StorageError> {
    Ok(OneTimeToken {
        subject: row.text("subject")?.to_owned(),
        content: row.text("content")?.to_owned(),
        attempts: row.integer("attempts")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}
