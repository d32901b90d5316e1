//! Where Stripe tells what has happened.

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Metadata, Stripe, StripeError};
use crate::secret::SecretText;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookEndpoint {
    pub id: String,
    pub url: String,
    /// `*` is all.
    pub enabled_events: Vec<String>,
    /// The shape that events have. `None`: the account's own. It never changes.
    pub api_version: Option<String>,
    /// `enabled`, `disabled`.
    pub status: Option<String>,
    /// Told once, when the endpoint is made.
    pub secret: Option<SecretText>,
    pub metadata: Metadata,
}

impl Read for WebhookEndpoint {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: object.id()?,
            url: object.need_text("/url")?,
            enabled_events: object.texts("/enabled_events"),
            api_version: object.words("/api_version"),
            status: object.words("/status"),
            secret: object.words("/secret").map(SecretText::new),
            metadata: object.metadata("/metadata"),
        })
    }
}

pub(super) fn new_endpoint(url: &str, events: &[&str], api_version: &str) -> Form {
    Form::new()
        .put("url", url)
        .list("enabled_events", events)
        .put("api_version", api_version)
        .put("description", "Made by `tollway stripe setup`")
}

impl Stripe {
    /// Its answer alone tells the secret.
    pub async fn create_webhook_endpoint(
        &self,
        url: &str,
        events: &[&str],
        api_version: &str,
        key: &str,
    ) -> Result<WebhookEndpoint, StripeError> {
        self.post("/v1/webhook_endpoints", new_endpoint(url, events, api_version), key).await
    }

    pub async fn list_webhook_endpoints(&self) -> Result<Vec<WebhookEndpoint>, StripeError> {
        self.all("/v1/webhook_endpoints", Form::new()).await
    }

    /// Sends these events and no others, and switches it on. The version stays.
    pub async fn update_webhook_endpoint(
        &self,
        id: &str,
        events: &[&str],
        key: &str,
    ) -> Result<WebhookEndpoint, StripeError> {
        let form = Form::new().list("enabled_events", events).put("disabled", false);
        self.post(&path_to("webhook_endpoints", id, "")?, form, key).await
    }

    /// Switches it off. What happens meanwhile is not told later.
    pub async fn disable_webhook_endpoint(&self, id: &str, key: &str) -> Result<WebhookEndpoint, StripeError> {
        self.post(&path_to("webhook_endpoints", id, "")?, Form::new().put("disabled", true), key).await
    }
}
