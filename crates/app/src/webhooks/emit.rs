//! Writes a message to every endpoint that wants it, in the transaction that does what it tells of.

use domain::ids::{AccountId, JobId, WebhookDeliveryId, WebhookMessageId};
use domain::time::Timestamp;
use serde_json::{Value as Json, json};
use storage::records::jobs::{self, NewJob};
use storage::records::members::Member;
use storage::records::webhooks::{self, DeliveryState, EndpointStatus, WebhookDelivery, WebhookEndpoint};
use storage::{StorageError, Tx};

use super::{DELIVER_WEBHOOK, Event};
use crate::App;

/// A message that is about to be written: ids and time are taken before the transaction.
#[derive(Clone)]
pub(crate) struct Emitted {
    app: App,
    message: WebhookMessageId,
    event: Event,
    at: Timestamp,
}

impl Emitted {
    pub fn new(app: &App, event: Event) -> Self {
        Self { app: app.clone(), message: app.new_id(), event, at: app.now() }
    }

    /// Of a job that may run more than once: whoever is told twice can tell.
    pub fn of_job(app: &App, event: Event, job: JobId) -> Self {
        Self { message: WebhookMessageId::from_bits(job.bits()), ..Self::new(app, event) }
    }
}

/// `data` is what the event is about: the thing as the API shows it, or what is needed to ask for it.
pub(crate) fn emit(tx: &mut Tx<'_>, emitted: &Emitted, account: AccountId, data: &Json) -> Result<(), StorageError> {
    for endpoint in webhooks::of_account(tx, account)? {
        if wants(&endpoint, emitted.event) {
            send_to(tx, emitted, &endpoint, data)?;
        }
    }
    Ok(())
}

/// Of a member: joined, changed or left.
pub(crate) fn emit_member(tx: &mut Tx<'_>, emitted: &Emitted, member: &Member) -> Result<(), StorageError> {
    let data = json!({ "user": member.user.to_string(), "role": member.role.as_str() });
    emit(tx, emitted, member.account, &data)
}

/// To one endpoint, whether it asked for such events or not.
pub(super) fn send_to(
    tx: &mut Tx<'_>,
    emitted: &Emitted,
    endpoint: &WebhookEndpoint,
    data: &Json,
) -> Result<WebhookDelivery, StorageError> {
    let payload = json!({
        "type": emitted.event.as_str(),
        "timestamp": emitted.at.to_string(),
        "account": endpoint.account.to_string(),
        "data": data,
    });
    let delivery = WebhookDelivery {
        id: emitted.app.new_id(),
        endpoint: endpoint.id,
        account: endpoint.account,
        message: emitted.message,
        event: emitted.event.as_str().to_owned(),
        payload: payload.to_string(),
        state: DeliveryState::Waiting,
        attempts: 0,
        last_status: None,
        last_error: None,
        created_at: emitted.at,
        delivered_at: None,
    };
    webhooks::insert_delivery(tx, &delivery)?;
    add_job(tx, &emitted.app, &delivery, emitted.at)?;
    Ok(delivery)
}

/// A delivery sent again has a job of its own.
pub(super) fn add_job(
    tx: &mut Tx<'_>,
    app: &App,
    delivery: &WebhookDelivery,
    now: Timestamp,
) -> Result<(), StorageError> {
    let payload = json!({ "delivery": delivery.id.to_string() }).to_string();
    let account = Some(delivery.account);
    jobs::insert(tx, &NewJob { id: app.new_id(), kind: DELIVER_WEBHOOK, account, payload, run_at: now }, now)
}

/// The delivery that a job is about.
pub(super) fn delivery_of(payload: &str) -> Option<WebhookDeliveryId> {
    let payload: Json = serde_json::from_str(payload).ok()?;
    WebhookDeliveryId::parse(payload["delivery"].as_str()?)
}

fn wants(endpoint: &WebhookEndpoint, event: Event) -> bool {
    let names = &endpoint.events;
    endpoint.status == EndpointStatus::Enabled && (names.is_empty() || names.iter().any(|name| name == event.as_str()))
}
