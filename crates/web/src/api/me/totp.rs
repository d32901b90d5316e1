//! `me/totp` and `me/recovery-codes`: the second factor.

use app::AppError;
use app::identity::{self, Proof};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer;
use crate::api::Shared;
use crate::api::auth::SecretText;
use crate::extract::{Authenticated, FromDevice, JsonBody};
use crate::idempotency::StoredInstead;
use crate::problem::{Failure, Problems};

/// Put it into an authenticator app, then confirm it. Shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = Enrolment)]
pub struct EnrolmentShape {
    /// Base 32, for typing. Null when the answer is replayed, as the next two.
    secret: Option<String>,
    #[schema(example = "otpauth://totp/…")]
    otpauth_url: Option<String>,
    /// The same as an SVG picture.
    qr_svg: Option<String>,
}

/// Good once each, in place of a code. Shown this once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Null when the answer is replayed: they are not kept.
    recovery_codes: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
pub struct RecoveryCodesLeft {
    /// Null without a second factor.
    left: Option<i64>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeBody {
    #[schema(value_type = String, min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*$", example = "123456")]
    code: SecretText,
}

/// A `code` of the authenticator app, or a `recovery_code`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofBody {
    #[schema(inline, example = "123456")]
    pub code: Option<SecretText>,
    #[schema(inline)]
    pub recovery_code: Option<SecretText>,
}

impl ProofBody {
    pub fn proof(self) -> Result<Proof, AppError> {
        match (self.code, self.recovery_code) {
            (Some(code), None) => Ok(Proof::Code(code.0)),
            (None, Some(code)) => Ok(Proof::RecoveryCode(code.0)),
            _ => Err(AppError::invalid("code", "Give a `code` or a `recovery_code`, and not both.")),
        }
    }
}

/// Set up a second factor
///
/// Nobody is asked for codes until one was confirmed. Asks for a recent sign-in.
#[utoipa::path(
    post,
    path = "/api/v1/me/totp",
    tag = "identity",
    responses((status = 201, body = EnrolmentShape), Problems),
)]
pub async fn enrol_totp(State(state): Shared, Authenticated(caller): Authenticated) -> Result<Response, Failure> {
    let made = identity::enrol_totp(&state.app, &caller).await?;
    let shape = EnrolmentShape { secret: Some(made.secret), otpauth_url: Some(made.url), qr_svg: Some(made.qr_svg) };
    let mut response = answer::json(StatusCode::CREATED, &shape);
    StoredInstead::of(&EnrolmentShape { secret: None, otpauth_url: None, qr_svg: None }).attach(&mut response);
    Ok(response)
}

/// Confirm the second factor
///
/// From now on a sign-in asks for a code. Answers ten recovery codes.
#[utoipa::path(
    post,
    path = "/api/v1/me/totp/confirm",
    tag = "identity",
    request_body = CodeBody,
    responses((status = 200, body = RecoveryCodes), Problems),
)]
pub async fn confirm_totp(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<CodeBody>,
) -> Result<Response, Failure> {
    let codes = identity::confirm_totp(&state.app, &caller, &body.code.0, &device).await?;
    Ok(shown_once(codes))
}

/// Take the second factor away
///
/// Asks for a recent sign-in, and for a code.
#[utoipa::path(
    post,
    path = "/api/v1/me/totp/disable",
    tag = "identity",
    request_body = ProofBody,
    responses((status = 204), Problems),
)]
pub async fn disable_totp(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<ProofBody>,
) -> Result<Response, Failure> {
    identity::disable_totp(&state.app, &caller, body.proof()?, &device).await?;
    Ok(answer::no_content())
}

/// Count the recovery codes that are left
#[utoipa::path(
    get,
    path = "/api/v1/me/recovery-codes",
    tag = "identity",
    responses((status = 200, body = RecoveryCodesLeft), Problems),
)]
pub async fn count_recovery_codes(
    State(state): Shared,
    Authenticated(caller): Authenticated,
) -> Result<Response, Failure> {
    let left = identity::recovery_codes_left(&state.app, &caller).await?;
    Ok(answer::ok(&RecoveryCodesLeft { left }))
}

/// Make new recovery codes
///
/// Those there were are useless from now on. Asks for a recent sign-in, and for a code.
#[utoipa::path(
    post,
    path = "/api/v1/me/recovery-codes",
    tag = "identity",
    request_body = ProofBody,
    responses((status = 200, body = RecoveryCodes), Problems),
)]
pub async fn renew_recovery_codes(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<ProofBody>,
) -> Result<Response, Failure> {
    let codes = identity::renew_recovery_codes(&state.app, &caller, body.proof()?, &device).await?;
    Ok(shown_once(codes))
}

fn shown_once(codes: Vec<String>) -> Response {
    let mut response = answer::ok(&RecoveryCodes { recovery_codes: Some(codes) });
    StoredInstead::of(&RecoveryCodes { recovery_codes: None }).attach(&mut response);
    response
}
