//! `/confirm-email`: a new address takes the place of the old one.

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
    match identity::confirm_new_email(&state.app, &sent.token.0, &device).await {
        Ok(_) => {
            let (title, explanation) =
                ("Your address is changed", "From now on you sign in with it, and mails go to it.");
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
        "Confirm your new email address",
        "With this the address that the link was mailed to takes the place of the one you had.",
        "Use this address",
    );
    ConfirmPage { product, title, explanation, button, token, failure }
}
