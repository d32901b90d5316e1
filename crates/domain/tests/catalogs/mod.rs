//! What the tests of the ready catalogs ask: a catalog by file name, and single figures of it.

use domain::catalog::{self, Catalog, FeatureValue, Interval, Limit, LimitScope, Past, PlanPrice};
use domain::name::Name;
use domain::pricing::{CallTokens, lookup_model, price_call};
use domain::windows::WindowKind;

pub fn read(file: &str) -> Catalog {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogs").join(file);
    let source = std::fs::read_to_string(path).expect("the catalog can be read");
    let catalog = catalog::parse(&source).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let json = serde_json::to_string(&catalog).expect("a catalog is JSON");
    assert_eq!(serde_json::from_str::<Catalog>(&json).expect("it reads back"), catalog);
    catalog
}

/// The plan's keys in the order of their ranks.
pub fn plans_by_rank(catalog: &Catalog) -> Vec<&str> {
    let mut plans: Vec<_> = catalog.plans.values().collect();
    plans.sort_by_key(|plan| plan.rank);
    plans.into_iter().map(|plan| plan.key.as_str()).collect()
}

/// The limit of a plan on a meter and window for the whole account, which blocks past it.
pub fn blocking(catalog: &Catalog, plan: &str, meter: &str, per: WindowKind) -> Option<i64> {
    let limit = limit(catalog, plan, meter, per);
    assert_eq!(limit.past, Past::Block, "{plan} {meter}");
    limit.amount
}

pub fn limit<'c>(catalog: &'c Catalog, plan: &str, meter: &str, per: WindowKind) -> &'c Limit {
    let limits = &catalog.plans[plan].limits;
    let found = limits.iter().find(|limit| limit.is_on(meter, per, LimitScope::Account));
    found.unwrap_or_else(|| panic!("{plan} has a limit on {meter} per {}", per.as_str()))
}

/// Whole units in the ledger's millionths.
pub fn units(units: i64) -> Option<i64> {
    Some(units * 1_000_000)
}

/// Minor units of the catalog's currency; `None` where the interval is not sold.
pub fn price(catalog: &Catalog, plan: &str, interval: Interval) -> Option<i64> {
    match &catalog.plans[plan].price {
        PlanPrice::Free => Some(0),
        PlanPrice::Custom => None,
        PlanPrice::Paid { by_interval, .. } => by_interval.get(&interval).copied(),
    }
}

pub fn list(names: &[&str]) -> FeatureValue {
    FeatureValue::List(names.iter().map(|name| Name::from(*name)).collect())
}

pub fn rate(catalog: &Catalog, plan: &str, scope: &str) -> (u32, u32) {
    let limit = catalog.plans[plan].rate_limit(scope, &catalog.rates).expect("a rate limit");
    (limit.requests, limit.window_seconds)
}

/// Base and final cost of a call in nano-dollars.
pub fn call(catalog: &Catalog, model: &str, prompt: u64, completion: u64) -> (i64, i64) {
    let price = lookup_model(catalog, model, None).expect("a price");
    let tokens = CallTokens::new(prompt, completion);
    let cost = price_call(price, &tokens, catalog.markup_millionths_percent).expect("a cost that fits");
    (cost.base.nano(), cost.final_cost.nano())
}

pub fn has(catalog: &Catalog, plan: &str, feature: &str) -> bool {
    catalog.plans[plan].features.get(feature).is_some_and(|value| value.includes(None))
}
