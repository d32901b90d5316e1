//! Sends by hand: a message once more, or a test.

use domain::ids::{WebhookDeliveryId, WebhookEndpointId};
use serde_json::json;
use storage::Tx;
use storage::records::webhooks::{self, WebhookDelivery};

use super::emit::{add_job, send_to};
use super::endpoints::of;
use super::{Emitted, Event, MAY_MANAGE};
use crate::{AccountRef, App, AppError, Caller};

/// Sends a message again, under the same message id, so that whoever has taken it before can tell.
pub async fn replay_delivery(
    app: &App,
    caller: &Caller,
    (account, endpoint): (&AccountRef, WebhookEndpointId),
    id: WebhookDeliveryId,
) -> Result<WebhookDelivery, AppError> {
    let account = caller.account_of_person(app, account, MAY_MANAGE).await?;
    let (prepared, now, again) = (app.clone(), app.now(), app.new_id());
    let write = move |tx: &mut Tx<'_>| -> Result<WebhookDelivery, AppError> {
        of(webhooks::by_id(tx, endpoint)?, account, endpoint)?;
        let unknown = || AppError::NotFound { what: "delivery", name: id.to_string() };
        let found = webhooks::delivery(tx, id)?.filter(|delivery| delivery.endpoint == endpoint);
        let delivery = WebhookDelivery {
            id: again,
            state: webhooks::DeliveryState::Waiting,
            attempts: 0,
            last_status: None,
            last_error: None,
            created_at: now,
            delivered_at: None,
            ..found.ok_or_else(unknown)?
        };
        webhooks::insert_delivery(tx, &delivery)?;
        add_job(tx, &prepared, &delivery, now)?;
        Ok(delivery)
    };
    app.database.write("replay_webhook_delivery", write).await
}

/// Sends a message that means nothing.
pub async fn send_test(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    endpoint: WebhookEndpointId,
) -> Result<WebhookDelivery, AppError> {
    let account = caller.account_of_person(app, account, MAY_MANAGE).await?;
    let emitted = Emitted::new(app, Event::Test);
    let write = move |tx: &mut Tx<'_>| -> Result<WebhookDelivery, AppError> {
        let endpoint = of(webhooks::by_id(tx, endpoint)?, account, endpoint)?;
        Ok(send_to(tx, &emitted, &endpoint, &json!({ "message": "This endpoint works." }))?)
    };
    app.database.write("send_test_webhook", write).await
}
