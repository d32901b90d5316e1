//! `POST auth/logout`: ends a session.

use app::identity;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::SecretText;
use crate::answer;
use crate::api::Shared;
use crate::extract::{JsonBodyOrNone, caller, cookie};
use crate::problem::{Failure, Problems};

/// Without a refresh token the session of the access token or cookie ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutBody {
    #[schema(inline)]
    refresh_token: Option<SecretText>,
}

/// Sign out
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    tag = "identity",
    request_body = Option<LogoutBody>,
    responses((status = 204), Problems),
)]
pub async fn log_out(
    State(state): Shared,
    method: Method,
    headers: HeaderMap,
    JsonBodyOrNone(body): JsonBodyOrNone<LogoutBody>,
) -> Result<Response, Failure> {
    match body.refresh_token {
        Some(token) => identity::sign_out_by_refresh_token(&state.app, &token.0).await?,
        None => {
            let caller = caller::authenticate(&state, &method, &headers).await?;
            identity::sign_out(&state.app, &caller).await?;
        }
    }
    let mut response = answer::no_content();
    if cookie::of(&headers).is_some() {
        cookie::clear(&mut response);
    }
    Ok(response)
}
