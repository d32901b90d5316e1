//! `/checkout/done` and `/checkout/canceled`: where Stripe sends a customer back to, unless the app named pages of its own.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::render::{DonePage, page, product};
use crate::api::Shared;
use crate::problem::Failure;

/// Says nothing of whether it was paid: that is learned from Stripe, not from who comes here.
pub async fn done(State(state): Shared) -> Result<Response, Failure> {
    let explanation = "Your plan holds as soon as the payment is confirmed, which takes a few seconds as a rule. A mail \
        tells you. You can close this page and go on.";
    told(&state.app, "Thank you", explanation).await
}

pub async fn canceled(State(state): Shared) -> Result<Response, Failure> {
    let explanation = "Nothing was bought and nothing is charged. You can close this page, and come back at any time.";
    told(&state.app, "Not bought", explanation).await
}

async fn told(app: &app::App, title: &'static str, explanation: &str) -> Result<Response, Failure> {
    let product = product(app).await?;
    Ok(page(StatusCode::OK, &DonePage { product: &product, title, explanation }))
}
