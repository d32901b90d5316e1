//! `POST auth/password/forgot`: a link to set a new password is mailed, if somebody has the address.

use app::identity;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::hold_address;
use super::register::{ToldByMail, told_by_mail};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotPasswordBody {
    #[schema(inline, example = "ada@example.com")]
    email: Text<1, 254>,
}

/// Ask for a new password
///
/// Answered the same for every address, known or not.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password/forgot",
    tag = "identity",
    security(()),
    request_body = ForgotPasswordBody,
    responses((status = 202, body = ToldByMail), Problems),
)]
pub async fn forgot_password(
    State(state): Shared,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<ForgotPasswordBody>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "password_reset").await?;
    identity::forgot_password(&state.app, &body.email.0).await?;
    Ok(told_by_mail("If somebody here has this address, a link to set a new password is on its way to it."))
}
