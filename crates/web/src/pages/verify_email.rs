//! `/verify-email`: the address that a link was mailed to is somebody's.

use app::identity;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::LinkQuery;
use super::form::Form;
use super::render::{ConfirmPage, DonePage, page, product};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{FromDevice, QueryFields};
use crate::problem::Failure;

#[derive(Deserialize)]
pub struct Sent {
    token: Text<1, 512>,
}

pub async fn show(State(state): Shared, QueryFields(link): QueryFields<LinkQuery>) -> Result<Response, Failure> {
    let product = product(&state.app).await?;
    Ok(page(StatusCode::OK, &asking(&product, &link.token.0, None)))
}

pub async fn send(
    State(state): Shared,
    FromDevice(device): FromDevice,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    let product = product(&state.app).await?;
    match identity::verify_email(&state.app, &sent.token.0, &device).await {
        Ok(_) => {
            let (title, explanation) = ("Your address is verified", "You can close this page and go on.");
            Ok(page(StatusCode::OK, &DonePage { product: &product, title, explanation }))
        }
        Err(error) => {
            let failure = Failure::from(error);
            Ok(page(failure.status(), &asking(&product, &sent.token.0, Some(failure.to_string()))))
        }
    }
}

fn asking<'p>(product: &'p str, token: &'p str, failure: Option<String>) -> ConfirmPage<'p> {
    let (title, explanation, button) = (
        "Verify your email address",
        "With this you say that the address the link was mailed to is yours.",
        "Verify the address",
    );
    ConfirmPage { product, title, explanation, button, token, failure }
}
