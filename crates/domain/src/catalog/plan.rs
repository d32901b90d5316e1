//! A plan: what it costs, what it includes, and what happens past it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::windows::WindowKind;

/// One plan as one version of the catalog declares it. Subscribers keep the version they bought until moved.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub key: Name,
    pub name: String,
    /// Orders plans: a suggestion always has a higher rank than the plan one is on.
    pub rank: u32,
    pub description: String,
    /// For the pricing page, in order; checked by nothing.
    pub selling_points: Vec<String>,
    pub price: PlanPrice,
    pub trial_days: u32,
    pub trial_needs_card: bool,
    /// "Most popular" on the pricing page.
    pub popular: bool,
    /// Shown in the public list and sold. A retired plan keeps its subscribers.
    pub active: bool,
    pub limits: Vec<Limit>,
    pub features: BTreeMap<Name, FeatureValue>,
    pub rates: BTreeMap<Name, RateLimit>,
    /// Multiplies the catalog's base rates that `rates` does not replace, in hundredths: 2.0 is 200.
    pub rate_multiplier_hundredths: u32,
    /// Stripe lookup keys by interval.
    pub stripe_lookup_keys: BTreeMap<Interval, String>,
    pub stripe_product: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanPrice {
    Free,
    /// "Contact sales": never sold by checkout, only granted.
    Custom,
    /// Minor units of the catalog's currency; further currencies by ISO code.
    Paid {
        by_interval: BTreeMap<Interval, i64>,
        other_currencies: BTreeMap<String, BTreeMap<Interval, i64>>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    Monthly,
    Annual,
}

/// Binds a meter to a window and an amount. A plan may have several for one meter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limit {
    pub meter: Name,
    /// In the meter's integer unit (millionths; nano-dollars for `cost`). `None`: unlimited, still counted and shown.
    pub amount: Option<i64>,
    pub per: WindowKind,
    pub each: LimitScope,
    pub past: Past,
    /// A limit is only observed when either it or the whole catalog says so.
    pub enforce: Enforce,
    /// HTTP status of a denial: 429, or 402 or 403 by setting.
    pub denied_status: u16,
}

/// Whom an amount is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitScope {
    Account,
    Member,
    Key,
    EndUser,
}

/// What happens past a limit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Past {
    Block,
    /// Allowed, and reported.
    Warn,
    /// Allowed and billed: `charge_nano` billionths of the currency for each `each` of the meter (begun ones pro rata), up to `up_to_minor`.
    Charge {
        charge_nano: i64,
        each: i64,
        up_to_minor: Option<i64>,
        /// By ISO code: what those pay who pay the plan in another currency.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        other_currencies: BTreeMap<String, Charge>,
        /// The event name of the meter at Stripe that it is reported to, instead of being put on the invoice from here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stripe_meter: Option<Name>,
    },
}

/// What each `each` past a limit costs in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Charge {
    /// Billionths of the currency.
    pub charge_nano: i64,
    /// The most for one window, in minor units.
    pub up_to_minor: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforce {
    Enforce,
    Observe,
}

/// The value of a feature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FeatureValue {
    Boolean(bool),
    Number(i64),
    /// `*` stands for all.
    List(Vec<Name>),
}

/// So many requests in so many seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RateLimit {
    pub requests: u32,
    pub window_seconds: u32,
}

impl Plan {
    /// The limits whose charge is reported to a meter at Stripe, by its event name.
    pub fn stripe_meters(&self) -> impl Iterator<Item = (&Name, &Limit)> {
        self.limits.iter().filter_map(|limit| match &limit.past {
            Past::Charge { stripe_meter: Some(event), .. } => Some((event, limit)),
            _ => None,
        })
    }

    /// Under which lookup key Stripe has the price of what one of them counts, if the plan is billed by this interval.
    /// Stripe bills a meter with the month; past a year's end would be too late.
    pub fn metered_lookup_key(&self, event: &Name, interval: Interval) -> Option<String> {
        let lookup_key = self.stripe_lookup_keys.get(&interval).filter(|_| interval == Interval::Monthly)?;
        Some(format!("{lookup_key}_{event}"))
    }

    /// The plan's own rate limit for a scope, else the base one times the plan's multiplier, rounded down but never to
    /// nothing. `None`: the scope is not limited.
    pub fn rate_limit(&self, scope: &str, base: &BTreeMap<Name, RateLimit>) -> Option<RateLimit> {
        if let Some(own) = self.rates.get(scope) {
            return Some(*own);
        }
        let base = base.get(scope)?;
        let multiplied = u64::from(base.requests) * u64::from(self.rate_multiplier_hundredths) / 100;
        let requests = u32::try_from(multiplied.max(1)).unwrap_or(u32::MAX);
        Some(RateLimit { requests, ..*base })
    }
}

impl Past {
    /// A charge in the catalog's currency alone, by our own invoice lines.
    pub fn charge(charge_nano: i64, each: i64, up_to_minor: Option<i64>) -> Self {
        Self::Charge { charge_nano, each, up_to_minor, other_currencies: BTreeMap::new(), stripe_meter: None }
    }

    /// What is charged in a currency. `None`: nothing is, or there is no price in it.
    pub fn charge_in(&self, currency: &str, catalog_currency: &str) -> Option<Charge> {
        let Self::Charge { charge_nano, up_to_minor, other_currencies, .. } = self else { return None };
        let own = Charge { charge_nano: *charge_nano, up_to_minor: *up_to_minor };
        if currency == catalog_currency { Some(own) } else { other_currencies.get(currency).copied() }
    }
}

impl RateLimit {
    /// Whether fewer requests are let through in the long run.
    pub fn is_slower_than(self, other: RateLimit) -> bool {
        u64::from(self.requests) * u64::from(other.window_seconds)
            < u64::from(other.requests) * u64::from(self.window_seconds)
    }
}

/// `300 per 60s`, as the catalog writes it.
impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}s", self.requests, self.window_seconds)
    }
}

impl Interval {
    pub const ALL: [Interval; 2] = [Interval::Monthly, Interval::Annual];

    /// As stored and as the catalog writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Interval::Monthly => "monthly",
            Interval::Annual => "annual",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == text)
    }
}

impl LimitScope {
    pub const ALL: [LimitScope; 4] = [LimitScope::Account, LimitScope::Member, LimitScope::Key, LimitScope::EndUser];

    /// As stored and as the catalog writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            LimitScope::Account => "account",
            LimitScope::Member => "member",
            LimitScope::Key => "key",
            LimitScope::EndUser => "end_user",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}
