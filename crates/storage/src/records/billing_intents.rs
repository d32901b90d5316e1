//! What somebody asked for that takes calls to Stripe, until it is settled.
//!
//! An intent is written before the first call and its id names all of them, so that asking for the same again, also after
//! a crash, makes the same calls and finds what they made.

use domain::ids::{AccountId, BillingIntentId};
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO billing_intents (id, account_id, kind, request, state, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, 'open', $5, $5)";
const OPEN: &str = "SELECT id, account_id, kind, request, made, created_at FROM billing_intents \
    WHERE account_id = $1 AND kind = $2 AND state = 'open' ORDER BY id DESC";
const NOTE_MADE: &str = "UPDATE billing_intents SET made = $2, updated_at = $3 WHERE id = $1";
const NOTE_FIRST: &str =
    "UPDATE billing_intents SET made = COALESCE(made, $2), updated_at = $3 WHERE id = $1 RETURNING made";
const CLOSE: &str = "UPDATE billing_intents SET state = 'closed', updated_at = $2 WHERE id = $1 AND state = 'open'";
const FAIL: &str = "UPDATE billing_intents SET state = 'failed', updated_at = $2 WHERE id = $1 AND state = 'open'";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, OPEN, NOTE_MADE, NOTE_FIRST, CLOSE, FAIL];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BillingIntent {
    pub id: BillingIntentId,
    pub account: AccountId,
    /// `checkout`, `subscribe`, `change`, …
    pub kind: String,
    /// JSON: what was asked for.
    pub request: String,
    /// Stripe's id of what it made.
    pub made: Option<String>,
    pub created_at: Timestamp,
}

pub fn insert(tx: &mut Tx<'_>, intent: &BillingIntent) -> Result<(), StorageError> {
    let values: [Value; 5] = [
        intent.id.into(),
        intent.account.into(),
        (&intent.kind).into(),
        (&intent.request).into(),
        intent.created_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// Those of a kind that are not settled, the newest first.
pub fn open(tx: &mut Tx<'_>, account: AccountId, kind: &str) -> Result<Vec<BillingIntent>, StorageError> {
    tx.query(OPEN, &[account.into(), kind.into()])?.iter().map(decode).collect()
}

/// Notes what was made at Stripe for it.
pub fn note_made(tx: &mut Tx<'_>, id: BillingIntentId, made: &str, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(NOTE_MADE, &[id.into(), made.into(), now.into()]).map(|_| ())
}

/// Notes it unless something is noted already; what is noted now.
pub fn note_first(
    tx: &mut Tx<'_>,
    id: BillingIntentId,
    made: &str,
    now: Timestamp,
) -> Result<Option<String>, StorageError> {
    let noted = tx.query_optional(NOTE_FIRST, &[id.into(), made.into(), now.into()])?;
    noted.map(|row| row.text("made").map(str::to_owned)).transpose()
}

/// It is settled, one way or the other: asking again is a new intent.
pub fn close(tx: &mut Tx<'_>, id: BillingIntentId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(tx.execute(CLOSE, &[id.into(), now.into()])? == 1)
}

/// What was asked for will not come, since it was not paid.
pub fn fail(tx: &mut Tx<'_>, id: BillingIntentId, now: Timestamp) -> Result<bool, StorageError> {
    Ok(tx.execute(FAIL, &[id.into(), now.into()])? == 1)
}

fn decode(row: &Row) -> Result<BillingIntent, StorageError> {
    Ok(BillingIntent {
        id: row.parsed("id", BillingIntentId::parse)?,
        account: row.parsed("account_id", AccountId::parse)?,
        kind: row.text("kind")?.to_owned(),
        request: row.text("request")?.to_owned(),
        made: row.text_or_null("made")?.map(str::to_owned),
        created_at: row.time("created_at")?,
    })
}
