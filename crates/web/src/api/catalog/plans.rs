//! `GET plans`: the plans that anybody may see and buy.

use std::collections::BTreeMap;

use app::catalog::{self, PublicPlan};
use axum::extract::State;
use axum::response::Response;
use domain::catalog::{Enforce, Interval, Limit, Past, PlanPrice};
use domain::money::{Currency, Money, NanoUsd};
use domain::name::Name;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::{self, Decimal, Written};
use crate::api::Shared;
use crate::api::entitlements::value_of;
use crate::api::shapes::{ChargeShape, on_exceed};
use crate::problem::{Failure, Problems};

/// A plan as it is sold.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
pub struct PlanShape {
    /// Its key in the catalog.
    #[schema(value_type = String, example = "pro")]
    pub id: Name,
    name: String,
    /// Plans with a higher rank offer more.
    rank: u32,
    description: String,
    selling_points: Vec<String>,
    price: PriceShape,
    /// What a year paid at once saves against twelve months, in whole percent.
    annual_saving_percent: Option<u32>,
    trial_days: u32,
    trial_needs_card: bool,
    /// "Most popular".
    popular: bool,
    /// The plan of accounts that have bought nothing.
    default: bool,
    limits: Vec<PlanLimitShape>,
    /// True or false, a number, or a list with `*` for all, by name.
    #[schema(value_type = Object)]
    features: BTreeMap<Name, Value>,
    /// Rate limits by scope: `300 per 60s`.
    #[schema(value_type = Object)]
    rates: BTreeMap<Name, String>,
}

/// What a plan costs, as decimal text.
#[derive(Serialize, ToSchema)]
#[schema(as = Price)]
pub struct PriceShape {
    /// `free`, `paid`, or `custom`: contact sales.
    #[schema(example = "paid")]
    kind: &'static str,
    #[schema(example = "USD")]
    currency: &'static str,
    #[schema(example = "15.00")]
    monthly: Option<String>,
    #[schema(example = "150.00")]
    annual: Option<String>,
    /// By currency, then by interval.
    #[schema(value_type = Object)]
    other_currencies: BTreeMap<String, BTreeMap<&'static str, String>>,
}

/// A limit of a plan.
#[derive(Serialize, ToSchema)]
#[schema(as = PlanLimit)]
pub struct PlanLimitShape {
    #[schema(value_type = String)]
    meter: Name,
    window: &'static str,
    /// Whom the amount is for.
    scope: &'static str,
    /// Null: unlimited.
    limit: Option<Decimal>,
    on_exceed: &'static str,
    /// What is charged past it.
    overage: Option<OverageShape>,
    enforce: &'static str,
}

/// So much money for each so much of the meter, up to a bill of so much.
#[derive(Serialize, ToSchema)]
#[schema(as = Overage)]
pub struct OverageShape {
    #[schema(value_type = String, example = "0.50")]
    charge: Written<NanoUsd>,
    each: Decimal,
    up_to: Option<String>,
    /// For those who pay the plan in another currency, by its code.
    other_currencies: BTreeMap<String, ChargeShape>,
}

/// The plans, lowest rank first.
#[derive(Serialize, ToSchema)]
#[schema(as = Plans)]
pub struct PlansShape {
    product: String,
    currency: &'static str,
    data: Vec<PlanShape>,
    next_cursor: Option<String>,
}

impl PlanShape {
    pub fn of(public: &PublicPlan, currency: Currency) -> Self {
        let plan = &public.plan;
        Self {
            id: plan.key.clone(),
            name: plan.name.clone(),
            rank: plan.rank,
            description: plan.description.clone(),
            selling_points: plan.selling_points.clone(),
            price: PriceShape::of(&plan.price, currency),
            annual_saving_percent: public.annual_saving_percent,
            trial_days: plan.trial_days,
            trial_needs_card: plan.trial_needs_card,
            popular: plan.popular,
            default: public.is_default,
            limits: plan.limits.iter().map(|limit| PlanLimitShape::of(limit, currency)).collect(),
            features: plan.features.iter().map(|(name, value)| (name.clone(), value_of(value))).collect(),
            rates: plan.rates.iter().map(|(scope, rate)| (scope.clone(), rate.to_string())).collect(),
        }
    }
}

impl PriceShape {
    fn of(price: &PlanPrice, currency: Currency) -> Self {
        let none = |kind| Self {
            kind,
            currency: currency.code(),
            monthly: None,
            annual: None,
            other_currencies: BTreeMap::new(),
        };
        let PlanPrice::Paid { by_interval, other_currencies } = price else {
            return none(if *price == PlanPrice::Free { "free" } else { "custom" });
        };
        let amount = |interval| by_interval.get(&interval).map(|minor| Money::new(*minor, currency).amount_text());
        let of_currency = |(code, prices): (&String, &BTreeMap<Interval, i64>)| {
            let other = Currency::parse(code).ok()?;
            let amounts =
                prices.iter().map(|(interval, minor)| (interval.as_str(), Money::new(*minor, other).amount_text()));
            Some((code.clone(), amounts.collect()))
        };
        Self {
            monthly: amount(Interval::Monthly),
            annual: amount(Interval::Annual),
            other_currencies: other_currencies.iter().filter_map(of_currency).collect(),
            ..none("paid")
        }
    }
}

impl PlanLimitShape {
    fn of(limit: &Limit, currency: Currency) -> Self {
        let amount = |value: i64| Decimal::of_meter(limit.meter.as_str(), value);
        let overage = match &limit.past {
            Past::Charge { charge_nano, each, up_to_minor, other_currencies, .. } => Some(OverageShape {
                charge: Written(NanoUsd::from_nano(*charge_nano)),
                each: amount(*each),
                up_to: up_to_minor.map(|minor| Money::new(minor, currency).amount_text()),
                other_currencies: ChargeShape::of_all(other_currencies),
            }),
            Past::Block | Past::Warn => None,
        };
        Self {
            meter: limit.meter.clone(),
            window: limit.per.as_str(),
            scope: limit.each.as_str(),
            limit: limit.amount.map(amount),
            on_exceed: on_exceed(&limit.past),
            overage,
            enforce: if limit.enforce == Enforce::Observe { "observe" } else { "enforce" },
        }
    }
}

/// List plans
///
/// With prices, limits and features; retired plans are not among them.
#[utoipa::path(
    get,
    path = "/api/v1/plans",
    tag = "catalog",
    security(()),
    responses((status = 200, body = PlansShape), Problems),
)]
pub async fn list_plans(State(state): Shared) -> Result<Response, Failure> {
    let list = catalog::list_plans(&state.app).await?;
    Ok(answer::ok(&PlansShape {
        data: list.plans.iter().map(|plan| PlanShape::of(plan, list.currency)).collect(),
        product: list.product,
        currency: list.currency.code(),
        next_cursor: None,
    }))
}
