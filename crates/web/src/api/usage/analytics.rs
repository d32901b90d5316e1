//! `GET usage/analytics`: what was used over days, in all and by model, day, user and key.

use app::AppError;
use app::metering::analytics::{self, AnalyticsQuery, Sums};
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;
use domain::name::Name;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{self, Decimal, Time, Written};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, QueryFields};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AnalyticsFields {
    #[param(inline)]
    account: Option<Text<1, 64>>,
    #[param(inline)]
    external_id: Option<Text<1, 255>>,
    /// The first day, UTC: `2026-03-01`, or a time in it. 30 days up to now when both are left out.
    #[param(inline)]
    from: Option<Text<1, 64>>,
    /// The last day.
    #[param(inline)]
    to: Option<Text<1, 64>>,
}

/// What was used of one meter.
#[derive(Serialize, ToSchema)]
#[schema(as = MeterSum)]
pub struct SumShape {
    #[schema(value_type = String)]
    meter: Name,
    amount: Decimal,
    /// How many events moved it.
    events: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UsageOfModel)]
pub struct OfModel {
    /// Null: usage that no model made.
    #[schema(value_type = Option<String>)]
    model: Option<Name>,
    usage: Vec<SumShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UsageOfDay)]
pub struct OfDay {
    /// When the day begins.
    day: Time,
    usage: Vec<SumShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UsageOfUser)]
pub struct OfUser {
    #[schema(value_type = String)]
    user: Name,
    usage: Vec<SumShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UsageOfKey)]
pub struct OfKey {
    #[schema(value_type = String)]
    key: Name,
    usage: Vec<SumShape>,
}

/// Usage over days.
#[derive(Serialize, ToSchema)]
#[schema(as = Analytics)]
pub struct AnalyticsShape {
    #[schema(value_type = Option<String>)]
    account: Option<Written<AccountId>>,
    /// When the first day begins.
    from: Time,
    /// When the last day begins.
    to: Time,
    totals: Vec<SumShape>,
    by_model: Vec<OfModel>,
    by_day: Vec<OfDay>,
    by_user: Vec<OfUser>,
    by_key: Vec<OfKey>,
}

/// Show usage over days
///
/// Whole days, UTC, at most 366 at once.
#[utoipa::path(
    get,
    path = "/api/v1/usage/analytics",
    tag = "usage",
    params(AnalyticsFields),
    responses((status = 200, body = AnalyticsShape), Problems),
)]
pub async fn usage_analytics(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(fields): QueryFields<AnalyticsFields>,
) -> Result<Response, Failure> {
    let account = account_ref(fields.account.map(|text| text.0), fields.external_id.map(|text| text.0))?;
    let from = fields.from.as_ref().map(|text| day("from", &text.0)).transpose()?;
    let to = fields.to.as_ref().map(|text| day("to", &text.0)).transpose()?;
    let to = to.unwrap_or_else(|| state.app.now());
    let last_30_days = AnalyticsQuery::last_30_days(to);
    let query = AnalyticsQuery { from: from.unwrap_or(last_30_days.from), to };
    let found = analytics::analytics(&state.app, &caller, &account, query).await?;
    let none_as_null = |model: Name| Some(model).filter(|model| !model.as_str().is_empty());
    Ok(answer::ok(&AnalyticsShape {
        account: found.account.map(Written),
        from: Written(found.from),
        to: Written(found.to),
        totals: sums(found.totals),
        by_model: found
            .by_model
            .into_iter()
            .map(|(model, usage)| OfModel { model: none_as_null(model), usage: sums(usage) })
            .collect(),
        by_day: found.by_day.into_iter().map(|(day, usage)| OfDay { day: Written(day), usage: sums(usage) }).collect(),
        by_user: found.by_user.into_iter().map(|(user, usage)| OfUser { user, usage: sums(usage) }).collect(),
        by_key: found.by_key.into_iter().map(|(key, usage)| OfKey { key, usage: sums(usage) }).collect(),
    }))
}

/// A date or a time.
fn day(field: &str, text: &str) -> Result<Timestamp, AppError> {
    let wrong = || AppError::invalid(field, format!("`{field}` is not a day like 2026-03-01, nor a time in one."));
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z"))).ok_or_else(wrong)
}

fn sums(sums: Sums) -> Vec<SumShape> {
    let shape = |meter: Name, amount: i64, events: i64| SumShape {
        amount: Decimal::of_meter(meter.as_str(), amount),
        meter,
        events,
    };
    sums.into_iter().map(|sum| shape(sum.meter, sum.amount, sum.events)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates_or_times() {
        assert_eq!(day("from", "1970-01-02").unwrap().seconds(), 86_400);
        assert_eq!(day("from", "1970-01-01T00:00:05Z").unwrap().seconds(), 5);
        assert!(day("from", "yesterday").is_err());
    }
}
