//! Events that Stripe has told, each once, until they are old.

use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const ADD: &str = "INSERT INTO stripe_events (id, type, api_version, customer, object_id, payload, state, created_at, \
    received_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
const BY_ID: &str = "SELECT id, type, api_version, customer, object_id, payload, state, created_at, received_at, \
    applied_at FROM stripe_events WHERE id = $1";
const WAITING_OF: &str = "SELECT id, type, api_version, customer, object_id, payload, state, created_at, received_at, \
    applied_at FROM stripe_events WHERE customer = $1 AND state = 'waiting' ORDER BY created_at, id LIMIT 200";
const SETTLE: &str = "UPDATE stripe_events SET state = $2, applied_at = $3 WHERE id = $1 AND state = 'waiting'";
const NEWEST: &str = "SELECT MAX(created_at) AS newest FROM stripe_events";
const DELETE_OLD: &str = "DELETE FROM stripe_events WHERE id IN (SELECT id FROM stripe_events WHERE received_at <= $1 \
    AND state <> 'waiting' ORDER BY received_at LIMIT $2)";

pub(crate) const STATEMENTS: &[&str] = &[ADD, BY_ID, WAITING_OF, SETTLE, NEWEST, DELETE_OLD];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StripeEvent {
    /// Stripe's id.
    pub id: String,
    /// `invoice.paid`.
    pub kind: String,
    pub api_version: Option<String>,
    pub customer: Option<String>,
    pub object: Option<String>,
    /// The whole event as it came.
    pub payload: String,
    pub state: EventState,
    /// When it happened, by Stripe's clock.
    pub created_at: Timestamp,
    pub received_at: Timestamp,
    pub applied_at: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventState {
    /// A job will apply it.
    Waiting,
    Applied,
    /// Of a kind or a customer that is not ours.
    Ignored,
}

impl EventState {
    pub const ALL: [EventState; 3] = [EventState::Waiting, EventState::Applied, EventState::Ignored];

    pub fn as_str(self) -> &'static str {
        match self {
            EventState::Waiting => "waiting",
            EventState::Applied => "applied",
            EventState::Ignored => "ignored",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// False: it has come before.
pub fn add(tx: &mut Tx<'_>, event: &StripeEvent) -> Result<bool, StorageError> {
    let values: [Value; 9] = [
        (&event.id).into(),
        (&event.kind).into(),
        event.api_version.as_ref().into(),
        event.customer.as_ref().into(),
        event.object.as_ref().into(),
        (&event.payload).into(),
        event.state.as_str().into(),
        event.created_at.into(),
        event.received_at.into(),
    ];
    Ok(tx.execute(ADD, &values)? == 1)
}

pub fn by_id(tx: &mut Tx<'_>, id: &str) -> Result<Option<StripeEvent>, StorageError> {
    tx.query_optional(BY_ID, &[id.into()])?.as_ref().map(decode).transpose()
}

/// What has been told of a customer and is not applied yet, the oldest first.
pub fn waiting_of(tx: &mut Tx<'_>, customer: &str) -> Result<Vec<StripeEvent>, StorageError> {
    tx.query(WAITING_OF, &[customer.into()])?.iter().map(decode).collect()
}

/// Says what became of one that waits.
pub fn settle(tx: &mut Tx<'_>, id: &str, state: EventState, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(SETTLE, &[id.into(), state.as_str().into(), now.into()]).map(|_| ())
}

/// When the newest event happened. `Ok(None)`: none was told yet.
pub fn newest(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StorageError> {
    tx.query_optional(NEWEST, &[])?.map_or(Ok(None), |row| row.time_or_null("newest"))
}

/// Deletes settled ones that came no later than this; how many.
pub fn delete_old(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
    tx.execute(DELETE_OLD, &[before.into(), i64::from(limit).into()])
}

fn decode(row: &Row) -> Result<StripeEvent, StorageError> {
    let text = |column: &str| Ok::<_, StorageError>(row.text_or_null(column)?.map(str::to_owned));
    Ok(StripeEvent {
        id: row.text("id")?.to_owned(),
        kind: row.text("type")?.to_owned(),
        api_version: text("api_version")?,
        customer: text("customer")?,
        object: text("object_id")?,
        payload: row.text("payload")?.to_owned(),
        state: row.parsed("state", EventState::parse)?,
        created_at: row.time("created_at")?,
        received_at: row.time("received_at")?,
        applied_at: row.time_or_null("applied_at")?,
    })
}
