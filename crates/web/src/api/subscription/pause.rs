//! `POST subscription/pause`: charges nothing for a while.

use app::billing;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::show::SubscriptionShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::{Text, Time};
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBodyOrNone};
use crate::problem::{Failure, Problems};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseBody {
    /// The account, with a service key.
    #[schema(inline)]
    account: Option<Text<1, 64>>,
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
    /// Null or left out: until it is resumed.
    #[schema(inline)]
    resumes_at: Option<Time>,
}

/// Pause the plan
///
/// Nothing is charged while it lasts. What is paid for is kept to its end; then the default plan holds. For owners, admins
/// and service keys.
#[utoipa::path(
    post,
    path = "/api/v1/subscription/pause",
    tag = "subscription",
    request_body = PauseBody,
    responses((status = 200, body = SubscriptionShape), Problems),
)]
pub async fn pause_subscription(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBodyOrNone(body): JsonBodyOrNone<PauseBody>,
) -> Result<Response, Failure> {
    let account = account_ref(body.account.map(|text| text.0), body.external_id.map(|text| text.0))?;
    let view = billing::pause(&state.app, &caller, &account, body.resumes_at.map(|time| time.0)).await?;
    Ok(answer::ok(&SubscriptionShape::from(view)))
}
