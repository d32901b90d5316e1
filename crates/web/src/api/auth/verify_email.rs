//! `POST auth/verify-email`: the address that a link was mailed to is somebody's.

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
pub struct VerifyEmailBody {
    /// From the link.
    #[schema(value_type = String, min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*$")]
    token: SecretText,
}

/// Verify an email address
#[utoipa::path(
    post,
    path = "/api/v1/auth/verify-email",
    tag = "identity",
    security(()),
    request_body = VerifyEmailBody,
    responses((status = 204), Problems),
)]
pub async fn verify_email(
    State(state): Shared,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<VerifyEmailBody>,
) -> Result<Response, Failure> {
    identity::verify_email(&state.app, &body.token.0, &device).await?;
    Ok(answer::no_content())
}
