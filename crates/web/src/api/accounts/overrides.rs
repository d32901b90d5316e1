//! `accounts/{id}/overrides`: features and limits that were agreed with one account beside its plan.
//!
//! Amounts are decimals here, as everywhere in the API; inside they are integers in the meter's unit.

use std::collections::BTreeMap;

use app::{AccountRef, AppError, billing};
use axum::extract::State;
use axum::response::Response;
use domain::catalog::{Charge, FeatureValue, LimitScope, Past};
use domain::entitlements::{LimitOverride, Overrides};
use domain::ids::AccountId;
use domain::money::{Currency, Money, NanoUsd};
use domain::name::Name;
use domain::quantity::Quantity;
use domain::windows::WindowKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::{self, Decimal, Written};
use crate::api::Shared;
use crate::api::entitlements::value_of;
use crate::api::shapes::ChargeShape;
use crate::extract::fields::{Exact, Text, Word};
use crate::extract::{Authenticated, JsonBody, PathId};
use crate::problem::{Failure, Problems};

/// Takes the place of everything agreed before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverridesBody {
    /// In place of the plan's features of the same name: true or false, a number, or a list with `*` for all.
    #[serde(default)]
    #[schema(value_type = Object)]
    features: BTreeMap<Name, FeatureValue>,
    #[serde(default)]
    limits: Vec<LimitOverrideBody>,
}

/// Takes the place of the plan's limit on the same meter, window and scope; without such a limit it is a new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitOverrideBody {
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$", example = "requests")]
    meter: Word,
    /// `period`, `year`, `month`, `day` or `lifetime`. `period` when left out.
    #[schema(value_type = Option<String>, pattern = "^(period|year|month|day|lifetime)$")]
    per: Option<WindowKind>,
    /// `account`, `member`, `key` or `end_user`. `account` when left out.
    #[schema(value_type = Option<String>, pattern = "^(account|member|key|end_user)$")]
    each: Option<LimitScope>,
    /// Null: unlimited.
    #[schema(inline)]
    amount: Option<Exact>,
    past: Option<PastBody>,
}

/// What happens past the limit: `"block"`, `"warn"`, or a charge. Left out: as the plan says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PastBody {
    #[schema(inline)]
    on_exceed: OnExceed,
    /// Money, as decimal text, for each `each` of the meter.
    #[schema(inline, example = "0.50")]
    charge: Option<Text<1, 32>>,
    #[schema(inline)]
    each: Option<Exact>,
    /// The most that is billed in a window, as decimal text.
    #[schema(inline, example = "20.00")]
    up_to: Option<Text<1, 32>>,
    /// `charge` and `up_to` for an account that pays in another currency, by its code.
    #[serde(default)]
    #[schema(inline)]
    other_currencies: BTreeMap<String, ChargeBody>,
}

/// What is charged in one currency.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChargeBody {
    #[schema(inline, example = "0.45")]
    charge: Text<1, 32>,
    #[schema(inline, example = "18.00")]
    up_to: Option<Text<1, 32>>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OnExceed {
    Block,
    Warn,
    Charge,
}

/// What was agreed.
#[derive(Serialize, ToSchema)]
#[schema(as = Overrides)]
pub struct OverridesShape {
    #[schema(value_type = Object)]
    features: BTreeMap<Name, Value>,
    limits: Vec<LimitOverrideShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LimitOverride)]
pub struct LimitOverrideShape {
    #[schema(value_type = String)]
    meter: Name,
    per: &'static str,
    each: &'static str,
    amount: Option<Decimal>,
    past: Option<PastShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PastOverride)]
pub struct PastShape {
    on_exceed: &'static str,
    #[schema(value_type = Option<String>)]
    charge: Option<Written<NanoUsd>>,
    each: Option<Decimal>,
    up_to: Option<String>,
    other_currencies: BTreeMap<String, ChargeShape>,
}

/// Agree on features and limits
///
/// For one account; they outlive a change of plan, hold from the next call on, and end with empty ones. For service keys.
#[utoipa::path(
    put,
    path = "/api/v1/accounts/{id}/overrides",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    request_body = OverridesBody,
    responses((status = 200, body = OverridesShape), Problems),
)]
pub async fn put_overrides(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<OverridesBody>,
) -> Result<Response, Failure> {
    let currency = state.app.plans().await?.catalog.money_currency();
    let overrides = body.read(currency)?;
    let agreed = billing::put_overrides(&state.app, &caller, &AccountRef::Id(id), overrides).await?;
    Ok(answer::ok(&OverridesShape::of(&agreed, currency)))
}

/// Show what was agreed
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/overrides",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    responses((status = 200, body = OverridesShape), Problems),
)]
pub async fn get_overrides(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
) -> Result<Response, Failure> {
    let currency = state.app.plans().await?.catalog.money_currency();
    let agreed = billing::get_overrides(&state.app, &caller, &AccountRef::Id(id)).await?;
    Ok(answer::ok(&OverridesShape::of(&agreed, currency)))
}

impl OverridesBody {
    fn read(self, currency: Currency) -> Result<Overrides, AppError> {
        let read = |(index, limit): (usize, LimitOverrideBody)| {
            limit.read(currency).map_err(|(field, problem)| {
                let field = format!("limits[{index}].{field}");
                let message = format!("`{field}` {problem}.");
                AppError::invalid(field, message)
            })
        };
        let limits = self.limits.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Overrides { features: self.features, limits })
    }
}

/// A field and what is wrong with it.
type Wrong = (&'static str, String);

impl LimitOverrideBody {
    fn read(self, currency: Currency) -> Result<LimitOverride, Wrong> {
        let meter = self.meter.0;
        let per = self.per.unwrap_or(WindowKind::Period);
        let each = self.each.unwrap_or(LimitScope::Account);
        let amount = self.amount.map(|amount| in_units(&meter, amount.0, "amount")).transpose()?;
        let past = self.past.map(|past| past.read(&meter, currency)).transpose()?;
        Ok(LimitOverride { meter, per, each, amount, past })
    }
}

impl PastBody {
    fn read(self, meter: &Name, currency: Currency) -> Result<Past, Wrong> {
        let has_charge =
            self.charge.is_some() || self.each.is_some() || self.up_to.is_some() || !self.other_currencies.is_empty();
        match self.on_exceed {
            OnExceed::Charge => {}
            _ if has_charge => return Err(("past", "has a charge, so `on_exceed` is `charge`".to_owned())),
            OnExceed::Block => return Ok(Past::Block),
            OnExceed::Warn => return Ok(Past::Warn),
        }
        let (Some(charge), Some(each)) = (self.charge, self.each) else {
            return Err(("past", "needs `charge` and `each`".to_owned()));
        };
        let each = in_units(meter, each.0, "past.each")?;
        let Charge { charge_nano, up_to_minor } = ChargeBody { charge, up_to: self.up_to }.read(currency)?;
        let mut other_currencies = BTreeMap::new();
        for (code, charge) in self.other_currencies {
            let other = Currency::parse(&code).map_err(|error| ("past.other_currencies", error.to_string()))?;
            if other == currency {
                return Err(("past.other_currencies", format!("names {currency}, which is the catalog's own")));
            }
            other_currencies.insert(code, charge.read(other)?);
        }
        Ok(Past::Charge { charge_nano, each, up_to_minor, other_currencies, stripe_meter: None })
    }
}

impl ChargeBody {
    fn read(self, currency: Currency) -> Result<Charge, Wrong> {
        let charge = NanoUsd::parse(&self.charge.0).map_err(|error| ("past.charge", error.to_string()))?;
        let up_to = self.up_to.map(|text| Money::parse(&text.0, currency)).transpose();
        let up_to = up_to.map_err(|error| ("past.up_to", error.to_string()))?;
        Ok(Charge { charge_nano: charge.nano(), up_to_minor: up_to.map(|money| money.minor_units) })
    }
}

/// In the meter's integer unit.
fn in_units(meter: &Name, quantity: Quantity, field: &'static str) -> Result<i64, Wrong> {
    answer::in_units(meter.as_str(), quantity).ok_or_else(|| (field, "is too large".to_owned()))
}

impl OverridesShape {
    fn of(overrides: &Overrides, currency: Currency) -> Self {
        let limit = |limit: &LimitOverride| LimitOverrideShape {
            meter: limit.meter.clone(),
            per: limit.per.as_str(),
            each: limit.each.as_str(),
            amount: limit.amount.map(|amount| Decimal::of_meter(limit.meter.as_str(), amount)),
            past: limit.past.as_ref().map(|past| PastShape::of(past, &limit.meter, currency)),
        };
        Self {
            features: overrides.features.iter().map(|(name, value)| (name.clone(), value_of(value))).collect(),
            limits: overrides.limits.iter().map(limit).collect(),
        }
    }
}

impl PastShape {
    fn of(past: &Past, meter: &Name, currency: Currency) -> Self {
        let on_exceed = crate::api::shapes::on_exceed(past);
        match past {
            Past::Block | Past::Warn => {
                Self { on_exceed, charge: None, each: None, up_to: None, other_currencies: BTreeMap::new() }
            }
            Past::Charge { charge_nano, each, up_to_minor, other_currencies, .. } => Self {
                on_exceed,
                charge: Some(Written(NanoUsd::from_nano(*charge_nano))),
                each: Some(Decimal::of_meter(meter.as_str(), *each)),
                up_to: up_to_minor.map(|minor| Money::new(minor, currency).amount_text()),
                other_currencies: ChargeShape::of_all(other_currencies),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::body::parse_json;

    fn read(json: &str) -> Result<Overrides, AppError> {
        parse_json::<OverridesBody>(json.as_bytes()).unwrap().read(Currency::USD)
    }

    #[test]
    fn amounts_are_read_and_shown_as_decimals() {
        let json = r#"{"features":{"sso":true,"formats":["pdf"],"days":30},"limits":[
            {"meter":"cost","per":"day","each":"key","amount":5.5,
             "past":{"on_exceed":"charge","charge":"0.5","each":0.25,"up_to":"20.00","other_currencies":{}}},
            {"meter":"requests","per":"period","each":"account","amount":null,"past":null}]}"#;
        let overrides = read(json).unwrap();
        assert_eq!(overrides.limits[0].amount, Some(5_500_000_000));
        let shown = serde_json::to_value(OverridesShape::of(&overrides, Currency::USD)).unwrap();
        assert_eq!(shown, serde_json::from_str::<Value>(json).unwrap());
    }

    #[test]
    fn mistakes_are_told_by_field() {
        let field = |json: &str| match read(json) {
            Err(AppError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        let failure = parse_json::<OverridesBody>(br#"{"limits":[{"meter":"a","per":"week"}]}"#).err().unwrap();
        assert!(failure.to_string().starts_with("`limits[0].per` is `week`; it can be period"), "{failure}");
        assert_eq!(field(r#"{"limits":[{"meter":"a","past":{"on_exceed":"charge"}}]}"#), "limits[0].past");
        assert_eq!(
            field(r#"{"limits":[{"meter":"a","past":{"on_exceed":"charge","charge":"1","each":1,"up_to":"0.001"}}]}"#),
            "limits[0].past.up_to"
        );
    }
}
