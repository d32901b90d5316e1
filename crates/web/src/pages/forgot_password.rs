//! `/forgot-password`: asks for a link to set a new password. Answered the same for every address.

use app::identity;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::form::Form;
use super::render::{DonePage, ForgotPasswordPage, page, product};
use crate::api::Shared;
use crate::api::auth::hold_address;
use crate::extract::FromDevice;
use crate::extract::fields::Text;
use crate::problem::Failure;

#[derive(Deserialize)]
pub struct Sent {
    email: Text<1, 254>,
}

pub async fn show(State(state): Shared) -> Result<Response, Failure> {
    let product = product(&state.app).await?;
    Ok(page(StatusCode::OK, &ForgotPasswordPage { product: &product, email: "", failure: None }))
}

pub async fn send(
    State(state): Shared,
    FromDevice(device): FromDevice,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    let product = product(&state.app).await?;
    hold_address(&state.app, &device, "password_reset").await?;
    match identity::forgot_password(&state.app, &sent.email.0).await {
        Ok(()) => {
            let title = "Look into your mails";
            let explanation = "If somebody here has this address, a link to set a new password is on its way to it.";
            Ok(page(StatusCode::OK, &DonePage { product: &product, title, explanation }))
        }
        Err(error) => {
            let failure = Failure::from(error);
            let shown =
                ForgotPasswordPage { product: &product, email: &sent.email.0, failure: Some(failure.to_string()) };
            Ok(page(failure.status(), &shown))
        }
    }
}
