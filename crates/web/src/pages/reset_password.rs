//! `/reset-password`: a new password by a mailed link.

use app::{App, identity};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::LinkQuery;
use super::form::Form;
use super::render::{DonePage, NewPasswordPage, page, product};
use crate::api::Shared;
use crate::api::auth::{PasswordText, hold_address};
use crate::extract::fields::Text;
use crate::extract::{FromDevice, QueryFields};
use crate::problem::Failure;

#[derive(Deserialize)]
pub struct Sent {
    token: Text<1, 512>,
    password: PasswordText,
}

pub async fn show(State(state): Shared, QueryFields(link): QueryFields<LinkQuery>) -> Result<Response, Failure> {
    let product = product(&state.app).await?;
    Ok(page(StatusCode::OK, &asking(&state.app, &product, &link.token.0, None)))
}

pub async fn send(
    State(state): Shared,
    FromDevice(device): FromDevice,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    let product = product(&state.app).await?;
    hold_address(&state.app, &device, "password_reset").await?;
    match identity::reset_password(&state.app, &sent.token.0, &sent.password.0, &device).await {
        Ok(()) => {
            let (title, explanation) = ("Your new password is set", "Sign in with it. All devices were signed out.");
            Ok(page(StatusCode::OK, &DonePage { product: &product, title, explanation }))
        }
        Err(error) => {
            let failure = Failure::from(error);
            let asking = asking(&state.app, &product, &sent.token.0, Some(failure.to_string()));
            Ok(page(failure.status(), &asking))
        }
    }
}

fn asking<'p>(app: &App, product: &'p str, token: &'p str, failure: Option<String>) -> NewPasswordPage<'p> {
    NewPasswordPage { product, token, min_length: app.settings.people.password.min_length, failure }
}
