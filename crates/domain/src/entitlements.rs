//! What an account may do: its plan's features and limits, with what was agreed for that account alone.
//!
//! Start at [`Entitlements::new`]. Overrides are kept with the account and laid over whatever plan version it is on, so
//! that a deal outlives a change of plan. How much of a limit is used is the ledger's to say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::{ALLOWED_MODELS, Catalog, Enforce, FeatureValue, Limit, LimitScope, Past, Plan};
use crate::name::Name;
use crate::windows::WindowKind;

const ALL: &str = "*";
const TOO_MANY_REQUESTS: u16 = 429;

/// What was agreed for one account beside its plan. Stored as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// Take the place of the plan's features of the same name, or add to them.
    pub features: BTreeMap<Name, FeatureValue>,
    pub limits: Vec<LimitOverride>,
}

/// Takes the place of the plan's limit on the same meter, window and scope; without such a limit it is a new one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitOverride {
    pub meter: Name,
    pub per: WindowKind,
    #[serde(default = "account")]
    pub each: LimitScope,
    /// In the meter's integer unit; `None` is unlimited.
    pub amount: Option<i64>,
    /// `None` keeps what the plan says, or blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
}

fn account() -> LimitScope {
    LimitScope::Account
}

/// The features and limits of one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entitlements {
    pub plan: Name,
    pub features: BTreeMap<Name, FeatureValue>,
    pub limits: Vec<Limit>,
}

impl Entitlements {
    pub fn new(plan: &Plan, overrides: &Overrides) -> Self {
        let mut features = plan.features.clone();
        features.extend(overrides.features.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut limits = plan.limits.clone();
        for wanted in &overrides.limits {
            wanted.apply_to(&mut limits);
        }
        Self { plan: plan.key.clone(), features, limits }
    }

    /// Whether a feature is included, and for a value asked for (`pdf`, `3`, a model) whether that value is.
    ///
    /// A boolean is what it says. A number is included above zero, and includes the numbers up to it. A list includes its
    /// items, everything with `*`. A feature nobody names is not included.
    pub fn includes(&self, feature: &str, value: Option<&str>) -> bool {
        self.features.get(feature).is_some_and(|included| included.includes(value))
    }

    /// The number of a numeric feature.
    pub fn number(&self, feature: &str) -> Option<i64> {
        match self.features.get(feature) {
            Some(FeatureValue::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether a model may be called. See [`model_allowed`].
    pub fn allows_model(&self, groups: &BTreeMap<Name, Vec<Name>>, model: &str, provider: Option<&str>) -> bool {
        model_allowed(&self.features, groups, model, provider)
    }
}

/// Whether the features let a model be called, named alone or as `provider/model`.
///
/// Without `allowed_models` every model may be: the catalog sees to it that either all plans have the feature or none.
pub fn model_allowed(
    features: &BTreeMap<Name, FeatureValue>,
    groups: &BTreeMap<Name, Vec<Name>>,
    model: &str,
    provider: Option<&str>,
) -> bool {
    let Some(allowed) = features.get(ALLOWED_MODELS) else { return true };
    let FeatureValue::List(allowed) = allowed else { return allowed.includes(None) };
    let is_of_provider = |name: &Name| {
        let own = provider.and_then(|provider| name.as_str().strip_prefix(provider)?.strip_prefix('/'));
        own == Some(model)
    };
    let is_meant = |name: &Name| name.as_str() == model || is_of_provider(name);
    allowed.iter().any(|name| match groups.get(name) {
        Some(members) => members.iter().any(is_meant),
        None => name.as_str() == ALL || is_meant(name),
    })
}

/// The models a feature value names, groups unfolded, in the catalog's order. `None`: all of them.
pub fn named_models(catalog: &Catalog, allowed: &FeatureValue) -> Option<Vec<Name>> {
    let FeatureValue::List(allowed) = allowed else { return None };
    if allowed.iter().any(|name| name.as_str() == ALL) {
        return None;
    }
    let mut models: Vec<Name> = Vec::new();
    for name in allowed {
        let members = catalog.model_groups.get(name).map_or(std::slice::from_ref(name), Vec::as_slice);
        models.extend(members.iter().filter(|model| !models.contains(model)).cloned().collect::<Vec<_>>());
    }
    Some(models)
}

impl FeatureValue {
    /// See [`Entitlements::includes`].
    pub fn includes(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (FeatureValue::Boolean(included), _) => *included,
            (FeatureValue::Number(number), None) => *number > 0,
            (FeatureValue::Number(number), Some(value)) => {
                value.parse().is_ok_and(|wanted: i64| wanted >= 0 && wanted <= *number)
            }
            (FeatureValue::List(items), None) => !items.is_empty(),
            (FeatureValue::List(items), Some(value)) => {
                items.iter().any(|item| item.as_str() == value || item.as_str() == ALL)
            }
        }
    }
}

impl LimitOverride {
    fn apply_to(&self, limits: &mut Vec<Limit>) {
        let same = |limit: &&mut Limit| limit.is_on(self.meter.as_str(), self.per, self.each);
        match limits.iter_mut().find(same) {
            Some(limit) => {
                limit.amount = self.amount;
                if let Some(past) = &self.past {
                    limit.past = past.clone();
                }
            }
            None => limits.push(Limit {
                meter: self.meter.clone(),
                amount: self.amount,
                per: self.per,
                each: self.each,
                past: self.past.clone().unwrap_or(Past::Block),
                enforce: Enforce::Enforce,
                denied_status: TOO_MANY_REQUESTS,
            }),
        }
    }
}

impl Limit {
    pub fn is_on(&self, meter: &str, per: WindowKind, each: LimitScope) -> bool {
        self.meter.as_str() == meter && self.per == per && self.each == each
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    const CATALOG: &str = r#"
        product = "Test"
        [meters.requests]
        [meters.seats]
        [models]
        mini = { input = 1, output = 1 }
        "openai/large" = { input = 1, output = 1 }
        huge = { input = 1, output = 1 }
        [model_groups]
        basic = ["mini", "openai/large"]
        [plans.pro.limits]
        requests = { amount = 10, past = "warn" }
        [plans.pro.features]
        allowed_models = ["basic"]
        export_formats = ["pdf", "csv"]
        sso = false
        history_days = 30
    "#;

    fn entitlements(overrides: &str) -> Entitlements {
        let catalog = catalog::parse(CATALOG).expect("a good catalog");
        let overrides = serde_json::from_str(overrides).expect("good overrides");
        Entitlements::new(&catalog.plans["pro"], &overrides)
    }

    #[test]
    fn features_are_booleans_numbers_or_lists() {
        let plain = entitlements("{}");
        assert!(!plain.includes("sso", None));
        assert!(plain.includes("export_formats", None));
        assert!(plain.includes("export_formats", Some("pdf")));
        assert!(!plain.includes("export_formats", Some("xml")));
        assert!(plain.includes("history_days", Some("30")));
        assert!(!plain.includes("history_days", Some("31")));
        assert!(!plain.includes("history_days", Some("many")));
        assert_eq!(plain.number("history_days"), Some(30));
        assert!(!plain.includes("teleport", None));
    }

    #[test]
    fn an_account_may_have_more_than_its_plan() {
        let json = r#"{
            "features": {"sso": true, "export_formats": ["*"]},
            "limits": [
                {"meter": "requests", "per": "period", "amount": 50000000},
                {"meter": "requests", "per": "day", "each": "member", "amount": null, "past": "warn"}
            ]
        }"#;
        let agreed = entitlements(json);
        assert!(agreed.includes("sso", None));
        assert!(agreed.includes("export_formats", Some("xml")));
        assert!(agreed.includes("history_days", None));
        assert_eq!(agreed.limits.len(), 2);
        assert_eq!((agreed.limits[0].amount, &agreed.limits[0].past), (Some(50_000_000), &Past::Warn));
        assert_eq!((agreed.limits[1].amount, agreed.limits[1].each), (None, LimitScope::Member));
    }

    #[test]
    fn overrides_read_back_and_refuse_what_they_do_not_know() {
        let json =
            r#"{"features":{"sso":true},"limits":[{"meter":"requests","per":"day","each":"key","amount":null}]}"#;
        let overrides: Overrides = serde_json::from_str(json).expect("good overrides");
        assert_eq!(serde_json::to_string(&overrides).expect("JSON"), json);
        assert!(serde_json::from_str::<Overrides>(r#"{"limit": []}"#).is_err());
    }

    #[test]
    fn models_are_allowed_by_name_by_group_or_all() {
        let catalog = catalog::parse(CATALOG).expect("a good catalog");
        let pro = entitlements("{}");
        let allows = |model, provider| pro.allows_model(&catalog.model_groups, model, provider);
        assert!(allows("mini", None));
        assert!(allows("mini", Some("openai")));
        assert!(allows("large", Some("openai")));
        assert!(allows("openai/large", None));
        assert!(!allows("large", None));
        assert!(!allows("large", Some("other")));
        assert!(!allows("huge", None));
        assert!(!allows("basic", None));
        let all = entitlements(r#"{"features": {"allowed_models": ["*"]}}"#);
        assert!(all.allows_model(&catalog.model_groups, "anything", None));
        let none = entitlements(r#"{"features": {"allowed_models": []}}"#);
        assert!(!none.allows_model(&catalog.model_groups, "mini", None));
    }

    #[test]
    fn the_models_of_a_plan_can_be_listed() {
        let catalog = catalog::parse(CATALOG).expect("a good catalog");
        let names = |items: &[&str]| FeatureValue::List(items.iter().map(|item| Name::from(*item)).collect());
        let listed = named_models(&catalog, &names(&["huge", "basic", "mini"])).expect("not all");
        assert_eq!(listed, [Name::from("huge"), Name::from("mini"), Name::from("openai/large")]);
        assert_eq!(named_models(&catalog, &names(&["*"])), None);
    }
}
