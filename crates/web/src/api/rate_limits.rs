//! `admin/rate-limits`: how an account, an address or a sign-in name stands with its rate limits, and letting it go on.

use app::rate_limits::{self, Identity, Standing};
use axum::extract::State;
use axum::response::Response;
use domain::name::Name;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use crate::answer::{self, Page};
use crate::extract::fields::{Text, Word};
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RateLimitsQuery {
    /// An account (`acct_…`), an address, or the name or email that somebody signs in with. Of an IPv6 address the first
    /// 64 bits count.
    #[param(inline, example = "ada@example.com")]
    identity: Text<1, 255>,
    /// One rate limit alone.
    #[param(inline, example = "login")]
    scope: Option<Word>,
}

/// One rate limit, and what of it is used.
#[derive(Serialize, ToSchema)]
#[schema(as = RateLimit)]
pub struct RateLimitShape {
    #[schema(value_type = String, example = "login")]
    scope: Name,
    /// Requests in a window.
    limit: u32,
    window_seconds: u32,
    /// Requests of the last window. More than `limit` where the rate was lowered meanwhile.
    used: u32,
    remaining: u32,
    /// Until all of them are over.
    reset_seconds: u64,
}

impl From<Standing> for RateLimitShape {
    fn from(standing: Standing) -> Self {
        let Standing { scope, requests, window_seconds, used, reset_seconds } = standing;
        Self { scope, limit: requests, window_seconds, used, remaining: requests.saturating_sub(used), reset_seconds }
    }
}

/// Show rate limits
///
/// Shared by all nodes where `redis_url` is set; otherwise those of the node that answers. For service keys.
#[utoipa::path(
    get,
    path = "/api/v1/admin/rate-limits",
    tag = "admin",
    params(RateLimitsQuery),
    responses((status = 200, body = Page<RateLimitShape>), Problems),
)]
pub async fn list_rate_limits(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<RateLimitsQuery>,
) -> Result<Response, Failure> {
    let (identity, scope) = (Identity::parse(&query.identity.0), query.scope.map(|word| word.0));
    let shown = rate_limits::show_rate_limits(&state.app, &caller, &identity, scope.as_ref()).await?;
    Ok(answer::ok(&Page { data: shown.into_iter().map(RateLimitShape::from).collect(), next_cursor: None }))
}

/// Clear rate limits
///
/// What was counted is forgotten, in every scope or in the one that is named, and the next request is let through. For
/// service keys.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/rate-limits",
    tag = "admin",
    params(RateLimitsQuery),
    responses((status = 204), Problems),
)]
pub async fn clear_rate_limits(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<RateLimitsQuery>,
) -> Result<Response, Failure> {
    let (identity, scope) = (Identity::parse(&query.identity.0), query.scope.map(|word| word.0));
    rate_limits::clear_rate_limits(&state.app, &caller, &identity, scope.as_ref()).await?;
    Ok(answer::no_content())
}
