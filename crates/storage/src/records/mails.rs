//! The outbox: mails that wait to be sent, were sent, or could not be.
//!
//! What a mail says is JSON that its writer knows how to read; see `app::mail`.

use domain::ids::{AccountId, MailId};
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO mails (id, kind, to_address, account_id, once_key, content, state, attempts, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7) ON CONFLICT (once_key) DO NOTHING";
const BY_ID: &str = "SELECT id, kind, to_address, account_id, content, state, attempts, last_error, created_at, sent_at \
    FROM mails WHERE id = $1";
const BEFORE: &str = "SELECT id, kind, to_address, account_id, content, state, attempts, last_error, created_at, sent_at \
    FROM mails WHERE id < $1 ORDER BY id DESC LIMIT $2";
const OF_STATE: &str = "SELECT id, kind, to_address, account_id, content, state, attempts, last_error, created_at, \
    sent_at FROM mails WHERE id < $1 AND state = $3 ORDER BY id DESC LIMIT $2";
const TO_ADDRESS: &str = "SELECT id, kind, to_address, account_id, content, state, attempts, last_error, created_at, \
    sent_at FROM mails WHERE id < $1 AND to_address = $3 ORDER BY id DESC LIMIT $2";
const OF_STATE_TO_ADDRESS: &str = "SELECT id, kind, to_address, account_id, content, state, attempts, last_error, \
    created_at, sent_at FROM mails WHERE id < $1 AND state = $3 AND to_address = $4 ORDER BY id DESC LIMIT $2";
const AFTER: &str = "SELECT id, kind, to_address, account_id, content, state, attempts, last_error, created_at, sent_at \
    FROM mails WHERE id > $1 ORDER BY id LIMIT $2";
const SENT: &str = "UPDATE mails SET state = 'sent', content = $2, attempts = attempts + 1, last_error = NULL, \
    sent_at = $3 WHERE id = $1 AND state <> 'sent'";
const NOTE_FAILURE: &str = "UPDATE mails SET state = $2, attempts = attempts + 1, last_error = $3 \
    WHERE id = $1 AND state <> 'sent'";
const WAIT_AGAIN: &str = "UPDATE mails SET state = 'waiting' WHERE id = $1 AND state = 'failed'";
const DELETE_SENT: &str = "DELETE FROM mails WHERE id IN \
    (SELECT id FROM mails WHERE state = 'sent' AND id < $1 AND sent_at < $2 ORDER BY id LIMIT $3)";

pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    BY_ID,
    BEFORE,
    OF_STATE,
    TO_ADDRESS,
    OF_STATE_TO_ADDRESS,
    AFTER,
    SENT,
    NOTE_FAILURE,
    WAIT_AGAIN,
    DELETE_SENT,
];

/// Comes after every id.
const BEHIND_ALL: &str = "mail_~";
/// The longest message kept of a failure, in characters.
const LONGEST_ERROR: usize = 2_000;
/// Rows deleted in one transaction.
const DELETED_TOGETHER: i64 = 500;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailRow {
    pub id: MailId,
    pub kind: String,
    pub to: String,
    pub account: Option<AccountId>,
    /// As its writer stored it.
    pub content: String,
    pub state: MailState,
    /// How often a server was asked to take it.
    pub attempts: i64,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailState {
    Waiting,
    Sent,
    /// Given up.
    Failed,
}

impl MailState {
    pub const ALL: [MailState; 3] = [MailState::Waiting, MailState::Sent, MailState::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            MailState::Waiting => "waiting",
            MailState::Sent => "sent",
            MailState::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A mail that is not in the outbox yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMailRow {
    pub id: MailId,
    pub kind: &'static str,
    pub to: String,
    pub account: Option<AccountId>,
    /// A mail with a key that another one has is not written.
    pub once: Option<String>,
    pub content: String,
}

/// Adds a mail that waits. False: one with its key is there already.
pub fn insert(tx: &mut Tx<'_>, mail: &NewMailRow, now: Timestamp) -> Result<bool, StorageError> {
    let values: [Value; 7] = [
        mail.id.into(),
        mail.kind.into(),
        (&mail.to).into(),
        mail.account.into(),
        mail.once.as_ref().into(),
        (&mail.content).into(),
        now.into(),
    ];
    Ok(tx.execute(INSERT, &values)? == 1)
}

pub fn by_id(tx: &mut Tx<'_>, id: MailId) -> Result<Option<MailRow>, StorageError> {
    tx.query_optional(BY_ID, &[id.into()])?.as_ref().map(decode).transpose()
}

/// Which mails are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MailFilter {
    pub state: Option<MailState>,
    pub to: Option<String>,
    /// Only those written before this one.
    pub before: Option<MailId>,
}

/// The newest first.
pub fn list(tx: &mut Tx<'_>, filter: &MailFilter, limit: u32) -> Result<Vec<MailRow>, StorageError> {
    let before = filter.before.map_or_else(|| BEHIND_ALL.to_owned(), |id| id.to_string());
    let mut values = vec![Value::from(before), i64::from(limit).into()];
    values.extend(filter.state.map(|state| Value::from(state.as_str())));
    values.extend(filter.to.as_ref().map(Value::from));
    let statement = match (filter.state, &filter.to) {
        (None, None) => BEFORE,
        (Some(_), None) => OF_STATE,
        (None, Some(_)) => TO_ADDRESS,
        (Some(_), Some(_)) => OF_STATE_TO_ADDRESS,
    };
    tx.query(statement, &values)?.iter().map(decode).collect()
}

/// The oldest first, from the one written after `after`.
pub fn written_after(tx: &mut Tx<'_>, after: MailId, limit: u32) -> Result<Vec<MailRow>, StorageError> {
    tx.query(AFTER, &[after.into(), i64::from(limit).into()])?.iter().map(decode).collect()
}

/// Notes that a server has taken it. `content` is what is kept of it.
pub fn note_sent(tx: &mut Tx<'_>, id: MailId, content: &str, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(SENT, &[id.into(), content.into(), now.into()]).map(|_| ())
}

/// Notes that it could not be sent, this time or at all.
pub fn note_failure(tx: &mut Tx<'_>, id: MailId, error: &str, given_up: bool) -> Result<(), StorageError> {
    let state = if given_up { MailState::Failed } else { MailState::Waiting };
    let error: String = error.chars().filter(|character| *character != '\0').take(LONGEST_ERROR).collect();
    tx.execute(NOTE_FAILURE, &[id.into(), state.as_str().into(), error.into()]).map(|_| ())
}

/// Makes a mail that was given up wait again. False: it was not given up.
pub fn wait_again(tx: &mut Tx<'_>, id: MailId) -> Result<bool, StorageError> {
    Ok(tx.execute(WAIT_AGAIN, &[id.into()])? == 1)
}

/// Deletes some of the mails that were sent before `before`. False: none are left.
pub fn delete_sent(tx: &mut Tx<'_>, before: Timestamp) -> Result<bool, StorageError> {
    // Ids begin with their time, so that the index shows where to stop.
    let values: [Value; 3] = [MailId::new(before, 0).into(), before.into(), DELETED_TOGETHER.into()];
    Ok(tx.execute(DELETE_SENT, &values)? == DELETED_TOGETHER as u64)
}

fn decode(row: &Row) -> Result<MailRow, StorageError> {
    Ok(MailRow {
        id: row.parsed("id", MailId::parse)?,
        kind: row.text("kind")?.to_owned(),
        to: row.text("to_address")?.to_owned(),
        account: row.parsed_or_null("account_id", AccountId::parse)?,
        content: row.text("content")?.to_owned(),
        state: row.parsed("state", MailState::parse)?,
        attempts: row.integer("attempts")?,
        last_error: row.text_or_null("last_error")?.map(str::to_owned),
        created_at: row.time("created_at")?,
        sent_at: row.time_or_null("sent_at")?,
    })
}
