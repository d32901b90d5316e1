//! `accounts/{id}/webhook-endpoints`: where customers are told of what happens to their account.

pub mod deliveries;
pub mod endpoints;

use app::webhooks::{WebhookDelivery, WebhookEndpoint};
use domain::ids::{WebhookDeliveryId, WebhookEndpointId, WebhookMessageId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::{Time, Written};

/// An endpoint, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub struct EndpointShape {
    #[schema(value_type = String, example = "whe_01k…")]
    id: Written<WebhookEndpointId>,
    url: String,
    description: String,
    /// Empty: all.
    events: Vec<String>,
    /// `enabled` or `disabled`.
    #[schema(example = "enabled")]
    status: &'static str,
    created_at: Time,
    updated_at: Time,
}

/// An endpoint with a secret that was just made. It is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = NewWebhookEndpoint)]
pub struct NewEndpointShape {
    #[serde(flatten)]
    pub endpoint: EndpointShape,
    /// For a library of Standard Webhooks. Null when the answer is replayed: it is not kept.
    #[schema(example = "whsec_…")]
    pub secret: Option<String>,
}

/// One message to one endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryShape {
    #[schema(value_type = String, example = "whd_01k…")]
    id: Written<WebhookDeliveryId>,
    /// What the header `webhook-id` says; the same for whoever is told of it, and when it is sent again.
    #[schema(value_type = String, example = "msg_01k…")]
    message: Written<WebhookMessageId>,
    event: String,
    #[schema(value_type = Object)]
    payload: Value,
    /// `waiting`, `delivered` or `failed`.
    #[schema(example = "delivered")]
    state: &'static str,
    attempts: i64,
    /// The HTTP status of the last answer. Null: there was none.
    last_status: Option<i64>,
    last_error: Option<String>,
    created_at: Time,
    delivered_at: Option<Time>,
}

impl From<WebhookEndpoint> for EndpointShape {
    fn from(endpoint: WebhookEndpoint) -> Self {
        Self {
            id: Written(endpoint.id),
            url: endpoint.url,
            description: endpoint.description,
            events: endpoint.events,
            status: endpoint.status.as_str(),
            created_at: Written(endpoint.created_at),
            updated_at: Written(endpoint.updated_at),
        }
    }
}

impl From<WebhookDelivery> for DeliveryShape {
    fn from(delivery: WebhookDelivery) -> Self {
        Self {
            id: Written(delivery.id),
            message: Written(delivery.message),
            event: delivery.event,
            payload: serde_json::from_str(&delivery.payload).unwrap_or_default(),
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created_at: Written(delivery.created_at),
            delivered_at: delivery.delivered_at.map(Written),
        }
    }
}
