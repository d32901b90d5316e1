//! `POST auth/verify-email/resend`: the link that verifies an address, once more.

use app::identity;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::hold_address;
use super::register::{ToldByMail, told_by_mail};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{FromDevice, JsonBodyOrNone, caller};
use crate::problem::{Failure, Problems};

/// Left out by who is signed in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendBody {
    #[schema(inline, example = "ada@example.com")]
    email: Option<Text<1, 254>>,
}

/// Mail the verification link again
///
/// Answered the same for every address. Links mailed before are useless from now on.
#[utoipa::path(
    post,
    path = "/api/v1/auth/verify-email/resend",
    tag = "identity",
    request_body = Option<ResendBody>,
    responses((status = 202, body = ToldByMail), Problems),
)]
pub async fn resend_verification(
    State(state): Shared,
    FromDevice(device): FromDevice,
    method: Method,
    headers: HeaderMap,
    JsonBodyOrNone(body): JsonBodyOrNone<ResendBody>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "register").await?;
    match body.email {
        Some(email) => identity::resend_verification_to(&state.app, &email.0).await?,
        None => {
            let caller = caller::authenticate(&state, &method, &headers).await?;
            identity::resend_verification(&state.app, &caller).await?;
        }
    }
    Ok(told_by_mail("If this address is still to be verified, a link is on its way to it."))
}
