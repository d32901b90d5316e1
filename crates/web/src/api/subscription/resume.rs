//! `POST subscription/resume`: takes back a cancellation, a pause.

use app::billing;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::show::SubscriptionShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBodyOrNone};
use crate::problem::{Failure, Problems};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeBody {
    /// The account, with a service key.
    #[schema(inline)]
    account: Option<Text<1, 64>>,
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
}

/// Resume the plan
///
/// Takes back a cancellation that has not come into effect, or ends a pause. For owners, admins and service keys.
#[utoipa::path(
    post,
    path = "/api/v1/subscription/resume",
    tag = "subscription",
    request_body = ResumeBody,
    responses((status = 200, body = SubscriptionShape), Problems),
)]
pub async fn resume_subscription(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBodyOrNone(body): JsonBodyOrNone<ResumeBody>,
) -> Result<Response, Failure> {
    let account = account_ref(body.account.map(|text| text.0), body.external_id.map(|text| text.0))?;
    let view = billing::resume(&state.app, &caller, &account).await?;
    Ok(answer::ok(&SubscriptionShape::from(view)))
}
