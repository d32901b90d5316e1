//! Webhook endpoints and what was sent to them. Signing secrets are kept sealed.

use domain::ids::{AccountId, WebhookDeliveryId, WebhookEndpointId, WebhookMessageId};
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO webhook_endpoints (id, account_id, url, description, events, secret, status, \
    created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
const UPDATE: &str = "UPDATE webhook_endpoints SET url = $2, description = $3, events = $4, secret = $5, \
    former_secret = $6, former_until = $7, status = $8, updated_at = $9 WHERE id = $1";
const DELETE: &str = "DELETE FROM webhook_endpoints WHERE id = $1";
const BY_ID: &str = "SELECT id, account_id, url, description, events, secret, former_secret, former_until, status, \
    created_at, updated_at FROM webhook_endpoints WHERE id = $1";
const LOCK: &str = "UPDATE webhook_endpoints SET updated_at = updated_at WHERE id = $1 RETURNING id, account_id, url, \
    description, events, secret, former_secret, former_until, status, created_at, updated_at";
const OF_ACCOUNT: &str = "SELECT id, account_id, url, description, events, secret, former_secret, former_until, status, \
    created_at, updated_at FROM webhook_endpoints WHERE account_id = $1 ORDER BY id DESC";

const INSERT_DELIVERY: &str = "INSERT INTO webhook_deliveries (id, endpoint_id, account_id, message_id, event, payload, \
    state, attempts, created_at) VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7)";
const DELIVERY: &str = "SELECT id, endpoint_id, account_id, message_id, event, payload, state, attempts, last_status, \
    last_error, created_at, delivered_at FROM webhook_deliveries WHERE id = $1";
const OF_ENDPOINT: &str = "SELECT id, endpoint_id, account_id, message_id, event, payload, state, attempts, \
    last_status, last_error, created_at, delivered_at FROM webhook_deliveries WHERE endpoint_id = $1 \
    ORDER BY id DESC LIMIT $2";
const OF_ENDPOINT_BEFORE: &str = "SELECT id, endpoint_id, account_id, message_id, event, payload, state, attempts, \
    last_status, last_error, created_at, delivered_at FROM webhook_deliveries WHERE endpoint_id = $1 AND id < $2 \
    ORDER BY id DESC LIMIT $3";
const NOTE: &str = "UPDATE webhook_deliveries SET state = $2, attempts = attempts + 1, last_status = $3, \
    last_error = $4, delivered_at = $5 WHERE id = $1";
const GIVE_UP: &str = "UPDATE webhook_deliveries SET state = 'failed' WHERE id = $1 AND state = 'waiting'";
const OLD: &str = "SELECT id FROM webhook_deliveries WHERE created_at < $1 ORDER BY created_at LIMIT $2";
const DELETE_DELIVERY: &str = "DELETE FROM webhook_deliveries WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    UPDATE,
    DELETE,
    BY_ID,
    LOCK,
    OF_ACCOUNT,
    INSERT_DELIVERY,
    DELIVERY,
    OF_ENDPOINT,
    OF_ENDPOINT_BEFORE,
    NOTE,
    GIVE_UP,
    OLD,
    DELETE_DELIVERY,
];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookEndpoint {
    pub id: WebhookEndpointId,
    pub account: AccountId,
    pub url: String,
    pub description: String,
    /// Names of events; empty: all.
    pub events: Vec<String>,
    /// Sealed.
    pub secret: Vec<u8>,
    /// The secret before this one, sealed, and until when messages are signed with it too.
    pub former: Option<(Vec<u8>, Timestamp)>,
    pub status: EndpointStatus,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndpointStatus {
    Enabled,
    /// Nothing is sent: the customer said so, or the endpoint did, by answering that it is gone.
    Disabled,
}

impl EndpointStatus {
    pub const ALL: [EndpointStatus; 2] = [EndpointStatus::Enabled, EndpointStatus::Disabled];

    pub fn as_str(self) -> &'static str {
        match self {
            EndpointStatus::Enabled => "enabled",
            EndpointStatus::Disabled => "disabled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// One message to one endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookDelivery {
    pub id: WebhookDeliveryId,
    pub endpoint: WebhookEndpointId,
    pub account: AccountId,
    /// The same for all endpoints that are told.
    pub message: WebhookMessageId,
    pub event: String,
    /// JSON, as it is sent.
    pub payload: String,
    pub state: DeliveryState,
    pub attempts: i64,
    /// The HTTP status of the last answer, if there was one.
    pub last_status: Option<i64>,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub delivered_at: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryState {
    Waiting,
    Delivered,
    /// Given up; it can be sent again by hand.
    Failed,
}

impl DeliveryState {
    pub const ALL: [DeliveryState; 3] = [DeliveryState::Waiting, DeliveryState::Delivered, DeliveryState::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Waiting => "waiting",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

pub fn insert(tx: &mut Tx<'_>, endpoint: &WebhookEndpoint) -> Result<(), StorageError> {
    let values: [Value; 8] = [
        endpoint.id.into(),
        endpoint.account.into(),
        (&endpoint.url).into(),
        (&endpoint.description).into(),
        names(&endpoint.events)?.into(),
        endpoint.secret.as_slice().into(),
        endpoint.status.as_str().into(),
        endpoint.created_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// Writes everything but the id, the account and when it was made.
pub fn update(tx: &mut Tx<'_>, endpoint: &WebhookEndpoint) -> Result<(), StorageError> {
    let values: [Value; 9] = [
        endpoint.id.into(),
        (&endpoint.url).into(),
        (&endpoint.description).into(),
        names(&endpoint.events)?.into(),
        endpoint.secret.as_slice().into(),
        endpoint.former.as_ref().map(|(secret, _)| secret.as_slice()).into(),
        endpoint.former.as_ref().map(|(_, until)| *until).into(),
        endpoint.status.as_str().into(),
        endpoint.updated_at.into(),
    ];
    tx.execute(UPDATE, &values).map(|_| ())
}

pub fn delete(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<(), StorageError> {
    tx.execute(DELETE, &[id.into()]).map(|_| ())
}

pub fn by_id(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<Option<WebhookEndpoint>, StorageError> {
    tx.query_optional(BY_ID, &[id.into()])?.as_ref().map(decode).transpose()
}

/// The endpoint, held until the transaction ends.
pub fn lock(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<Option<WebhookEndpoint>, StorageError> {
    tx.query_optional(LOCK, &[id.into()])?.as_ref().map(decode).transpose()
}

/// The newest first.
pub fn of_account(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<WebhookEndpoint>, StorageError> {
    tx.query(OF_ACCOUNT, &[account.into()])?.iter().map(decode).collect()
}

/// As waiting, whatever the state it has.
pub fn insert_delivery(tx: &mut Tx<'_>, delivery: &WebhookDelivery) -> Result<(), StorageError> {
    let values: [Value; 7] = [
        delivery.id.into(),
        delivery.endpoint.into(),
        delivery.account.into(),
        delivery.message.into(),
        (&delivery.event).into(),
        (&delivery.payload).into(),
        delivery.created_at.into(),
    ];
    tx.execute(INSERT_DELIVERY, &values).map(|_| ())
}

pub fn delivery(tx: &mut Tx<'_>, id: WebhookDeliveryId) -> Result<Option<WebhookDelivery>, StorageError> {
    tx.query_optional(DELIVERY, &[id.into()])?.as_ref().map(decode_delivery).transpose()
}

/// The newest first, from the one made before `before`.
pub fn deliveries(
    tx: &mut Tx<'_>,
    endpoint: WebhookEndpointId,
    before: Option<WebhookDeliveryId>,
    limit: u32,
) -> Result<Vec<WebhookDelivery>, StorageError> {
    let limit = Value::from(i64::from(limit));
    let rows = match before {
        None => tx.query(OF_ENDPOINT, &[endpoint.into(), limit])?,
        Some(before) => tx.query(OF_ENDPOINT_BEFORE, &[endpoint.into(), before.into(), limit])?,
    };
    rows.iter().map(decode_delivery).collect()
}

/// How an attempt went: the status of the answer, or why there was none.
pub fn note_attempt(
    tx: &mut Tx<'_>,
    id: WebhookDeliveryId,
    delivered_at: Option<Timestamp>,
    (status, error): (Option<u16>, Option<&str>),
) -> Result<(), StorageError> {
    let state = if delivered_at.is_some() { DeliveryState::Delivered } else { DeliveryState::Waiting };
    let values: [Value; 5] =
        [id.into(), state.as_str().into(), status.map(i64::from).into(), error.into(), delivered_at.into()];
    tx.execute(NOTE, &values).map(|_| ())
}

pub fn give_up(tx: &mut Tx<'_>, id: WebhookDeliveryId) -> Result<(), StorageError> {
    tx.execute(GIVE_UP, &[id.into()]).map(|_| ())
}

/// Deletes at most `limit` deliveries that are older than this; how many.
pub fn delete_old(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<usize, StorageError> {
    let old = tx.query(OLD, &[before.into(), i64::from(limit).into()])?;
    for row in &old {
        tx.execute(DELETE_DELIVERY, &[row.text("id")?.into()])?;
    }
    Ok(old.len())
}

fn names(events: &[String]) -> Result<String, StorageError> {
    serde_json::to_string(events).map_err(StorageError::unexpected)
}

fn decode(row: &Row) -> Result<WebhookEndpoint, StorageError> {
    let former = match (row.bytes_or_null("former_secret")?, row.time_or_null("former_until")?) {
        (Some(secret), Some(until)) => Some((secret.to_vec(), until)),
        _ => None,
    };
    Ok(WebhookEndpoint {
        id: row.parsed("id", WebhookEndpointId::parse)?,
        account: row.parsed("account_id", AccountId::parse)?,
        url: row.text("url")?.to_owned(),
        description: row.text("description")?.to_owned(),
        events: row.json("events")?,
        secret: row.bytes("secret")?.to_vec(),
        former,
        status: row.parsed("status", EndpointStatus::parse)?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn decode_delivery(row: &Row) -> Result<WebhookDelivery, StorageError> {
    Ok(WebhookDelivery {
        id: row.parsed("id", WebhookDeliveryId::parse)?,
        endpoint: row.parsed("endpoint_id", WebhookEndpointId::parse)?,
        account: row.parsed("account_id", AccountId::parse)?,
        message: row.parsed("message_id", WebhookMessageId::parse)?,
        event: row.text("event")?.to_owned(),
        payload: row.text("payload")?.to_owned(),
        state: row.parsed("state", DeliveryState::parse)?,
        attempts: row.integer("attempts")?,
        last_status: row.integer_or_null("last_status")?,
        last_error: row.text_or_null("last_error")?.map(str::to_owned),
        created_at: row.time("created_at")?,
        delivered_at: row.time_or_null("delivered_at")?,
    })
}
