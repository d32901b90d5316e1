//! `GET usage`: every limit of an account and what is used of it, exact to the last counted call.

use app::metering;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::AccountId;
use domain::name::Name;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Time, Written};
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
#[derive(Serialize, ToSchema)]
#[schema(as = UsageNow)]
pub struct UsageShape {
    #[schema(value_type = String)]
    account: Written<AccountId>,
    #[schema(value_type = Option<String>)]
    plan: Option<Name>,
    period: Period,
    limits: Vec<LimitShape>,
    warnings: Vec<WarningShape>,
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
    let body = UsageShape {
        account: Written(now.account),
        plan: now.plan,
        period: Period { start: Written(now.period_start), end: Written(now.period_end) },
        limits: shapes::limits(&now.limits),
        warnings: shapes::warnings(&now.limits),
    };
    Ok(shapes::metered(StatusCode::OK, &body, &now.limits, (now.at, false)))
}
