//! What was sent to an endpoint, the newest first, a page at a time.

use domain::ids::{WebhookDeliveryId, WebhookEndpointId};
use storage::Tx;
use storage::records::webhooks::{self, WebhookDelivery};

use super::MAY_MANAGE;
use super::endpoints::of;
use crate::{AccountRef, App, AppError, Caller};

const LONGEST_PAGE: u32 = 200;

pub struct DeliveryPage {
    pub deliveries: Vec<WebhookDelivery>,
    /// What the next page is asked for with; `None` on the last.
    pub next_cursor: Option<String>,
}

/// At most `limit` deliveries (held between 1 and 200).
pub async fn list_deliveries(
    app: &App,
    caller: &Caller,
    (account, endpoint): (&AccountRef, WebhookEndpointId),
    cursor: Option<&str>,
    limit: u32,
) -> Result<DeliveryPage, AppError> {
    let account = caller.account_of_person(app, account, MAY_MANAGE).await?;
    let unreadable = || AppError::invalid("cursor", "`cursor` is not one that a page of deliveries was answered with.");
    let before = cursor.map(|cursor| WebhookDeliveryId::parse(cursor).ok_or_else(unreadable)).transpose()?;
    let limit = limit.clamp(1, LONGEST_PAGE);
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        of(webhooks::by_id(tx, endpoint)?, account, endpoint)?;
        Ok(webhooks::deliveries(tx, endpoint, before, limit + 1)?)
    };
    let mut deliveries = app.database.read("list_webhook_deliveries", read).await?;
    let has_more = deliveries.len() > limit as usize;
    deliveries.truncate(limit as usize);
    let next_cursor = deliveries.last().filter(|_| has_more).map(|delivery| delivery.id.to_string());
    Ok(DeliveryPage { deliveries, next_cursor })
}
