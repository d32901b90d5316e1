//! What a product sells: meters, plans, limits, features, rate limits and model prices, as the catalog file declares them.
//!
//! [`Catalog`] is the checked form: names resolve, amounts fit, nothing contradicts. [`parse`] reads the TOML and explains
//! every mistake with its place and its mend; [`diff`] says what a customer would notice. Nothing here reads files.

mod diff;
mod environment;
mod mistakes;
pub mod model_prices;
pub mod plan;
mod read;
pub mod words;

pub use diff::{Change, diff, plans_with_a_new_version};
pub use environment::{LIMIT_PREFIX, LimitSettingError, apply_limit_settings};
pub use mistakes::{Mistake, nearest};
pub use read::parse;

pub use plan::{Charge, Enforce, FeatureValue, Interval, Limit, LimitScope, Past, Plan, PlanPrice, RateLimit};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::pricing::{ModelPrice, VoiceFormulas};

/// The meter that adds up what model calls cost after markup. Its amounts are nano-dollars; every other meter's are
/// millionths of a unit.
pub const COST_METER: &str = "cost";

/// How many decimal places the integer unit of a meter's amounts has.
pub fn places_of(meter: &str) -> usize {
    if meter == COST_METER { 9 } else { 6 }
}

/// The feature that names the models and groups of models that a plan may call.
pub const ALLOWED_MODELS: &str = "allowed_models";

/// A whole catalog, checked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Catalog {
    /// Shown to customers: `Acme Chat`.
    pub product: String,
    /// ISO 4217, upper case. Prices, `cost` limits and credits in money are in it.
    pub currency: String,
    /// The plan of accounts that have no other. `None`: such accounts are answered `subscription_required`.
    pub default_plan: Option<Name>,
    /// Added to every base cost, in millionths of a percent: 5 % is 5,000,000.
    pub markup_millionths_percent: i64,
    /// `Observe` counts and reports what would have been denied, and denies nothing.
    pub enforce: Enforce,
    /// Percentages of a limit at which a warning is raised, ascending: 80, 90, 100.
    pub warn_at_percent: Vec<u8>,
    /// How long a plan holds whose payment has failed, counted from the first failure.
    #[serde(default = "usual_grace_days")]
    pub grace_days: u32,
    pub unknown_model: UnknownModel,
    pub voice: VoiceFormulas,
    pub meters: BTreeMap<Name, Meter>,
    /// Named groups that `allowed_models` can name: `basic = ["gpt-4o-mini", …]`.
    pub model_groups: BTreeMap<Name, Vec<Name>>,
    pub models: BTreeMap<Name, ModelPrice>,
    /// Base rate limits by scope (`api`, `login`, …), for plans that do not say their own.
    pub rates: BTreeMap<Name, RateLimit>,
    pub plans: BTreeMap<Name, Plan>,
    /// Extra quantity that customers can buy once.
    #[serde(default)]
    pub credit_packs: BTreeMap<Name, CreditPack>,
}

/// Extra quantity for a price, used after the plan's own amount.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CreditPack {
    pub name: String,
    pub meter: Name,
    /// In the meter's integer unit.
    pub amount: i64,
    /// Minor units of the catalog's currency; further currencies by ISO code.
    pub price: i64,
    pub other_currencies: BTreeMap<String, i64>,
    /// `None`: it does not expire.
    pub expires_after_days: Option<u32>,
}

/// Of a catalog that does not say it.
pub(crate) fn usual_grace_days() -> u32 {
    7
}

/// What happens to a call that names a model without a price.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownModel {
    Refuse,
    Price(ModelPrice),
}

/// A named quantity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Meter {
    pub kind: MeterKind,
    /// What moves it when a call names no quantity for it.
    pub feed: Feed,
    /// For people: `requests`, `MB`.
    pub unit: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterKind {
    /// Adds up what is consumed, window by window.
    Sum,
    /// Goes up and down and never resets: storage, seats, documents kept.
    Level,
}

/// What feeds a meter, so that one consume with a model and token counts moves them all, all or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// Only what the caller names.
    Named,
    /// One for each model call.
    Requests,
    /// Prompt and completion tokens of model calls.
    TotalTokens,
    PromptTokens,
    CompletionTokens,
    /// Tokens of audio bytes and characters, by the voice formulas.
    Voice,
    /// The final cost of model calls, in nano-dollars.
    Cost,
}
