//! Answers kept by a caller's idempotency key, so that a request sent twice is done once and answered the same.
//!
//! A row without a status is a request that runs right now. One that has run longer than a lease is taken over: whoever
//! ran it has died.

use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO idempotent_answers (caller, key_hash, request_hash, started_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (caller, key_hash) DO NOTHING";
/// Expired rows, and running ones whose runner has died, are as good as none.
const TAKE_OVER: &str = "UPDATE idempotent_answers SET request_hash = $3, status = NULL, content_type = NULL, \
    body = NULL, started_at = $4, expires_at = $5 WHERE caller = $1 AND key_hash = $2 \
    AND (expires_at <= $4 OR (status IS NULL AND started_at <= $6 AND request_hash = $3))";
const FIND: &str = "SELECT request_hash, status, content_type, body FROM idempotent_answers \
    WHERE caller = $1 AND key_hash = $2";
const FINISH: &str = "UPDATE idempotent_answers SET status = $4, content_type = $5, body = $6 \
    WHERE caller = $1 AND key_hash = $2 AND started_at = $3 AND status IS NULL";
const ABANDON: &str = "DELETE FROM idempotent_answers \
    WHERE caller = $1 AND key_hash = $2 AND started_at = $3 AND status IS NULL";
const EXPIRED: &str = "SELECT caller, key_hash FROM idempotent_answers WHERE expires_at <= $1 \
    ORDER BY expires_at LIMIT $2";
const DELETE_EXPIRED: &str = "DELETE FROM idempotent_answers WHERE caller = $1 AND key_hash = $2 AND expires_at <= $3";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, TAKE_OVER, FIND, FINISH, ABANDON, EXPIRED, DELETE_EXPIRED];

/// Names one request of one caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestKey {
    pub caller: String,
    pub key_hash: [u8; 32],
    pub request_hash: [u8; 32],
}

/// What is known of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing: it is this caller's to run, noted as running since then.
    Run {
        started_at: Timestamp,
    },
    Running,
    /// The key came with another request before.
    OtherRequest,
    Answered(Answer),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// Notes a request as running, or says what is known of it.
pub fn begin(
    tx: &mut Tx<'_>,
    request: &RequestKey,
    now: Timestamp,
    dead_since: Timestamp,
    expires_at: Timestamp,
) -> Result<Found, StorageError> {
    let mut values: Vec<Value> = vec![
        (&request.caller).into(),
        request.key_hash.as_slice().into(),
        request.request_hash.as_slice().into(),
        now.into(),
        expires_at.into(),
    ];
    if tx.execute(INSERT, &values)? == 1 {
        return Ok(Found::Run { started_at: now });
    }
    values.push(dead_since.into());
    if tx.execute(TAKE_OVER, &values)? == 1 {
        return Ok(Found::Run { started_at: now });
    }
    match tx.query_optional(FIND, &values[..2])? {
        Some(row) => decode(&row, request),
        // It was abandoned between the two statements; the caller tries again.
        None => Ok(Found::Running),
    }
}

/// Keeps the answer of a request that this caller began at `started_at`. False: another has taken it over.
pub fn finish(
    tx: &mut Tx<'_>,
    request: &RequestKey,
    started_at: Timestamp,
    answer: &Answer,
) -> Result<bool, StorageError> {
    let values: [Value; 6] = [
        (&request.caller).into(),
        request.key_hash.as_slice().into(),
        started_at.into(),
        i64::from(answer.status).into(),
        answer.content_type.as_ref().into(),
        answer.body.as_slice().into(),
    ];
    Ok(tx.execute(FINISH, &values)? == 1)
}

/// Forgets a request that came to no answer worth keeping, so that it can be sent again.
pub fn abandon(tx: &mut Tx<'_>, request: &RequestKey, started_at: Timestamp) -> Result<(), StorageError> {
    let values: [Value; 3] = [(&request.caller).into(), request.key_hash.as_slice().into(), started_at.into()];
    tx.execute(ABANDON, &values).map(|_| ())
}

/// At most `limit` answers that are no longer kept: caller and hash of the key.
pub fn expired(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
    let rows = tx.query(EXPIRED, &[now.into(), i64::from(limit).into()])?;
    rows.iter().map(|row| Ok((row.text("caller")?.to_owned(), row.bytes("key_hash")?.to_vec()))).collect()
}

/// Deletes those of `expired` that still are.
pub fn delete_expired(tx: &mut Tx<'_>, expired: &[(String, Vec<u8>)], now: Timestamp) -> Result<(), StorageError> {
    for (caller, key_hash) in expired {
        tx.execute(DELETE_EXPIRED, &[caller.into(), key_hash.as_slice().into(), now.into()])?;
    }
    Ok(())
}

fn decode(row: &Row, request: &RequestKey) -> Result<Found, StorageError> {
    if row.bytes("request_hash")? != request.request_hash {
        return Ok(Found::OtherRequest);
    }
    let Some(status) = row.integer_or_null("status")? else { return Ok(Found::Running) };
    Ok(Found::Answered(Answer {
        status: u16::try_from(status).map_err(StorageError::unexpected)?,
        content_type: row.text_or_null("content_type")?.map(str::to_owned),
        body: row.bytes_or_null("body")?.unwrap_or_default().to_vec(),
    }))
}
