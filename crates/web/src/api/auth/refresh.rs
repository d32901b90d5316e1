//! `POST auth/refresh`: new tokens for a refresh token, which is good once.

use app::identity;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{SecretText, SignedInShape, signed_in};
use crate::api::Shared;
use crate::extract::{FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    #[schema(inline)]
    refresh_token: SecretText,
}

/// Refresh tokens
///
/// A refresh token that comes a second time ends its session: somebody has a copy.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    tag = "identity",
    security(()),
    request_body = RefreshBody,
    responses((status = 200, body = SignedInShape), Problems),
)]
pub async fn refresh(
    State(state): Shared,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<RefreshBody>,
) -> Result<Response, Failure> {
    let refreshed = identity::refresh(&state.app, &body.refresh_token.0, &device).await?;
    Ok(signed_in(&state.app, StatusCode::OK, refreshed))
}
