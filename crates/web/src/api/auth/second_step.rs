//! `POST auth/login/totp`: the second step of a sign-in.

use app::identity;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{SecretText, SignedInShape, hold_address, signed_in};
use crate::api::Shared;
use crate::api::me::totp::ProofBody;
use crate::extract::{FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

/// A `code` of the authenticator app, or a `recovery_code`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondStepBody {
    /// From the answer of `auth/login`.
    #[schema(value_type = String, min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*$")]
    challenge: SecretText,
    #[schema(inline, example = "123456")]
    code: Option<SecretText>,
    #[schema(inline)]
    recovery_code: Option<SecretText>,
}

/// Finish signing in
///
/// After five wrong codes the challenge is over: sign in again.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login/totp",
    tag = "identity",
    security(()),
    request_body = SecondStepBody,
    responses((status = 200, body = SignedInShape), Problems),
)]
pub async fn log_in_with_code(
    State(state): Shared,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<SecondStepBody>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "2fa").await?;
    let proof = ProofBody { code: body.code, recovery_code: body.recovery_code }.proof()?;
    let done = identity::log_in_with_code(&state.app, &body.challenge.0, proof, &device).await?;
    Ok(signed_in(&state.app, StatusCode::OK, done))
}
