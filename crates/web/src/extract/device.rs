//! The device that a request comes from, as a session remembers it.

use std::convert::Infallible;

use app::identity::Device;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use crate::server::PeerAddress;

/// Its browser or client, and its address.
pub struct FromDevice(pub Device);

impl<S: Send + Sync> FromRequestParts<S> for FromDevice {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let address = parts.extensions.get::<PeerAddress>().map(|peer| peer.0.ip().to_string());
        Ok(Self(Device::new(user_agent.unwrap_or_default(), address.unwrap_or_default())))
    }
}
