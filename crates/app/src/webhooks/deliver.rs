//! The job that sends one message to one endpoint. Any 2xx takes it; 410 says that the endpoint is gone, and disables it;
//! everything else is tried again, with growing waits, for some three days.

use domain::ids::WebhookEndpointId;
use providers::webhooks::Message;
use storage::records::jobs::Job;
use storage::records::webhooks::{self, DeliveryState, EndpointStatus, WebhookDelivery, WebhookEndpoint};
use storage::{StorageError, Tx};

use super::emit::delivery_of;
use crate::jobs::kinds::{Done, JobFailure};
use crate::{App, AppError};

pub(crate) const DELIVER_WEBHOOK: &str = "deliver_webhook";
const GONE: u16 = 410;

pub(crate) async fn deliver(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let unreadable = || JobFailure::GiveUp(format!("the payload {} cannot be read", job.payload));
    let id = delivery_of(&job.payload).ok_or_else(unreadable)?;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        let Some(delivery) = webhooks::delivery(tx, id)? else { return Ok(None) };
        let endpoint = webhooks::by_id(tx, delivery.endpoint)?;
        Ok(endpoint.map(|endpoint| (delivery, endpoint)))
    };
    let Some((delivery, endpoint)) = app.database.read("read_webhook_delivery", read).await? else { return Ok(Done) };
    if delivery.state == DeliveryState::Delivered {
        return Ok(Done);
    }
    if endpoint.status == EndpointStatus::Disabled {
        return Err(JobFailure::GiveUp("the endpoint is disabled".into()));
    }
    let sent = send(app, &delivery, &endpoint).await;
    note(app, &delivery, &sent).await?;
    match sent {
        Ok(status) if (200..300).contains(&status) => Ok(Done),
        Ok(GONE) => {
            disable(app, endpoint.id).await?;
            Err(JobFailure::GiveUp("the endpoint answered that it is gone, and was disabled".into()))
        }
        Ok(status) => Err(JobFailure::RetryLater(format!("the endpoint answered with status {status}"))),
        Err(error) => Err(JobFailure::RetryLater(error)),
    }
}

/// The status of the answer, or why there was none.
async fn send(app: &App, delivery: &WebhookDelivery, endpoint: &WebhookEndpoint) -> Result<u16, String> {
    let Some(sender) = &app.webhook_sender else { return Err("this server cannot send webhooks".into()) };
    let now = app.now();
    let former = endpoint.former.as_ref().filter(|(_, until)| *until > now).map(|(secret, _)| secret);
    let sealed = [Some(&endpoint.secret), former].into_iter().flatten();
    let purpose = super::endpoints::purpose(endpoint.id);
    let secrets: Result<Vec<Vec<u8>>, StorageError> = sealed.map(|secret| app.vault.open(&purpose, secret)).collect();
    let secrets = secrets.map_err(|error| error.to_string())?;
    let id = delivery.message.to_string();
    let message = Message { id: &id, at: now, body: &delivery.payload, secrets: &secrets };
    let sent = sender.send(&endpoint.url, &message).await;
    sent.map(|status| status.as_u16()).map_err(|error| error.to_string())
}

async fn note(app: &App, delivery: &WebhookDelivery, sent: &Result<u16, String>) -> Result<(), AppError> {
    let (id, now, sent) = (delivery.id, app.now(), sent.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let status = sent.as_ref().ok().copied();
        let delivered_at = status.filter(|status| (200..300).contains(status)).map(|_| now);
        Ok(webhooks::note_attempt(tx, id, delivered_at, (status, sent.as_ref().err().map(String::as_str)))?)
    };
    app.database.write("note_webhook_attempt", write).await
}

async fn disable(app: &App, id: WebhookEndpointId) -> Result<(), AppError> {
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        if let Some(mut endpoint) = webhooks::lock(tx, id)? {
            endpoint.status = EndpointStatus::Disabled;
            endpoint.updated_at = now;
            webhooks::update(tx, &endpoint)?;
        }
        Ok(())
    };
    app.database.write("disable_webhook_endpoint", write).await
}

/// Called with each failure of the job; a delivery whose job was given up has failed.
pub(crate) fn note_failure(tx: &mut Tx<'_>, job: &Job, _: &str, given_up: bool) -> Result<(), StorageError> {
    match delivery_of(&job.payload) {
        Some(id) if given_up => webhooks::give_up(tx, id),
        _ => Ok(()),
    }
}
