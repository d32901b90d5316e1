//! The catalog that Tollway starts with.

use domain::catalog::{self, Catalog, Past, PlanPrice, UnknownModel};
use domain::windows::WindowKind;

fn starter() -> Catalog {
    let source = include_str!("../../../catalogs/starter.toml");
    catalog::parse(source).unwrap_or_else(|mistakes| {
        panic!("{}", mistakes.iter().map(|mistake| mistake.to_string()).collect::<Vec<_>>().join("\n"))
    })
}

#[test]
fn the_free_plan_is_the_default_and_blocks_past_a_thousand_requests_a_period() {
    let catalog = starter();
    assert_eq!(catalog.default_plan.as_ref().map(|name| name.as_str()), Some("free"));
    let free = &catalog.plans["free"];
    assert_eq!(free.price, PlanPrice::Free);
    let requests = free.limits.iter().find(|limit| limit.meter.as_str() == "requests").expect("a limit on requests");
    assert_eq!(requests.amount, Some(1_000_000_000));
    assert_eq!((requests.per, requests.past.clone(), requests.denied_status), (WindowKind::Period, Past::Block, 429));
}

#[test]
fn the_stand_in_models_and_real_ones_have_prices() {
    let catalog = starter();
    for model in ["small", "large", "gpt-4o-mini", "claude-sonnet-5-5"] {
        assert!(catalog.models.contains_key(model), "{model}");
    }
    assert!(matches!(catalog.unknown_model, UnknownModel::Price(_)));
    assert!(catalog.meters.contains_key(catalog::COST_METER));
}

#[test]
fn a_catalog_reads_back_from_json() {
    let catalog = starter();
    let json = serde_json::to_string(&catalog).expect("a catalog is JSON");
    assert_eq!(serde_json::from_str::<Catalog>(&json).expect("it reads back"), catalog);
}
