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

#[test]
fn a_catalog_that_says_nothing_of_grace_gives_a_week_also_one_stored_before() {
    let file = include_str!("../../../catalogs/starter.toml");
    let parse = |text: &str| domain::catalog::parse(text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let catalog = parse(file);
    assert_eq!(catalog.grace_days, 7);
    assert_eq!(parse(&format!("grace_days = 0\n{file}")).grace_days, 0);
    let mut stored = serde_json::to_value(&catalog).expect("a catalog is JSON");
    stored.as_object_mut().expect("an object").remove("grace_days");
    assert_eq!(serde_json::from_value::<domain::catalog::Catalog>(stored).expect("a catalog"), catalog);
}
