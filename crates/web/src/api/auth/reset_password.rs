//! `POST auth/password/reset`: a new password by a mailed link.

use app::identity;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{PasswordText, SecretText, hold_address};
use crate::answer;
use crate::api::Shared;
use crate::extract::{FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordBody {
    /// From the link.
    #[schema(value_type = String, min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*$")]
    token: SecretText,
    /// The new one.
    #[schema(value_type = String, min_length = 1, max_length = 1024, pattern = r"^[^\u0000]*$")]
    password: PasswordText,
}

/// Reset a password
///
/// Ends every session of the person.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password/reset",
    tag = "identity",
    security(()),
    request_body = ResetPasswordBody,
    responses((status = 204), Problems),
)]
pub async fn reset_password(
    State(state): Shared,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<ResetPasswordBody>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "password_reset").await?;
    identity::reset_password(&state.app, &body.token.0, &body.password.0, &device).await?;
    Ok(answer::no_content())
}
