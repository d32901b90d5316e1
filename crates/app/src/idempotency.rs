//! Requests that are sent twice and done once: the answer is kept by the caller's `Idempotency-Key` for a day.
//!
//! For everything but metered usage, whose keys are the ledger's. [`begin`], then [`finish`] with the answer, or
//! [`abandon`] when there is none worth keeping: after an error of ours the same key tries again. A request whose process
//! died is taken over after a minute. Answers that hold a secret are not for keeping; their requests go without.

use domain::time::{MICROS_PER_DAY, MICROS_PER_MINUTE, Timestamp};
use sha2::{Digest, Sha256};
use storage::Tx;
use storage::records::idempotent_answers::{self, Answer, Found, RequestKey};

use crate::{App, AppError};

const KEPT_MICROS: i64 = MICROS_PER_DAY;
const LEASE_MICROS: i64 = MICROS_PER_MINUTE;
const LONGEST_KEY: usize = 255;
/// Expired answers deleted in one transaction.
const TOGETHER: u32 = 500;

/// What to do with a request that came with a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    /// Do it; hand this back with the answer.
    Run(RunningRequest),
    /// It was done before and answered so.
    Replay { status: u16, content_type: Option<String>, body: Vec<u8> },
}

/// A request that is noted as running.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunningRequest {
    request: RequestKey,
    started_at: Timestamp,
}

/// `caller` tells callers apart, `request_hash` requests: method, path and body.
///
/// # Errors
/// [`AppError::KeyReused`] when the key came with another request before, [`AppError::StillRunning`] when this one has
/// no answer yet.
pub async fn begin(app: &App, caller: &str, key: &str, request_hash: [u8; 32]) -> Result<Start, AppError> {
    if key.is_empty() || key.chars().count() > LONGEST_KEY {
        let message = format!("An idempotency key has 1 to {LONGEST_KEY} characters.");
        return Err(AppError::invalid("Idempotency-Key", message));
    }
    let key_hash = Sha256::digest(key.as_bytes()).into();
    let request = RequestKey { caller: caller.to_owned(), key_hash, request_hash };
    let now = app.now();
    let (dead_since, expires_at) = (now.minus_micros(LEASE_MICROS), now.plus_micros(KEPT_MICROS));
    let wanted = request.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<Found, AppError> {
        Ok(idempotent_answers::begin(tx, &wanted, now, dead_since, expires_at)?)
    };
    match app.database.write("begin_idempotent_request", write).await? {
        Found::Run { started_at } => Ok(Start::Run(RunningRequest { request, started_at })),
        Found::Running => Err(AppError::StillRunning),
        Found::OtherRequest => Err(AppError::KeyReused { event: None }),
        Found::Answered(Answer { status, content_type, body }) => Ok(Start::Replay { status, content_type, body }),
    }
}

/// Keeps the answer.
pub async fn finish(
    app: &App,
    running: RunningRequest,
    status: u16,
    content_type: Option<String>,
    body: Vec<u8>,
) -> Result<(), AppError> {
    let answer = Answer { status, content_type, body };
    let write = move |tx: &mut Tx<'_>| -> Result<bool, AppError> {
        Ok(idempotent_answers::finish(tx, &running.request, running.started_at, &answer)?)
    };
    app.database.write("finish_idempotent_request", write).await.map(|_| ())
}

/// Forgets the request, so that the same key may try again.
pub async fn abandon(app: &App, running: RunningRequest) -> Result<(), AppError> {
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        Ok(idempotent_answers::abandon(tx, &running.request, running.started_at)?)
    };
    app.database.write("abandon_idempotent_request", write).await
}

/// Deletes what is older than a day, a slice at a time.
pub(crate) async fn delete_expired(app: &App) -> Result<(), AppError> {
    loop {
        let now = app.now();
        let find =
            move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(idempotent_answers::expired(tx, now, TOGETHER)?) };
        let expired = app.database.read("find_expired_answers", find).await?;
        if expired.is_empty() {
            return Ok(());
        }
        let delete = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
            Ok(idempotent_answers::delete_expired(tx, &expired, now)?)
        };
        app.database.write("delete_expired_answers", delete).await?;
    }
}
