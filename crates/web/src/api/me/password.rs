//! `POST me/password`: a new password, by the old one.

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
pub struct ChangePasswordBody {
    /// Left out only by who has none yet, after a recent sign-in.
    #[schema(inline)]
    old_password: Option<PasswordText>,
    #[schema(inline)]
    new_password: PasswordText,
}

/// Change the password
///
/// Ends all other sessions.
#[utoipa::path(
    post,
    path = "/api/v1/me/password",
    tag = "identity",
    request_body = ChangePasswordBody,
    responses((status = 204), Problems),
)]
pub async fn change_password(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<ChangePasswordBody>,
) -> Result<Response, Failure> {
    let old = body.old_password.as_ref().map(|text| text.0.as_str());
    identity::change_password(&state.app, &caller, (old, &body.new_password.0), &device).await?;
    Ok(answer::no_content())
}
