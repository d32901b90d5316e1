//! The examples of the catalog's documentation, one after another, are a catalog.

use domain::catalog::{self, Limit, Past};

fn examples() -> String {
    let page = include_str!("../../../docs/catalog.md");
    page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_are_one_catalog() {
    let catalog = catalog::parse(&examples()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let limits: &[Limit] = &catalog.plans["pro"].limits;
    assert_eq!(limits.len(), 8);
    let cost = limits.iter().find(|limit| limit.meter.as_str() == "cost").expect("a limit on costs");
    // What a call costs is charged: a billion nano-dollars for each billion.
    assert_eq!(cost.amount, Some(5_000_000_000));
    let Past::Charge { charge_nano, each, up_to_minor, .. } = &cost.past else { panic!("it is charged") };
    assert_eq!((*charge_nano, *each, *up_to_minor), (1_000_000_000, 1_000_000_000, None));
    let euros = cost.past.charge_in("EUR", "USD").map(|charge| charge.charge_nano);
    assert_eq!(euros, Some(900_000_000), "0.90 euros for each dollar");
    assert_eq!(catalog.plans["pro"].rate_limit("api", &catalog.rates).map(|rate| rate.requests), Some(300));
    assert_eq!(catalog.models["gpt-4o"].prices.output.per_million_tokens(), "12");
    assert_eq!(catalog.models["long-reader"].tiers.len(), 1);
}

#[test]
fn the_settings_of_the_environment_are_followed() {
    let mut catalog = catalog::parse(&examples()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let page = include_str!("../../../docs/catalog.md");
    let settings: Vec<(&str, &str)> = page
        .lines()
        .filter(|line| line.starts_with("TOLLWAY_LIMIT_"))
        .filter_map(|line| line.split_once('='))
        .collect();
    assert_eq!(settings.len(), 3);
    catalog::apply_limit_settings(&mut catalog, settings).unwrap_or_else(|errors| panic!("{errors:#?}"));
}
