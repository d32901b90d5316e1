//! `accounts/{id}/grant`: puts an account on a plan without payment (PUT), or ends that before its time (DELETE).

use app::{AccountRef, billing};
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer;
use crate::api::Shared;
use crate::api::subscription::show::SubscriptionShape;
use crate::extract::fields::{Time, Word};
use crate::extract::{Authenticated, JsonBody, PathId};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    /// The plan's key in the catalog.
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$", example = "pro")]
    plan: Word,
    /// When the account is back on the default plan. Null or left out: never.
    #[schema(inline)]
    until: Option<Time>,
}

/// Grant a plan
///
/// The newest version of the plan holds from the next call on; usage and periods go on. For service keys.
#[utoipa::path(
    put,
    path = "/api/v1/accounts/{id}/grant",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    request_body = GrantBody,
    responses((status = 200, body = SubscriptionShape), Problems),
)]
pub async fn grant_plan(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<GrantBody>,
) -> Result<Response, Failure> {
    let (plan, until) = (body.plan.0, body.until.map(|time| time.0));
    let view = billing::grant_plan(&state.app, &caller, &AccountRef::Id(id), plan.as_str(), until).await?;
    Ok(answer::ok(&SubscriptionShape::from(view)))
}

/// End a granted plan
///
/// The account is on the default plan again. For service keys.
#[utoipa::path(
    delete,
    path = "/api/v1/accounts/{id}/grant",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    responses((status = 200, body = SubscriptionShape), Problems),
)]
pub async fn end_grant(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
) -> Result<Response, Failure> {
    let view = billing::end_grant(&state.app, &caller, &AccountRef::Id(id)).await?;
    Ok(answer::ok(&SubscriptionShape::from(view)))
}
