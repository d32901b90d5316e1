//! What several answers show: limits, warnings and cost.

use std::collections::BTreeMap;

use app::{App, AppError};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use domain::catalog::{Charge, Past};
use domain::ledger::LimitState;
use domain::money::{Currency, Money, NanoUsd};
use domain::name::Name;
use domain::pricing::CallCost;
use domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{self, Decimal, Time, Written};
use crate::headers;

/// One limit as it stands. Amounts are exact decimals; those of the meter `cost` are money.
#[derive(Serialize, ToSchema)]
#[schema(as = Limit)]
pub struct LimitShape {
    #[schema(value_type = String, example = "requests")]
    meter: Name,
    /// Whom the amount is for: `account`, `member`, `key` or `end_user`.
    #[schema(example = "account")]
    scope: &'static str,
    #[schema(value_type = Option<String>)]
    scope_id: Option<Name>,
    /// `period`, `year`, `month`, `day` or `lifetime`.
    #[schema(example = "period")]
    window: &'static str,
    /// Null: unlimited.
    limit: Option<Decimal>,
    used: Decimal,
    reserved: Decimal,
    /// What is left, credits included. Null: unlimited.
    remaining: Option<Decimal>,
    /// What credits could still add.
    credits: Decimal,
    /// Null: never.
    resets_at: Option<Time>,
    /// `block`, `warn` or `charge`.
    #[schema(example = "block")]
    on_exceed: &'static str,
    /// `observe` counts and denies nothing.
    #[schema(example = "enforce")]
    enforce: &'static str,
}

impl LimitShape {
    fn of(limit: &LimitState) -> Self {
        let amount = |value: i64| Decimal::of_meter(limit.meter.as_str(), value);
        Self {
            meter: limit.meter.clone(),
            scope: limit.scope.as_str(),
            scope_id: limit.scope_id.clone(),
            window: limit.window.as_str(),
            limit: limit.limit.map(amount),
            used: amount(limit.used),
            reserved: amount(limit.reserved),
            remaining: limit.remaining().map(amount),
            credits: amount(limit.credits_left),
            resets_at: limit.resets_at.map(Written),
            on_exceed: on_exceed(&limit.past),
            enforce: if limit.observed_only { "observe" } else { "enforce" },
        }
    }
}

pub fn on_exceed(past: &Past) -> &'static str {
    match past {
        Past::Block => "block",
        Past::Warn => "warn",
        Past::Charge { .. } => "charge",
    }
}

/// What usage past a limit costs in another currency.
#[derive(Serialize, ToSchema)]
#[schema(as = OverageInCurrency)]
pub struct ChargeShape {
    #[schema(value_type = String, example = "0.45")]
    charge: Written<NanoUsd>,
    up_to: Option<String>,
}

impl ChargeShape {
    /// By currency.
    pub fn of_all(charges: &BTreeMap<String, Charge>) -> BTreeMap<String, Self> {
        let of = |(code, charge): (&String, &Charge)| {
            let currency = Currency::parse(code).ok()?;
            let up_to = charge.up_to_minor.map(|minor| Money::new(minor, currency).amount_text());
            Some((code.clone(), Self { charge: Written(NanoUsd::from_nano(charge.charge_nano)), up_to }))
        };
        charges.iter().filter_map(of).collect()
    }
}

pub fn limits(states: &[LimitState]) -> Vec<LimitShape> {
    states.iter().map(LimitShape::of).collect()
}

/// A limit at or past a threshold.
#[derive(Serialize, ToSchema)]
#[schema(as = Warning)]
pub struct WarningShape {
    #[schema(value_type = String)]
    meter: Name,
    window: &'static str,
    /// The highest threshold that is reached.
    #[schema(example = 80)]
    percent: u8,
    used: Decimal,
    limit: Option<Decimal>,
    resets_at: Option<Time>,
}

pub fn warnings(states: &[LimitState]) -> Vec<WarningShape> {
    let warned = states.iter().filter_map(|limit| Some((limit, limit.warning_percent?)));
    warned
        .map(|(limit, percent)| WarningShape {
            meter: limit.meter.clone(),
            window: limit.window.as_str(),
            percent,
            used: Decimal::of_meter(limit.meter.as_str(), limit.used),
            limit: limit.limit.map(|amount| Decimal::of_meter(limit.meter.as_str(), amount)),
            resets_at: limit.resets_at.map(Written),
        })
        .collect()
}

/// What a model call cost, as decimal text.
#[derive(Serialize, ToSchema)]
#[schema(as = Cost)]
pub struct CostShape {
    #[schema(value_type = String, example = "0.000105")]
    base: Written<NanoUsd>,
    #[schema(value_type = String, example = "5")]
    markup_percent: Written<Decimal>,
    #[schema(value_type = String, example = "0.00011025")]
    r#final: Written<NanoUsd>,
    #[schema(example = "USD")]
    currency: String,
}

/// The cost of a call with the markup and currency of the catalog in force.
pub async fn cost(app: &App, cost: Option<&CallCost>) -> Result<Option<CostShape>, AppError> {
    let Some(cost) = cost else { return Ok(None) };
    let plans = app.plans().await?;
    Ok(Some(CostShape {
        base: Written(cost.base),
        markup_percent: Written(Decimal { value: plans.catalog.markup_millionths_percent, places: 6 }),
        r#final: Written(cost.final_cost),
        currency: plans.catalog.currency.clone(),
    }))
}

/// An answer to a metered call, with the headers that tell of its limits.
pub fn metered(
    status: StatusCode,
    body: &impl Serialize,
    limits: &[LimitState],
    (at, replayed): (Timestamp, bool),
) -> Response {
    let mut response = answer::json(status, body);
    headers::add_limits(&mut headers::Lines::of(response.headers_mut()), limits, at);
    if replayed {
        response.headers_mut().insert(headers::REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
