//! `POST auth/confirm-email`: a new address is confirmed by the link mailed to it.

use app::identity;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::SecretText;
use crate::answer;
use crate::api::Shared;
use crate::extract::{FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmailBody {
    /// From the link.
    #[schema(value_type = String, min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*$")]
    token: SecretText,
}

/// Confirm a new email address
#[utoipa::path(
    post,
    path = "/api/v1/auth/confirm-email",
    tag = "identity",
    security(()),
    request_body = ConfirmEmailBody,
    responses((status = 204), Problems),
)]
pub async fn confirm_email(
    State(state): Shared,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<ConfirmEmailBody>,
) -> Result<Response, Failure> {
    identity::confirm_new_email(&state.app, &body.token.0, &device).await?;
    Ok(answer::no_content())
}
