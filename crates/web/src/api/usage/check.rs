//! `POST usage/check`: would this be allowed? Changes nothing.

use app::metering;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::name::Name;
use utoipa::ToSchema;

use super::{CallBody, hold_to_rate};
use crate::answer;
use crate::api::Shared;
use crate::api::shapes::{self, LimitShape, WarningShape};
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{Failure, Problems};

/// Whether work would be counted.
#[derive(ToSchema)]
#[schema(as = Checked)]
pub struct CheckedShape {
    pub allowed: bool,
    /// Why not: `quota_exceeded`, `account_suspended`, `subscription_required`, `model_not_allowed`.
    pub code: Option<String>,
    pub plan: Option<String>,
    pub limits: Vec<LimitShape>,
    pub warnings: Vec<WarningShape>,
    pub suggested_plan: Option<String>,
    /// Where to get more, when it is not allowed.
    pub upgrade_url: Option<String>,
}

/// Ask whether usage would be allowed
///
/// The same body as for consume. A denial is a 200 with `allowed: false`.
#[utoipa::path(
    post,
    path = "/api/v1/usage/check",
    tag = "usage",
    request_body = CallBody,
    responses((status = 200, body = CheckedShape), Problems),
)]
pub async fn check(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<CallBody>,
) -> Result<Response, Failure> {
    let account = body.work.account()?;
    let work = body.work.into_work(None, "check", &[])?;
    hold_to_rate(&state, &caller, &account, body.own.rate_scope.as_ref()).await?;
    let checked = metering::check::check(&state.app, &caller, &account, work).await?;
    let upgrade_url = (!checked.allowed && checked.code != Some("account_suspended"))
        .then(|| state.app.settings.upgrade_url(checked.suggested_plan.as_ref()));
    let body = answer::object(|json| {
        json.boolean("allowed", checked.allowed);
        json.text("code", checked.code);
        json.text("plan", checked.plan.as_ref().map(Name::as_str));
        shapes::put_limits(json, &checked.limits);
        shapes::put_warnings(json, &checked.limits);
        json.text("suggested_plan", checked.suggested_plan.as_ref().map(Name::as_str));
        json.text("upgrade_url", upgrade_url.as_deref());
    });
    Ok(shapes::metered(StatusCode::OK, body, &checked.limits, (checked.at, false)))
}
