//! `authorize`: what a proxy asks before it lets a request through. nginx `auth_request`, Traefik ForwardAuth and Envoy
//! `ext_authz` send it the caller's headers and go by the status.
//!
//! An `Idempotency-Key` that a proxy passes on is the app's own matter: heeded here, it would let anyone send one key with
//! every request and be counted once.

use app::error::Denied;
use app::identity::scopes::USAGE_READ;
use app::metering::{self, Checked, Work};
use app::{AccountRef, App, AppError, Caller};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::ids::AccountId;
use domain::ledger::{Denial, DenialReason, LimitState};
use domain::name::Name;
use domain::time::Timestamp;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::usage::hold_to_rate;
use crate::WebState;
use crate::answer;
use crate::api::shapes;
use crate::extract::QueryFields;
use crate::extract::caller::authenticate_and_hold;
use crate::extract::fields::{Exact, Text, Word};
use crate::extract::work::{account_ref, usage};
use crate::headers;
use crate::problem::{Failure, Problems};

const ACCOUNT: HeaderName = HeaderName::from_static("tollway-account");
const PLAN: HeaderName = HeaderName::from_static("tollway-plan");
const KEY: HeaderName = HeaderName::from_static("tollway-key");
const STATUS: HeaderName = HeaderName::from_static("tollway-status");

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuthorizeQuery {
    /// The meter that a request through the proxy counts on.
    #[param(inline, example = "requests")]
    meter: Word,
    /// How much of it. 1 when left out.
    #[param(inline)]
    quantity: Option<Text<1, 64>>,
    /// `consume` (default) counts; `check` only asks.
    #[param(inline)]
    mode: Option<Mode>,
    /// `403` answers denials with 403 and the true status in `Tollway-Status`, for proxies that know no 429.
    #[param(inline)]
    deny: Option<Deny>,
    #[param(inline)]
    account: Option<Text<1, 64>>,
    #[param(inline)]
    external_id: Option<Text<1, 255>>,
    #[param(inline)]
    user: Option<Word>,
    #[param(inline)]
    end_user: Option<Word>,
    #[param(inline)]
    rate_scope: Option<Word>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Consume,
    Check,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
enum Deny {
    #[serde(rename = "403")]
    With403,
}

/// The request may go through. The headers `Tollway-Account`, `Tollway-Plan`, `Tollway-Key` and `X-Remaining-Usage` say
/// the same for proxies.
#[derive(ToSchema)]
pub struct Authorized {
    pub allowed: bool,
    pub account: String,
    pub plan: Option<String>,
}

/// Let a request through a proxy
///
/// Takes every method, so that proxies can pass on the one they got.
#[utoipa::path(
    get,
    path = "/api/v1/authorize",
    tag = "entitlements",
    params(AuthorizeQuery),
    responses((status = 200, body = Authorized), Problems),
)]
pub async fn authorize(
    State(state): Shared,
    headers: HeaderMap,
    query: Result<QueryFields<AuthorizeQuery>, Failure>,
) -> Response {
    let deny_with_403 = query.as_ref().is_ok_and(|QueryFields(query)| query.deny == Some(Deny::With403));
    // Who asks too often is denied here, and not before, so that it is told in the way the proxy understands.
    let decided = match authenticate_and_hold(&state, &headers).await {
        Ok(caller) => decide(&state, &caller, query).await,
        Err(error) => Err(error.into()),
    };
    decided.unwrap_or_else(|failure| denied(failure, deny_with_403))
}

async fn decide(
    state: &WebState,
    caller: &Caller,
    query: Result<QueryFields<AuthorizeQuery>, Failure>,
) -> Result<Response, Failure> {
    let QueryFields(query) = query?;
    let quantity = query.quantity.as_ref().map(|text| Exact::parse(&text.0)).transpose();
    let quantity = quantity.map_err(|problem| AppError::invalid("quantity", format!("`quantity` {problem}.")))?;
    let account = account_ref(query.account.map(|text| text.0), query.external_id.map(|text| text.0))?;
    let work = Work {
        usage: usage(Some(query.meter), quantity, None)?,
        user: query.user.map(|word| word.0),
        end_user: query.end_user.map(|word| word.0),
        ..Work::default()
    };
    hold_to_rate(state, caller, &account, query.rate_scope.as_ref()).await?;
    match query.mode.unwrap_or(Mode::Consume) {
        Mode::Consume => {
            let counted = metering::consume::consume(&state.app, caller, &account, work).await?;
            Ok(authorized(caller, counted.event.account, counted.plan, (&counted.limits, counted.at)))
        }
        Mode::Check => check(state, caller, &account, work).await,
    }
}

async fn check(state: &WebState, caller: &Caller, account: &AccountRef, work: Work) -> Result<Response, Failure> {
    let asked = work.usage.first().cloned();
    let requested = asked.and_then(|(meter, quantity)| answer::in_units(meter.as_str(), quantity)).unwrap_or(0);
    let checked = metering::check::check(&state.app, caller, account, work).await?;
    if !checked.allowed {
        return Err(denial(&state.app, checked, requested).into());
    }
    let id = caller.account(&state.app, account, USAGE_READ).await?;
    Ok(authorized(caller, id, checked.plan, (&checked.limits, checked.at)))
}

/// What a consume would have been denied with.
fn denial(app: &App, checked: Checked, requested: i64) -> AppError {
    let reason = match checked.code {
        Some("account_suspended") => DenialReason::AccountSuspended,
        Some("subscription_required") => DenialReason::SubscriptionRequired,
        _ => DenialReason::QuotaExceeded,
    };
    let limit = headers::tightest(&checked.limits).filter(|_| reason == DenialReason::QuotaExceeded).cloned();
    let denial = Denial { reason, requested, limit };
    let Checked { plan, suggested_plan, at, .. } = checked;
    AppError::Denied(Box::new(Denied { at, ..Denied::new(app, denial, plan, suggested_plan) }))
}

fn authorized(
    caller: &Caller,
    account: AccountId,
    plan: Option<Name>,
    (limits, at): (&[LimitState], Timestamp),
) -> Response {
    let body = answer::object(|json| {
        json.boolean("allowed", true);
        json.plain("account", Some(account));
        json.text("plan", plan.as_ref().map(Name::as_str));
    });
    let mut response = shapes::metered(StatusCode::OK, body, limits, (at, false));
    let headers = response.headers_mut();
    headers::put(headers, ACCOUNT, &account.to_string());
    if let Some(key) = caller.key() {
        headers::put(headers, KEY, &key.to_string());
    }
    if let Some(plan) = &plan {
        headers::put(headers, PLAN, plan.as_str());
    }
    response
}

/// A denial, as 403 where the proxy knows no other.
fn denied(failure: Failure, with_403: bool) -> Response {
    let mut response = failure.into_response();
    let status = response.status();
    if with_403 && matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYMENT_REQUIRED) {
        *response.status_mut() = StatusCode::FORBIDDEN;
        response.headers_mut().insert(STATUS, HeaderValue::from(status.as_u16()));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_403_for_proxies_that_ask() {
        let rate_limited = || {
            let scope = Name::new("api");
            Failure::from(AppError::RateLimited { scope, requests: 1, window_seconds: 1, retry_after_seconds: 1 })
        };
        assert_eq!(denied(rate_limited(), false).status(), 429);
        let response = denied(rate_limited(), true);
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()[STATUS], "429");
        let response = denied(AppError::Unauthenticated.into(), true);
        assert_eq!(response.status(), 401);
        assert!(!response.headers().contains_key(STATUS));
    }
}
