//! `POST /webhooks/stripe`: what Stripe tells. Checked over the raw bytes, kept once, and answered at once.

use app::billing;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::answer;
use crate::api::Shared;
use crate::extract::body::read_bytes;
use crate::problem::Failure;

/// Stripe's largest are far below.
const LARGEST_BYTES: usize = 1024 * 1024;

pub async fn stripe_webhook(State(state): Shared, headers: HeaderMap, body: Body) -> Result<Response, Failure> {
    let body = read_bytes(body, LARGEST_BYTES).await?;
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    billing::receive_event(&state.app, signature, &body).await?;
    Ok(answer::no_content())
}
