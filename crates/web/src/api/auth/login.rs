//! `POST auth/login`: signs in by email or username and password.

use app::AppError;
use app::identity::{self, Credentials, LoggedIn};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{KeepBy, PasswordText, SignedInShape, hold_address, signed_in};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    /// An email or a username.
    #[schema(value_type = String, min_length = 1, max_length = 254, pattern = r"^[^\u0000]*$", example = "ada@example.com")]
    login: Text<1, 254>,
    #[schema(inline)]
    password: PasswordText,
    #[serde(default)]
    #[schema(inline)]
    keep: KeepBy,
}

/// Sign in
///
/// Whatever is wrong with login or password is answered the same, 401 `sign_in_failed`. With a second factor: 401
/// `totp_required` with a `challenge` for `auth/login/totp`.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    tag = "identity",
    security(()),
    request_body = LoginBody,
    responses((status = 200, body = SignedInShape), Problems),
)]
pub async fn log_in(
    State(state): Shared,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<LoginBody>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "login").await?;
    let credentials = Credentials { login: body.login.0, password: body.password.0 };
    match identity::log_in(&state.app, credentials, body.keep.into(), &device).await? {
        LoggedIn::SignedIn(done) => Ok(signed_in(&state.app, StatusCode::OK, *done)),
        LoggedIn::SecondFactor { challenge, expires_at } => {
            Err(AppError::SecondFactorRequired { challenge, expires_at }.into())
        }
    }
}
