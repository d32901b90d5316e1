//! `POST subscription/cancel`: ends what is paid for.

use app::billing;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::WhenName;
use super::show::SubscriptionShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBodyOrNone};
use crate::problem::{Failure, Problems};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelBody {
    /// The account, with a service key.
    #[schema(inline)]
    account: Option<Text<1, 64>>,
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
    #[serde(default)]
    when: WhenName,
}

/// Cancel the plan
///
/// At the end of what is paid for, when nothing else is said: the plan is kept until then, and resuming takes it back.
/// `now` pays nothing back. For owners, admins and service keys.
#[utoipa::path(
    post,
    path = "/api/v1/subscription/cancel",
    tag = "subscription",
    request_body = CancelBody,
    responses((status = 200, body = SubscriptionShape), Problems),
)]
pub async fn cancel_subscription(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBodyOrNone(body): JsonBodyOrNone<CancelBody>,
) -> Result<Response, Failure> {
    let account = account_ref(body.account.map(|text| text.0), body.external_id.map(|text| text.0))?;
    let view = billing::cancel(&state.app, &caller, &account, body.when.into()).await?;
    Ok(answer::ok(&SubscriptionShape::from(view)))
}
