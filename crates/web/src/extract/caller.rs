//! Who asks. A handler that takes [`Authenticated`] is never reached by anyone else.
//!
//! A key or a token comes in a header; a browser that is signed in comes with a cookie, and then only from pages of this
//! server: another site's page that makes the browser ask is refused.

use std::sync::Arc;

use app::{AppError, Caller, identity, rate_limits};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};
use domain::ids::AccountId;

use super::cookie;
use crate::WebState;
use crate::problem::{EdgeError, Failure};

/// The rate limit that calls by an account's own key are held to.
const RATE_SCOPE: &str = "api";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Which of a person's accounts is meant.
const ACCOUNT: HeaderName = HeaderName::from_static("tollway-account");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The caller that a request's key, token or cookie belongs to.
pub struct Authenticated(pub Caller);

impl FromRequestParts<Arc<WebState>> for Authenticated {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<WebState>) -> Result<Self, Failure> {
        let caller = authenticate(state, &parts.method, &parts.headers).await?;
        hold(state, &caller).await?;
        Ok(Self(caller))
    }
}

/// Finds the caller of a request that has no cookie, and holds all but service keys to their rate.
pub async fn authenticate_and_hold(state: &WebState, headers: &HeaderMap) -> Result<Caller, AppError> {
    let caller = authenticate_header(state, headers).await?;
    hold(state, &caller).await?;
    Ok(caller)
}

/// Finds the caller of a request that has no cookie.
pub async fn authenticate_header(state: &WebState, headers: &HeaderMap) -> Result<Caller, AppError> {
    let secret = secret(headers).ok_or(AppError::Unauthenticated)?;
    chosen(identity::authenticate(&state.app, secret).await?, headers)
}

async fn hold(state: &WebState, caller: &Caller) -> Result<(), AppError> {
    let account = match caller {
        Caller::Service { .. } => None,
        Caller::Account { account, .. } => Some(*account),
        Caller::Person(person) => person.account,
        Caller::Visitor(visiting) => Some(visiting.account),
    };
    if let Some(account) = account {
        rate_limits::hold_account(&state.app, account, RATE_SCOPE).await?;
    }
    Ok(())
}

/// Finds the caller without counting the request against a rate limit.
pub async fn authenticate(state: &WebState, method: &Method, headers: &HeaderMap) -> Result<Caller, Failure> {
    let caller = match (secret(headers), cookie::of(headers)) {
        (Some(secret), _) => identity::authenticate(&state.app, secret).await?,
        (None, Some(cookie)) => {
            must_be_from_here(state, method, headers)?;
            identity::authenticate_cookie(&state.app, cookie).await?
        }
        (None, None) => return Err(AppError::Unauthenticated.into()),
    };
    Ok(chosen(caller, headers)?)
}

/// A person as acting for the account that the request names. Keys and visitors have one account, whatever a request
/// says.
fn chosen(caller: Caller, headers: &HeaderMap) -> Result<Caller, AppError> {
    match (&caller, headers.get(ACCOUNT)) {
        (Caller::Person(person), Some(named)) => {
            let account = named.to_str().ok().and_then(AccountId::parse).ok_or(AppError::AccountUnknown)?;
            identity::acting_for(person, account)
        }
        _ => Ok(caller),
    }
}

/// A browser says which site made it ask; an old one says at least where the page is from. Reading needs neither: another
/// site's page does not get to see the answer.
pub fn must_be_from_here(state: &WebState, method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_from_here = match (text(&FETCH_SITE), text(&header::ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => is_own_origin(&state.app.settings.public_url, origin, text(&header::HOST)),
        (None, None) => false,
    };
    if is_from_here { Ok(()) } else { Err(EdgeError::CrossSite.into()) }
}

fn is_own_origin(public_url: &str, origin: &str, host: Option<&str>) -> bool {
    let of_public_url = public_url.split('/').take(3).collect::<Vec<_>>().join("/");
    let host_of = |origin: &str| origin.split_once("://").map(|(_, host)| host.to_owned());
    origin.eq_ignore_ascii_case(&of_public_url) || (host.is_some() && host_of(origin).as_deref() == host)
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

    #[test]
    fn an_origin_is_ours_by_the_public_url_or_the_host_asked() {
        let ours = |origin, host| is_own_origin("https://app.example.com/billing", origin, host);
        assert!(ours("https://app.example.com", None));
        assert!(ours("http://127.0.0.1:8080", Some("127.0.0.1:8080")));
        assert!(!ours("https://evil.example", Some("app.example.com")));
        assert!(!ours("https://app.example.com.evil.example", None));
        assert!(!ours("null", None));
    }
}
