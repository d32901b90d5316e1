//! Who asks. A handler that takes [`Authenticated`] is never reached by anyone else.

use std::sync::Arc;

use app::{AppError, Caller, identity, rate_limits};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

use crate::WebState;
use crate::problem::Failure;

/// The rate limit that calls by an account's own key are held to.
const RATE_SCOPE: &str = "api";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller that a request's key belongs to.
pub struct Authenticated(pub Caller);

impl FromRequestParts<Arc<WebState>> for Authenticated {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<WebState>) -> Result<Self, Failure> {
        Ok(Self(authenticate_and_hold(state, &parts.headers).await?))
    }
}

/// Finds the caller, and holds an account's own key to its rate.
pub async fn authenticate_and_hold(state: &WebState, headers: &HeaderMap) -> Result<Caller, AppError> {
    let caller = authenticate(state, headers).await?;
    if let Caller::Account { account, .. } = &caller {
        rate_limits::hold_account(&state.app, *account, RATE_SCOPE).await?;
    }
    Ok(caller)
}

/// Finds the caller without counting the request against a rate limit.
pub async fn authenticate(state: &WebState, headers: &HeaderMap) -> Result<Caller, AppError> {
    let secret = secret(headers).ok_or(AppError::Unauthenticated)?;
    identity::authenticate(&state.app, secret).await
}

/// `X-Api-Key` goes first: where a proxy asks for an app's own users, `Authorization` may belong to the app.
fn secret(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get(API_KEY) {
        return key.to_str().ok().map(str::trim);
    }
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let headers = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        secret(&HeaderMap::from_iter(headers)).map(str::to_owned)
    }

    #[test]
    fn a_secret_is_found_in_either_header() {
        assert_eq!(found(&[("authorization", "Bearer tw_live_1")]).as_deref(), Some("tw_live_1"));
        assert_eq!(found(&[("authorization", "bearer  tw_live_1 ")]).as_deref(), Some("tw_live_1"));
        assert_eq!(found(&[("authorization", "Bearer app"), ("x-api-key", "tw")]).as_deref(), Some("tw"));
        assert_eq!(found(&[("authorization", "Basic dHc6")]), None);
        assert_eq!(found(&[("authorization", "tw_live_1")]), None);
        assert_eq!(found(&[]), None);
    }
}
