//! Which plan to suggest when the one at hand is not enough.
//!
//! Always one that is sold and ranks higher. First the lowest whose amounts hold what is needed, then the lowest that at
//! least does not block it, and last one whose price is agreed with the seller.

use crate::catalog::{Catalog, Enforce, FeatureValue, Limit, LimitScope, Past, Plan, PlanPrice};
use crate::entitlements::model_allowed;
use crate::name::Name;
use crate::windows::WindowKind;

/// A total that the plan must hold: what is used already and what is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    pub meter: Name,
    pub per: WindowKind,
    pub each: LimitScope,
    /// In the meter's integer unit.
    pub total: i64,
}

/// The next higher plan that would hold every need. `None`: no plan would.
pub fn suggest_plan<'c>(catalog: &'c Catalog, current: Option<&Plan>, needs: &[Need]) -> Option<&'c Plan> {
    let holds = |plan: &Plan| needs.iter().all(|need| relevant(plan, need).all(|limit| limit.holds(need)));
    let lets_pass = |plan: &Plan| {
        needs.iter().all(|need| relevant(plan, need).all(|limit| limit.holds(need) || !limit.blocks(catalog)))
    };
    let found = lowest_higher_plan(catalog, current, |plan| plan.price != PlanPrice::Custom && holds(plan));
    found.or_else(|| lowest_higher_plan(catalog, current, lets_pass))
}

/// The next higher plan that includes a feature, and the value of it that was asked for.
pub fn suggest_plan_with_feature<'c>(
    catalog: &'c Catalog,
    current: Option<&Plan>,
    feature: &str,
    value: Option<&str>,
) -> Option<&'c Plan> {
    let includes =
        |plan: &Plan| plan.features.get(feature).is_some_and(|included: &FeatureValue| included.includes(value));
    lowest_higher_plan(catalog, current, includes)
}

/// The next higher plan that allows a model.
pub fn suggest_plan_with_model<'c>(
    catalog: &'c Catalog,
    current: Option<&Plan>,
    model: &str,
    provider: Option<&str>,
) -> Option<&'c Plan> {
    let allows = |plan: &Plan| model_allowed(&plan.features, &catalog.model_groups, model, provider);
    lowest_higher_plan(catalog, current, allows)
}

/// Of what is sold above the current plan, and without one of everything sold, the lowest that fits; custom prices come
/// last.
fn lowest_higher_plan<'c>(
    catalog: &'c Catalog,
    current: Option<&Plan>,
    fits: impl Fn(&Plan) -> bool,
) -> Option<&'c Plan> {
    let is_higher = |plan: &&Plan| current.is_none_or(|current| plan.rank > current.rank);
    let higher = catalog.plans.values().filter(|plan| plan.active).filter(is_higher);
    higher.filter(|plan| fits(plan)).min_by_key(|plan| (plan.price == PlanPrice::Custom, plan.rank))
}

/// The limits that a total in the need's window counts against: of the same window, or of a longer one.
fn relevant<'p>(plan: &'p Plan, need: &Need) -> impl Iterator<Item = &'p Limit> {
    plan.limits.iter().filter(move |limit| {
        limit.meter == need.meter && limit.each == need.each && length(limit.per) >= length(need.per)
    })
}

/// Orders windows by how long they are; a period and a calendar month are as long.
fn length(window: WindowKind) -> u8 {
    match window {
        WindowKind::Day => 0,
        WindowKind::Month | WindowKind::Period => 1,
        WindowKind::Year => 2,
        WindowKind::Lifetime => 3,
    }
}

impl Limit {
    fn holds(&self, need: &Need) -> bool {
        self.amount.is_none_or(|amount| amount >= need.total)
    }

    fn blocks(&self, catalog: &Catalog) -> bool {
        self.past == Past::Block && self.enforce == Enforce::Enforce && catalog.enforce == Enforce::Enforce
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    const CATALOG: &str = r#"
        product = "Test"
        [meters.requests]
        [meters.tokens]
        [plans.free]
        rank = 0
        limits = { requests = 10, tokens = { amount = 5, per = "day" } }
        features = { allowed_models = ["small"] }
        [plans.pro]
        rank = 1
        price = 15
        limits = { requests = { amount = 100, past = "warn" } }
        features = { sso = false, allowed_models = ["small"] }
        [plans.old]
        rank = 2
        price = 20
        active = false
        features = { sso = true, allowed_models = ["*"] }
        [plans.custom]
        rank = 3
        price = "custom"
        features = { sso = true, allowed_models = ["*"] }
        [plans.team]
        rank = 4
        price = 50
        limits = { requests = 1_000, tokens = { amount = 100, per = "month" } }
        features = { sso = true, allowed_models = ["large"] }
    "#;

    fn suggested(current: Option<&str>, meter: &str, per: WindowKind, units: i64) -> Option<String> {
        let catalog = catalog::parse(CATALOG).expect("a good catalog");
        let need = Need { meter: Name::from(meter), per, each: LimitScope::Account, total: units * 1_000_000 };
        let current = current.map(|key| catalog.plans[key].clone());
        suggest_plan(&catalog, current.as_ref(), &[need]).map(|plan| plan.key.to_string())
    }

    #[test]
    fn the_lowest_higher_plan_that_holds_the_need_is_suggested() {
        let requests = |current, units| suggested(Some(current), "requests", WindowKind::Period, units);
        assert_eq!(requests("free", 11).as_deref(), Some("pro"));
        assert_eq!(requests("free", 1), Some("pro".to_owned()));
        assert_eq!(requests("free", 101).as_deref(), Some("team"));
        assert_eq!(requests("pro", 101).as_deref(), Some("team"));
        assert_eq!(requests("team", 1_001), None);
        assert_eq!(suggested(None, "requests", WindowKind::Period, 5).as_deref(), Some("free"));
    }

    #[test]
    fn a_plan_that_lets_pass_comes_next_and_a_custom_price_last() {
        assert_eq!(suggested(Some("free"), "requests", WindowKind::Period, 1_001).as_deref(), Some("pro"));
        assert_eq!(suggested(Some("pro"), "requests", WindowKind::Period, 1_001).as_deref(), Some("custom"));
    }

    #[test]
    fn a_longer_window_must_hold_the_need_too() {
        assert_eq!(suggested(Some("pro"), "tokens", WindowKind::Day, 100).as_deref(), Some("team"));
        assert_eq!(suggested(Some("pro"), "tokens", WindowKind::Day, 101).as_deref(), Some("custom"));
        assert_eq!(suggested(Some("pro"), "tokens", WindowKind::Lifetime, 101).as_deref(), Some("team"));
    }

    #[test]
    fn features_and_models_find_their_plan() {
        let catalog = catalog::parse(CATALOG).expect("a good catalog");
        let free = Some(&catalog.plans["free"]);
        let key = |plan: Option<&Plan>| plan.map(|plan| plan.key.to_string());
        assert_eq!(key(suggest_plan_with_feature(&catalog, free, "sso", None)).as_deref(), Some("team"));
        assert_eq!(key(suggest_plan_with_feature(&catalog, free, "teleport", None)), None);
        assert_eq!(key(suggest_plan_with_model(&catalog, free, "large", None)).as_deref(), Some("team"));
        assert_eq!(key(suggest_plan_with_model(&catalog, free, "other", None)).as_deref(), Some("custom"));
    }
}
