//! Work that a transaction leaves behind: done later, at least once, by whichever node leases it.
//!
//! A job that is done is deleted; one that has failed too often stays as `failed`, for people to look at.

use domain::ids::{AccountId, JobId};
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO jobs (id, kind, account_id, payload, state, run_at, attempts, created_at) \
    VALUES ($1, $2, $3, $4, 'ready', $5, 0, $6)";
/// A running job whose lease is over has lost its runner.
const CLAIM: &str = "UPDATE jobs SET state = 'running', attempts = attempts + 1, leased_until = $4 WHERE id IN \
    (SELECT id FROM jobs WHERE kind = $1 AND ((state = 'ready' AND run_at <= $2) \
    OR (state = 'running' AND leased_until <= $3)) ORDER BY run_at, id LIMIT $5) \
    RETURNING id, kind, account_id, payload, state, run_at, attempts, leased_until, last_error, created_at";
/// The same, but rows that another node is claiming right now are passed over. An array is selected once; `IN` is selected
/// anew for each row where PostgreSQL takes the table for small, and each time other rows are not locked yet.
const CLAIM_UNLOCKED: &str = "UPDATE jobs SET state = 'running', attempts = attempts + 1, leased_until = $4 WHERE id = \
    ANY (ARRAY (SELECT id FROM jobs WHERE kind = $1 AND ((state = 'ready' AND run_at <= $2) \
    OR (state = 'running' AND leased_until <= $3)) ORDER BY run_at, id LIMIT $5 FOR UPDATE SKIP LOCKED)) \
    RETURNING id, kind, account_id, payload, state, run_at, attempts, leased_until, last_error, created_at";
const ANY_DUE: &str = "SELECT id FROM jobs WHERE kind = $1 AND ((state = 'ready' AND run_at <= $2) \
    OR (state = 'running' AND leased_until <= $3)) LIMIT 1";
/// Named by attempt: who has lost the lease cannot end what another is doing.
const FINISH: &str = "DELETE FROM jobs WHERE id = $1 AND state = 'running' AND attempts = $2";
const FAIL: &str = "UPDATE jobs SET state = $3, run_at = $4, leased_until = NULL, last_error = $5 \
    WHERE id = $1 AND state = 'running' AND attempts = $2";
const RETRY: &str = "UPDATE jobs SET state = 'ready', attempts = 0, run_at = $2 WHERE id = $1 AND state = 'failed' \
    RETURNING id, kind, account_id, payload, state, run_at, attempts, leased_until, last_error, created_at";
const BY_ID: &str = "SELECT id, kind, account_id, payload, state, run_at, attempts, leased_until, last_error, \
    created_at FROM jobs WHERE id = $1";
const NEWEST: &str = "SELECT id, kind, account_id, payload, state, run_at, attempts, leased_until, last_error, \
    created_at FROM jobs WHERE state = $1 ORDER BY id DESC LIMIT $2";
const BEFORE: &str = "SELECT id, kind, account_id, payload, state, run_at, attempts, leased_until, last_error, \
    created_at FROM jobs WHERE state = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, CLAIM, ANY_DUE, FINISH, FAIL, RETRY, BY_ID, NEWEST, BEFORE];
pub(crate) const POSTGRES_STATEMENTS: &[&str] = &[CLAIM_UNLOCKED];

/// The longest message kept of a failure, in characters.
const LONGEST_ERROR: usize = 2_000;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    pub id: JobId,
    pub kind: String,
    pub account: Option<AccountId>,
    /// JSON, of a shape that the kind knows. Operators are shown it, so it holds no secret.
    pub payload: String,
    pub state: JobState,
    pub run_at: Timestamp,
    /// How often it was begun.
    pub attempts: i64,
    pub leased_until: Option<Timestamp>,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobState {
    Ready,
    Running,
    /// Given up.
    Failed,
}

impl JobState {
    pub const ALL: [JobState; 3] = [JobState::Ready, JobState::Running, JobState::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Ready => "ready",
            JobState::Running => "running",
            JobState::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A job that is not in the database yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewJob {
    pub id: JobId,
    pub kind: &'static str,
    pub account: Option<AccountId>,
    pub payload: String,
    pub run_at: Timestamp,
}

pub fn insert(tx: &mut Tx<'_>, job: &NewJob, now: Timestamp) -> Result<(), StorageError> {
    let values: [Value; 6] =
        [job.id.into(), job.kind.into(), job.account.into(), (&job.payload).into(), job.run_at.into(), now.into()];
    tx.execute(INSERT, &values)?;
    tx.note_jobs_added();
    Ok(())
}

/// For how long jobs are taken, by wall time. The development clock does not count: moving it must not take a job away
/// from who is at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Now; leases that ended before it are over.
    pub from: Timestamp,
    pub until: Timestamp,
}

/// Takes at most `limit` jobs of a kind that are due, the longest due first.
pub fn claim(tx: &mut Tx<'_>, kind: &str, now: Timestamp, lease: Lease, limit: u32) -> Result<Vec<Job>, StorageError> {
    let statement = if tx.is_postgres() { CLAIM_UNLOCKED } else { CLAIM };
    let values: [Value; 5] = [kind.into(), now.into(), lease.from.into(), lease.until.into(), i64::from(limit).into()];
    let rows = tx.query(statement, &values)?;
    let mut claimed = rows.iter().map(decode).collect::<Result<Vec<Job>, _>>()?;
    claimed.sort_by_key(|job| (job.run_at, job.id));
    Ok(claimed)
}

/// Whether any job of this kind could be claimed. `unmoved` is wall time, by which leases end.
pub fn any_due(tx: &mut Tx<'_>, kind: &str, now: Timestamp, unmoved: Timestamp) -> Result<bool, StorageError> {
    Ok(tx.query_optional(ANY_DUE, &[kind.into(), now.into(), unmoved.into()])?.is_some())
}

/// Deletes a job that is done. False: its lease was over and another has taken it.
pub fn finish(tx: &mut Tx<'_>, job: &Job) -> Result<bool, StorageError> {
    Ok(tx.execute(FINISH, &[job.id.into(), job.attempts.into()])? == 1)
}

/// Puts a job that failed back for `again_at`, or gives it up. False: its lease was over and another has taken it.
pub fn fail(tx: &mut Tx<'_>, job: &Job, error: &str, again_at: Option<Timestamp>) -> Result<bool, StorageError> {
    let state = if again_at.is_some() { JobState::Ready } else { JobState::Failed };
    let error: String = error.chars().filter(|character| *character != '\0').take(LONGEST_ERROR).collect();
    let values: [Value; 5] = [
        job.id.into(),
        job.attempts.into(),
        state.as_str().into(),
        again_at.unwrap_or(job.run_at).into(),
        error.into(),
    ];
    Ok(tx.execute(FAIL, &values)? == 1)
}

/// Gives a job that was given up its attempts again, from now on. `Ok(None)`: there is none that was given up.
pub fn retry(tx: &mut Tx<'_>, id: JobId, now: Timestamp) -> Result<Option<Job>, StorageError> {
    let retried = tx.query_optional(RETRY, &[id.into(), now.into()])?;
    if retried.is_some() {
        tx.note_jobs_added();
    }
    retried.as_ref().map(decode).transpose()
}

pub fn by_id(tx: &mut Tx<'_>, id: JobId) -> Result<Option<Job>, StorageError> {
    tx.query_optional(BY_ID, &[id.into()])?.as_ref().map(decode).transpose()
}

/// The newest first, from the one made before `before`.
pub fn list(tx: &mut Tx<'_>, state: JobState, before: Option<JobId>, limit: u32) -> Result<Vec<Job>, StorageError> {
    let (state, limit) = (Value::from(state.as_str()), Value::from(i64::from(limit)));
    let rows = match before {
        None => tx.query(NEWEST, &[state, limit])?,
        Some(before) => tx.query(BEFORE, &[state, before.into(), limit])?,
    };
    rows.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<Job, StorageError> {
    Ok(Job {
        id: row.parsed("id", JobId::parse)?,
        kind: row.text("kind")?.to_owned(),
        account: row.parsed_or_null("account_id", AccountId::parse)?,
        payload: row.text("payload")?.to_owned(),
        state: row.parsed("state", JobState::parse)?,
        run_at: row.time("run_at")?,
        attempts: row.integer("attempts")?,
        leased_until: row.time_or_null("leased_until")?,
        last_error: row.text_or_null("last_error")?.map(str::to_owned),
        created_at: row.time("created_at")?,
    })
}
