//! What an account is held to: its plan's limits after overrides, and the places its meters are counted in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::{Catalog, Enforce, Limit, LimitScope, MeterKind, Past, Plan};
use crate::money::Currency;
use crate::name::Name;
use crate::time::Timestamp;
use crate::windows::WindowKind;

/// Whether an account may use anything at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Open,
    Suspended,
    /// No plan, and the catalog names no default one.
    NoPlan,
}

/// Everything that judges one account's commands. Rebuilt whenever the account's epoch rises.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The entitlement epoch these terms were read at.
    pub epoch: i64,
    pub standing: Standing,
    /// The plan version the account is on.
    pub plan: Option<Arc<Plan>>,
    /// Periods and years count from here.
    pub anchor: Timestamp,
    /// When the current run of periods began; events from before count as late in the open period.
    pub periods_since: Timestamp,
    /// Shared between all accounts on the same plan version without overrides.
    pub meters: Arc<BTreeMap<Name, MeterTerms>>,
    pub warn_at_percent: Arc<[u8]>,
    /// These terms hold until then (the end of a granted plan), whatever the epoch.
    pub valid_until: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct MeterTerms {
    pub kind: MeterKind,
    pub places: Vec<PlaceTerms>,
}

/// A place a meter is counted in, and the limit there, if any.
#[derive(Clone, PartialEq, Debug)]
pub struct PlaceTerms {
    pub scope: LimitScope,
    pub window: WindowKind,
    pub limit: Option<Limit>,
    /// The most that may be used before a Consume is denied, credits apart. `None`: never denied.
    pub(super) most: Option<i64>,
}

impl PlaceTerms {
    /// `decimals` are those of the catalog's currency, in which a limit says up to what it charges.
    pub fn new(scope: LimitScope, window: WindowKind, limit: Option<Limit>, decimals: usize) -> Self {
        let most = limit.as_ref().and_then(|limit| ceiling(limit, decimals));
        Self { scope, window, limit, most }
    }
}

/// Where each meter is counted: every scope and window that any plan version uses for it, so that a change of plan finds
/// its history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counting {
    meters: BTreeMap<Name, (MeterKind, BTreeSet<(LimitScope, WindowKind)>)>,
    /// Of the catalog's currency.
    decimals: usize,
}

impl Counting {
    /// Of one catalog; [`Counting::add_plan`] adds versions that older subscribers still have.
    pub fn of(catalog: &Catalog) -> Self {
        let decimals = Currency::parse(&catalog.currency).map_or(2, Currency::decimals);
        let mut counting = Self { decimals, ..Self::default() };
        for (name, meter) in &catalog.meters {
            let window = match meter.kind {
                MeterKind::Sum => WindowKind::Period,
                MeterKind::Level => WindowKind::Lifetime,
            };
            let places = BTreeSet::from([(LimitScope::Account, window)]);
            counting.meters.insert(name.clone(), (meter.kind, places));
        }
        for plan in catalog.plans.values() {
            counting.add_plan(plan);
        }
        counting
    }

    pub fn add_plan(&mut self, plan: &Plan) {
        for limit in &plan.limits {
            self.add_limit(limit);
        }
    }

    fn add_limit(&mut self, limit: &Limit) {
        if let Some((kind, places)) = self.meters.get_mut(&limit.meter) {
            let window = if *kind == MeterKind::Level { WindowKind::Lifetime } else { limit.per };
            places.insert((limit.each, window));
        }
    }

    /// The places and limits of an account with these limits.
    pub fn meters_with(&self, limits: &[Limit]) -> BTreeMap<Name, MeterTerms> {
        let mut counting = self.clone();
        for limit in limits {
            counting.add_limit(limit);
        }
        let find = |meter: &Name, scope: LimitScope, window: WindowKind| {
            limits.iter().find(|limit| limit.meter == *meter && limit.each == scope && limit.per == window).cloned()
        };
        counting
            .meters
            .into_iter()
            .map(|(meter, (kind, places))| {
                let places = places
                    .into_iter()
                    .map(|(scope, window)| PlaceTerms::new(scope, window, find(&meter, scope, window), self.decimals))
                    .collect();
                (meter, MeterTerms { kind, places })
            })
            .collect()
    }
}

impl Terms {
    /// No meter of this name is counted for anyone.
    pub fn knows(&self, meter: &Name) -> bool {
        self.meters.contains_key(meter)
    }

    /// All limits, in meter order.
    pub fn limits(&self) -> impl Iterator<Item = &Limit> {
        self.meters.values().flat_map(|meter| meter.places.iter().filter_map(|place| place.limit.as_ref()))
    }

    /// Whether these terms may still judge at `at`.
    pub fn hold_at(&self, at: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| at < until)
    }
}

fn ceiling(limit: &Limit, decimals: usize) -> Option<i64> {
    let amount = limit.amount?;
    match &limit.past {
        Past::Block => Some(amount),
        Past::Warn => None,
        Past::Charge { up_to_minor: None, .. } => None,
        Past::Charge { charge_nano, each, up_to_minor: Some(up_to_minor), .. } => {
            let minor_nano = 1_000_000_000 / 10_i128.pow(decimals.min(9) as u32);
            let up_to_nano = i128::from(*up_to_minor) * minor_nano;
            let paid = if *charge_nano <= 0 {
                i128::from(i64::MAX)
            } else {
                i128::from(*each) * up_to_nano / i128::from(*charge_nano)
            };
            Some(i64::try_from(i128::from(amount) + paid).unwrap_or(i64::MAX))
        }
    }
}

pub(super) fn is_observed(limit: &Limit) -> bool {
    limit.enforce == Enforce::Observe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_up_to_is_in_the_catalogs_currency() {
        let catalog = |currency: &str, up_to: &str| {
            let text = format!(
                "product = \"T\"\ncurrency = \"{currency}\"\ndefault_plan = \"free\"\n[meters.requests]\n[plans.free]\n\
                 limits = {{ requests = {{ amount = 10, past = {{ charge = \"2\", each = 1, up_to = \"{up_to}\" }} }} }}\n"
            );
            crate::catalog::parse(&text).expect("a good catalog")
        };
        let most = |catalog: &Catalog| {
            let meters = Counting::of(catalog).meters_with(&catalog.plans["free"].limits);
            meters["requests"].places.iter().find_map(|place| place.most).expect("a limit") / 1_000_000
        };
        // 100 yen or 100 dollars pay for 50 at 2 each.
        assert_eq!((most(&catalog("JPY", "100")), most(&catalog("USD", "100.00"))), (60, 60));
    }
}
