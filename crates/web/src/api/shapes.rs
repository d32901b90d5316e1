//! What several answers show: limits, warnings and cost.
//!
//! Metered answers are written field by field from what is known. Their structs describe them: a field belongs in both.

use std::collections::BTreeMap;

use app::{App, AppError};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use domain::catalog::{Charge, Past};
use domain::json::Json;
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
#[derive(ToSchema)]
#[schema(as = Limit)]
pub struct LimitShape {
    #[schema(example = "requests")]
    pub meter: String,
    /// Whom the amount is for: `account`, `member`, `key` or `end_user`.
    #[schema(example = "account")]
    pub scope: String,
    pub scope_id: Option<String>,
    /// `period`, `year`, `month`, `day` or `lifetime`.
    #[schema(example = "period")]
    pub window: String,
    /// Null: unlimited.
    pub limit: Option<Decimal>,
    pub used: Decimal,
    pub reserved: Decimal,
    /// What is left, credits included. Null: unlimited.
    pub remaining: Option<Decimal>,
    /// What credits could still add.
    pub credits: Decimal,
    /// Null: never.
    pub resets_at: Option<Time>,
    /// `block`, `warn` or `charge`.
    #[schema(example = "block")]
    pub on_exceed: String,
    /// `observe` counts and denies nothing.
    #[schema(example = "enforce")]
    pub enforce: String,
}

/// Writes each as a [`LimitShape`].
pub fn put_limits(json: &mut Json, states: &[LimitState]) {
    json.list("limits", states, |json, limit| {
        put_limit(json, limit, "used");
        json.text("on_exceed", Some(on_exceed(&limit.past)));
        json.text("enforce", Some(if limit.observed_only { "observe" } else { "enforce" }));
    });
}

/// Writes how a limit stands. `used_as`: what the amount that is used up is called.
pub fn put_limit(json: &mut Json, limit: &LimitState, used_as: &'static str) {
    let amount = |value: i64| Decimal::of_meter(limit.meter.as_str(), value);
    json.text("meter", Some(limit.meter.as_str()));
    json.text("scope", Some(limit.scope.as_str()));
    json.text("scope_id", limit.scope_id.as_ref().map(Name::as_str));
    json.text("window", Some(limit.window.as_str()));
    json.exact("limit", limit.limit.map(amount));
    json.exact(used_as, Some(amount(limit.used)));
    json.exact("reserved", Some(amount(limit.reserved)));
    json.exact("remaining", limit.remaining().map(amount));
    json.exact("credits", Some(amount(limit.credits_left)));
    json.plain("resets_at", limit.resets_at);
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

/// A limit at or past a threshold.
#[derive(ToSchema)]
#[schema(as = Warning)]
pub struct WarningShape {
    pub meter: String,
    pub window: String,
    /// The highest threshold that is reached.
    #[schema(example = 80)]
    pub percent: u8,
    pub used: Decimal,
    pub limit: Option<Decimal>,
    pub resets_at: Option<Time>,
}

/// Writes a [`WarningShape`] for each limit that has reached a threshold.
pub fn put_warnings(json: &mut Json, states: &[LimitState]) {
    let warned = states.iter().filter_map(|limit| Some((limit, limit.warning_percent?)));
    json.list("warnings", warned, |json, (limit, percent)| {
        let amount = |value: i64| Decimal::of_meter(limit.meter.as_str(), value);
        json.text("meter", Some(limit.meter.as_str()));
        json.text("window", Some(limit.window.as_str()));
        json.number("percent", Some(percent));
        json.exact("used", Some(amount(limit.used)));
        json.exact("limit", limit.limit.map(amount));
        json.plain("resets_at", limit.resets_at);
    });
}

/// What a model call cost, as decimal text.
#[derive(ToSchema)]
#[schema(as = Cost)]
pub struct CostShape {
    #[schema(value_type = String, example = "0.000105")]
    base: NanoUsd,
    #[schema(value_type = String, example = "5")]
    markup_percent: Decimal,
    #[schema(value_type = String, example = "0.00011025")]
    r#final: NanoUsd,
    #[schema(example = "USD")]
    currency: String,
}

impl CostShape {
    /// The cost of a call with the markup and currency of the catalog in force.
    pub async fn of(app: &App, cost: Option<&CallCost>) -> Result<Option<Self>, AppError> {
        let Some(cost) = cost else { return Ok(None) };
        let plans = app.plans().await?;
        Ok(Some(Self {
            base: cost.base,
            markup_percent: Decimal { value: plans.catalog.markup_millionths_percent, places: 6 },
            r#final: cost.final_cost,
            currency: plans.catalog.currency.clone(),
        }))
    }

    pub fn put(&self, json: &mut Json) {
        json.plain("base", Some(self.base));
        json.plain("markup_percent", Some(self.markup_percent));
        json.plain("final", Some(self.r#final));
        json.text("currency", Some(&self.currency));
    }
}

/// An answer to a metered call, its JSON written already, with the headers that tell of its limits.
pub fn metered(status: StatusCode, body: String, limits: &[LimitState], (at, replayed): (Timestamp, bool)) -> Response {
    let mut response = answer::json_text(status, body);
    headers::add_limits(&mut headers::Lines::of(response.headers_mut()), limits, at);
    if replayed {
        response.headers_mut().insert(headers::REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::catalog::LimitScope;
    use domain::windows::WindowKind;
    use utoipa::PartialSchema;

    use super::*;

    /// A limit whose names need escapes.
    pub(crate) fn limit() -> LimitState {
        LimitState {
            meter: Name::new("to\"kens\\"),
            scope: LimitScope::EndUser,
            scope_id: Some(Name::new("Zoë\n\u{1}\u{7f}/")),
            window: WindowKind::Day,
            start: Timestamp::EPOCH,
            resets_at: Some(Timestamp::from_seconds(86_400)),
            limit: Some(10_000_000),
            used: 9_500_001,
            reserved: 250_000,
            credited: 0,
            credits_left: 3_000_000,
            past: Past::Block,
            observed_only: false,
            denied_status: 429,
            warning_percent: Some(80),
        }
    }

    fn unlimited() -> LimitState {
        LimitState {
            meter: Name::new("cost"),
            scope: LimitScope::Account,
            scope_id: None,
            window: WindowKind::Lifetime,
            resets_at: None,
            limit: None,
            used: 1,
            reserved: 0,
            credits_left: 0,
            past: Past::Warn,
            observed_only: true,
            ..limit()
        }
    }

    #[test]
    fn limits_are_written_to_the_byte() {
        let written = answer::object(|json| put_limits(json, &[limit(), unlimited()]));
        assert_eq!(
            written,
            concat!(
                r#"{"limits":[{"meter":"to\"kens\\","scope":"end_user","scope_id":"Zoë\n\u0001"#,
                "\u{7f}/",
                r#"","window":"day","limit":10,"used":9.500001,"reserved":0.25,"remaining":3.249999,"credits":3,"#,
                r#""resets_at":"1970-01-02T00:00:00Z","on_exceed":"block","enforce":"enforce"},"#,
                r#"{"meter":"cost","scope":"account","scope_id":null,"window":"lifetime","limit":null,"#,
                r#""used":0.000000001,"reserved":0,"remaining":null,"credits":0,"resets_at":null,"#,
                r#""on_exceed":"warn","enforce":"observe"}]}"#
            )
        );
    }

    #[test]
    fn warnings_and_costs_are_written_to_the_byte() {
        let warned = LimitState { resets_at: None, ..limit() };
        let unwarned = LimitState { warning_percent: None, ..limit() };
        let written = answer::object(|json| put_warnings(json, &[unwarned, warned]));
        assert_eq!(
            written,
            concat!(
                r#"{"warnings":[{"meter":"to\"kens\\","window":"day","percent":80,"used":9.500001,"limit":10,"#,
                r#""resets_at":null}]}"#
            )
        );
        let written = answer::object(|json| cost().put(json));
        assert_eq!(written, r#"{"base":"0.000105","markup_percent":"5","final":"0.00011025","currency":"USD"}"#);
    }

    fn cost() -> CostShape {
        CostShape {
            base: NanoUsd::from_nano(105_000),
            markup_percent: Decimal { value: 5_000_000, places: 6 },
            r#final: NanoUsd::from_nano(110_250),
            currency: "USD".into(),
        }
    }

    /// The names of the fields that a schema describes are those that are written.
    fn assert_described<Shape: PartialSchema>(written: &serde_json::Value) {
        let schema = serde_json::to_value(Shape::schema()).unwrap();
        let names = |object: &serde_json::Value| -> Vec<String> {
            let mut names: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        assert_eq!(names(written), names(&schema["properties"]));
    }

    #[test]
    fn what_is_written_is_what_is_described() {
        let written = answer::object(|json| {
            put_limits(json, &[limit()]);
            put_warnings(json, &[limit()]);
            json.inner("cost", Some(cost()), |json, cost| cost.put(json));
        });
        let written: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_described::<LimitShape>(&written["limits"][0]);
        assert_described::<WarningShape>(&written["warnings"][0]);
        assert_described::<CostShape>(&written["cost"]);
    }
}
