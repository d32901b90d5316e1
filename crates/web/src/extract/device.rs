//! The device that a request comes from, as a session remembers it.

use std::sync::Arc;

use app::identity::Device;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::ClientAddress;
use crate::WebState;
use crate::problem::Failure;

/// Its browser or client, and its address.
pub struct FromDevice(pub Device);

impl FromRequestParts<Arc<WebState>> for FromDevice {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<WebState>) -> Result<Self, Failure> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, state).await?;
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self(Device::new(user_agent.unwrap_or_default(), address.to_string())))
    }
}
