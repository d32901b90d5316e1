//! The document assistant: requests, models, costs with a markup.

#[allow(dead_code)]
mod catalogs;

use catalogs::{blocking, call, has, plans_by_rank, price, units};
use domain::catalog::{Interval, MeterKind, UnknownModel};
use domain::entitlements::model_allowed;
use domain::pricing::lookup_model;
use domain::windows::WindowKind;

const FILE: &str = "document-assistant.toml";

#[test]
fn subscription_plans() {
    let catalog = catalogs::read(FILE);
    assert_eq!(plans_by_rank(&catalog), ["free", "pro", "enterprise"]);
    assert_eq!(catalog.default_plan.as_ref().map(|name| name.as_str()), Some("free"));
    assert_eq!(catalog.currency, "USD");
    for (plan, name, dollars, requests) in
        [("free", "Free", 0, 1_000), ("pro", "Pro", 15, 10_000), ("enterprise", "Enterprise", 30, 100_000)]
    {
        assert_eq!(catalog.plans[plan].name, name);
        assert_eq!(price(&catalog, plan, Interval::Monthly), Some(dollars * 100), "{plan}");
        assert_eq!(blocking(&catalog, plan, "requests", WindowKind::Period), units(requests), "{plan}");
        assert_eq!(catalog.plans[plan].limits.len(), 1);
    }
    assert_eq!(catalog.meters["requests"].kind, MeterKind::Sum);
    assert_eq!(catalog.plans["pro"].stripe_lookup_keys[&Interval::Monthly], "pro_monthly");
    assert!(catalog.plans["free"].stripe_lookup_keys.is_empty());
}

#[test]
fn free_has_basic_models_alone_and_enterprise_goes_first() {
    let catalog = catalogs::read(FILE);
    let allows = |plan: &str, model| model_allowed(&catalog.plans[plan].features, &catalog.model_groups, model, None);
    assert!(allows("free", "gpt-3.5-turbo"));
    assert!(!allows("free", "gpt-4"));
    assert!(!allows("free", "a-model-of-tomorrow"));
    for plan in ["pro", "enterprise"] {
        assert!(allows(plan, "gpt-4") && allows(plan, "a-model-of-tomorrow"), "{plan}");
    }
    assert!(!has(&catalog, "free", "priority_processing"));
    assert!(!has(&catalog, "pro", "priority_processing"));
    assert!(has(&catalog, "enterprise", "priority_processing"));
}

#[test]
fn token_calculation_formula() {
    let catalog = catalogs::read(FILE);
    assert_eq!(catalog.markup_millionths_percent, 5_000_000);
    // Dollars for 1,000 prompt and 1,000 completion tokens, in nano-dollars, and the same with 5 %.
    for (model, prompt, completion) in [
        ("gpt-4", 30_000_000, 60_000_000),
        ("gpt-4-turbo", 10_000_000, 30_000_000),
        ("gpt-3.5-turbo", 500_000, 1_500_000),
        ("claude-3-opus", 15_000_000, 75_000_000),
        ("claude-3-sonnet", 3_000_000, 15_000_000),
        ("claude-3-haiku", 250_000, 1_250_000),
        ("not-in-the-table", 1_000_000, 2_000_000),
    ] {
        assert_eq!(call(&catalog, model, 1_000, 0), (prompt, prompt * 105 / 100), "{model}");
        assert_eq!(call(&catalog, model, 0, 1_000), (completion, completion * 105 / 100), "{model}");
    }
    assert_eq!(catalog.models.len(), 6);
    assert!(matches!(catalog.unknown_model, UnknownModel::Price(_)));
}

#[test]
fn a_call_costs_to_the_last_digit() {
    let catalog = catalogs::read(FILE);
    // 1,234 × 0.03 / 1,000 + 567 × 0.06 / 1,000 = 0.07104; with 5 % 0.074592.
    assert_eq!(call(&catalog, "gpt-4", 1_234, 567), (71_040_000, 74_592_000));
    // 7 × 0.00025 / 1,000 + 3 × 0.00125 / 1,000 = 0.0000055; with 5 % 0.000005775.
    assert_eq!(call(&catalog, "claude-3-haiku", 7, 3), (5_500, 5_775));
    // One token: 250 nano-dollars; 5 % are 12.5, and 262.5 rounds to the even 262.
    assert_eq!(call(&catalog, "claude-3-haiku", 1, 0), (250, 262));
    assert!(lookup_model(&catalog, "not-in-the-table", None).is_ok());
}
