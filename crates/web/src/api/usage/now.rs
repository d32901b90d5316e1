//! `GET usage`: every limit of an account and what is used of it, exact to the last counted call.

use app::metering;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::name::Name;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{self, Time};
use crate::api::Shared;
use crate::api::shapes::{self, LimitShape, WarningShape};
use crate::extract::fields::{Text, Word};
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    #[param(inline)]
    account: Option<Text<1, 64>>,
    #[param(inline)]
    external_id: Option<Text<1, 255>>,
    /// Shows the limits of this member too.
    #[param(inline)]
    user: Option<Word>,
    /// Shows the limits of this end user too.
    #[param(inline)]
    end_user: Option<Word>,
}

/// A stretch of time, its end not included.
#[derive(Serialize, ToSchema)]
pub struct Period {
    pub start: Time,
    pub end: Time,
}

/// How an account stands.
#[derive(ToSchema)]
#[schema(as = UsageNow)]
pub struct UsageShape {
    pub account: String,
    pub plan: Option<String>,
    pub period: Period,
    pub limits: Vec<LimitShape>,
    pub warnings: Vec<WarningShape>,
}

/// Show usage now
///
/// Every limit of the account; what a 2xx has counted is in it.
#[utoipa::path(
    get,
    path = "/api/v1/usage",
    tag = "usage",
    params(UsageQuery),
    responses((status = 200, body = UsageShape), Problems),
)]
pub async fn usage_now(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<UsageQuery>,
) -> Result<Response, Failure> {
    let account = account_ref(query.account.map(|text| text.0), query.external_id.map(|text| text.0))?;
    let (user, end_user) = (query.user.map(|word| word.0), query.end_user.map(|word| word.0));
    let now = metering::usage::usage_now(&state.app, &caller, &account, user, end_user).await?;
    let body = answer::object(|json| {
        json.plain("account", Some(now.account));
        json.text("plan", now.plan.as_ref().map(Name::as_str));
        json.inner("period", Some((now.period_start, now.period_end)), |json, (start, end)| {
            json.plain("start", Some(start));
            json.plain("end", Some(end));
        });
        shapes::put_limits(json, &now.limits);
        shapes::put_warnings(json, &now.limits);
    });
    Ok(shapes::metered(StatusCode::OK, body, &now.limits, (now.at, false)))
}
