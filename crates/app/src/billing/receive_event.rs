//! Takes what Stripe tells, once each, and leaves the work to a job.

use domain::ids::AccountId;
use providers::stripe::events::FOLLOWED;
use providers::stripe::{Event, signature};
use serde::Deserialize;
use serde_json::json;
use storage::records::billing_customers;
use storage::records::jobs::{self, Job, NewJob};
use storage::records::stripe_events::{self, EventState, StripeEvent};
use storage::{StorageError, Tx};

use super::converge::converge;
use super::read_stripe::Depth;
use crate::jobs::kinds::{Done, JobFailure};
use crate::{App, AppError};

/// The job that is left behind.
pub(crate) const APPLY_STRIPE_EVENT: &str = "apply_stripe_event";
/// How old a signature may be, in seconds.
const TOLERANCE_SECONDS: i64 = 300;

/// Keeps an event that was told by a webhook, when its signature over the raw bytes is good.
///
/// # Errors
/// [`AppError::SellingNotSetUp`] without a secret to check by, [`AppError::EventRefused`] for what is not Stripe's.
pub async fn receive_event(app: &App, signature: Option<&str>, body: &[u8]) -> Result<(), AppError> {
    let secrets = &app.settings.billing.webhook_secrets;
    if secrets.is_empty() {
        return Err(AppError::SellingNotSetUp);
    }
    let refused = |reason: String| AppError::EventRefused { reason };
    let header = signature.ok_or_else(|| refused("It has no Stripe-Signature header.".into()))?;
    // Wall time: Stripe signs by it, wherever the development clock is.
    signature::verify(header, body, secrets, app.clock().unmoved(), TOLERANCE_SECONDS)
        .map_err(|error| refused(format!("{error}.")))?;
    let text = std::str::from_utf8(body).map_err(|_| refused("It is not text.".into()))?;
    let event = Event::read(body).map_err(|error| refused(format!("{error}.")))?;
    keep_event(app, &event, text.replace('\0', "")).await.map(|_| ())
}

/// Keeps an event, with the job that applies it. False: it is known already.
pub(super) async fn keep_event(app: &App, event: &Event, payload: String) -> Result<bool, AppError> {
    let now = app.now();
    let is_followed = FOLLOWED.contains(&event.kind.as_str()) && event.customer.is_some();
    let row = StripeEvent {
        id: event.id.clone(),
        kind: event.kind.clone(),
        api_version: event.api_version.clone(),
        customer: event.customer.clone(),
        object: event.object_id.clone(),
        payload,
        state: if is_followed { EventState::Waiting } else { EventState::Ignored },
        created_at: event.created,
        received_at: now,
        applied_at: None,
    };
    let job = app.new_id();
    let write = move |tx: &mut Tx<'_>| -> Result<bool, AppError> {
        let customer = row.customer.as_deref().unwrap_or_default();
        let account = billing_customers::by_customer(tx, customer)?;
        let mut row = row.clone();
        if account.is_none() {
            row.state = EventState::Ignored;
        }
        if !stripe_events::add(tx, &row)? {
            return Ok(false);
        }
        if let Some(account) = account.filter(|_| row.state == EventState::Waiting) {
            add_job(tx, job, &row.id, account, now)?;
        }
        Ok(true)
    };
    app.database.write("keep_stripe_event", write).await
}

fn add_job(
    tx: &mut Tx<'_>,
    id: domain::ids::JobId,
    event: &str,
    account: AccountId,
    now: domain::time::Timestamp,
) -> Result<(), StorageError> {
    let payload = json!({ "event": event }).to_string();
    jobs::insert(tx, &NewJob { id, kind: APPLY_STRIPE_EVENT, account: Some(account), payload, run_at: now }, now)
}

#[derive(Deserialize)]
struct Payload {
    event: String,
}

/// The job. What came in the meantime with the same read is done with it.
pub(crate) async fn apply_stripe_event(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let Payload { event } =
        serde_json::from_str(&job.payload).map_err(|error| JobFailure::GiveUp(error.to_string()))?;
    let account = job.account.ok_or_else(|| JobFailure::GiveUp("the job names no account".into()))?;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(stripe_events::by_id(tx, &event)?) };
    let waits = |event: &StripeEvent| event.state == EventState::Waiting;
    if app.database.read("find_stripe_event", read).await?.as_ref().is_some_and(waits) {
        converge(app, account, Depth::Recent).await?;
    }
    Ok(Done)
}
