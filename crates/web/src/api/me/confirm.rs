//! `POST me/confirm`: proves again who is signed in, for changes that ask for a recent sign-in.

use app::identity;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer;
use crate::api::Shared;
use crate::api::auth::PasswordText;
use crate::extract::{Authenticated, FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    #[schema(inline)]
    password: PasswordText,
}

/// Prove who you are again
///
/// For changes that are answered 403 `recent_sign_in_required`.
#[utoipa::path(
    post,
    path = "/api/v1/me/confirm",
    tag = "identity",
    request_body = ConfirmBody,
    responses((status = 204), Problems),
)]
pub async fn confirm_me(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<ConfirmBody>,
) -> Result<Response, Failure> {
    identity::confirm_password(&state.app, &caller, &body.password.0, &device).await?;
    Ok(answer::no_content())
}
