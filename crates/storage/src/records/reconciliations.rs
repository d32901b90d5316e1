//! Comparisons of every account with Stripe: how far each has come, and what it found.

use domain::ids::{AccountId, ReconciliationId};
use domain::time::Timestamp;

use crate::value::Row;
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO reconciliations (id, state, compared, compared_to, started_at) VALUES \
    ($1, 'running', 0, '', $2)";
const RUNNING: &str = "SELECT id, state, compared, compared_to, last_error, started_at, ended_at FROM reconciliations \
    WHERE state = 'running'";
const BY_ID: &str = "SELECT id, state, compared, compared_to, last_error, started_at, ended_at FROM reconciliations \
    WHERE id = $1";
const ADVANCE: &str = "UPDATE reconciliations SET compared = compared + 1, compared_to = $3, last_error = NULL \
    WHERE id = $1 AND state = 'running' AND compared_to = $2";
const NOTE_ERROR: &str = "UPDATE reconciliations SET last_error = $2 WHERE id = $1";
const END: &str = "UPDATE reconciliations SET state = $2, ended_at = $3 WHERE id = $1 AND state = 'running'";
const ADD_FINDING: &str = "INSERT INTO reconciliation_findings (reconciliation_id, account_id, repaired, drift) VALUES \
    ($1, $2, $3, $4)";
const FINDINGS: &str = "SELECT account_id, repaired, drift FROM reconciliation_findings WHERE reconciliation_id = $1 \
    ORDER BY account_id LIMIT $2";
const NEXT_ACCOUNTS: &str = "SELECT account_id FROM billing_customers WHERE customer_id IS NOT NULL AND account_id > $1 \
    ORDER BY account_id LIMIT $2";

pub(crate) const STATEMENTS: &[&str] =
    &[INSERT, RUNNING, BY_ID, ADVANCE, NOTE_ERROR, END, ADD_FINDING, FINDINGS, NEXT_ACCOUNTS];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reconciliation {
    pub id: ReconciliationId,
    pub state: ReconciliationState,
    /// How many accounts were compared.
    pub compared: i64,
    /// The account that was compared last, as text; empty before the first.
    pub compared_to: String,
    /// Why it does not get on, if it does not.
    pub last_error: Option<String>,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReconciliationState {
    Running,
    Done,
    /// Given up.
    Failed,
}

impl ReconciliationState {
    pub const ALL: [ReconciliationState; 3] =
        [ReconciliationState::Running, ReconciliationState::Done, ReconciliationState::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            ReconciliationState::Running => "running",
            ReconciliationState::Done => "done",
            ReconciliationState::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What was found of one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub account: AccountId,
    /// Sentences.
    pub repaired: Vec<String>,
    pub drift: Option<String>,
}

/// # Errors
/// [`StorageError::Taken`] when one is running.
pub fn insert(tx: &mut Tx<'_>, id: ReconciliationId, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(INSERT, &[id.into(), now.into()]).map(|_| ())
}

pub fn running(tx: &mut Tx<'_>) -> Result<Option<Reconciliation>, StorageError> {
    tx.query_optional(RUNNING, &[])?.as_ref().map(decode).transpose()
}

pub fn by_id(tx: &mut Tx<'_>, id: ReconciliationId) -> Result<Option<Reconciliation>, StorageError> {
    tx.query_optional(BY_ID, &[id.into()])?.as_ref().map(decode).transpose()
}

/// One more account was compared, with what was found. False: somebody else has compared it meanwhile.
pub fn advance(
    tx: &mut Tx<'_>,
    run: &Reconciliation,
    account: AccountId,
    found: Option<&Finding>,
) -> Result<bool, StorageError> {
    if tx.execute(ADVANCE, &[run.id.into(), (&run.compared_to).into(), account.into()])? == 0 {
        return Ok(false);
    }
    if let Some(found) = found {
        let repaired = serde_json::to_string(&found.repaired).map_err(StorageError::unexpected)?;
        tx.execute(ADD_FINDING, &[run.id.into(), account.into(), repaired.into(), found.drift.as_ref().into()])?;
    }
    Ok(true)
}

/// Why it does not get on.
pub fn note_error(tx: &mut Tx<'_>, id: ReconciliationId, error: &str) -> Result<(), StorageError> {
    tx.execute(NOTE_ERROR, &[id.into(), error.into()]).map(|_| ())
}

pub fn end(
    tx: &mut Tx<'_>,
    id: ReconciliationId,
    state: ReconciliationState,
    now: Timestamp,
) -> Result<(), StorageError> {
    tx.execute(END, &[id.into(), state.as_str().into(), now.into()]).map(|_| ())
}

pub fn findings(tx: &mut Tx<'_>, id: ReconciliationId, limit: u32) -> Result<Vec<Finding>, StorageError> {
    let rows = tx.query(FINDINGS, &[id.into(), i64::from(limit).into()])?;
    let finding = |row: &Row| {
        Ok(Finding {
            account: row.parsed("account_id", AccountId::parse)?,
            repaired: row.json("repaired")?,
            drift: row.text_or_null("drift")?.map(str::to_owned),
        })
    };
    rows.iter().map(finding).collect()
}

/// The customers of Stripe after this one, by id.
pub fn next_accounts(tx: &mut Tx<'_>, after: &str, limit: u32) -> Result<Vec<AccountId>, StorageError> {
    let rows = tx.query(NEXT_ACCOUNTS, &[after.into(), i64::from(limit).into()])?;
    rows.iter().map(|row| row.parsed("account_id", AccountId::parse)).collect()
}

fn decode(row: &Row) -> Result<Reconciliation, StorageError> {
    Ok(Reconciliation {
        id: row.parsed("id", ReconciliationId::parse)?,
        state: row.parsed("state", ReconciliationState::parse)?,
        compared: row.integer("compared")?,
        compared_to: row.text("compared_to")?.to_owned(),
        last_error: row.text_or_null("last_error")?.map(str::to_owned),
        started_at: row.time("started_at")?,
        ended_at: row.time_or_null("ended_at")?,
    })
}
