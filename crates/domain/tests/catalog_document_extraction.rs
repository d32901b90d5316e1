//! The document-extraction product: monthly and annual prices, quotas by month and day, formats as a list.

#[allow(dead_code)]
mod catalogs;

use catalogs::{blocking, has, list, plans_by_rank, price, units};
use domain::catalog::{self, Interval, MeterKind, PlanPrice};
use domain::windows::WindowKind;

const FILE: &str = "document-extraction.toml";

#[test]
fn subscription_plan_model() {
    let catalog = catalogs::read(FILE);
    assert_eq!(plans_by_rank(&catalog), ["free", "pro", "enterprise"]);
    assert_eq!(catalog.default_plan.as_ref().map(|name| name.as_str()), Some("free"));
    assert_eq!(catalog.currency, "USD");
    let names = ["free", "pro", "enterprise"].map(|plan| catalog.plans[plan].name.as_str());
    assert_eq!(names, ["Free", "Professional", "Enterprise"]);
    assert_eq!(catalog.plans["free"].price, PlanPrice::Free);
    assert_eq!(price(&catalog, "pro", Interval::Monthly), Some(9_900));
    assert_eq!(price(&catalog, "pro", Interval::Annual), Some(99_000));
    assert_eq!(catalog.plans["enterprise"].price, PlanPrice::Custom);
    assert_eq!(catalog.plans["pro"].stripe_lookup_keys[&Interval::Annual], "pro_annual");
}

#[test]
fn limits() {
    let catalog = catalogs::read(FILE);
    for (plan, documents, api_calls, seats, storage) in [
        ("free", units(50), units(1_000), units(1), units(5)),
        ("pro", units(1_000), units(50_000), units(10), units(100)),
        ("enterprise", None, None, None, None),
    ] {
        assert_eq!(blocking(&catalog, plan, "documents", WindowKind::Month), documents, "{plan}");
        assert_eq!(blocking(&catalog, plan, "api_calls", WindowKind::Day), api_calls, "{plan}");
        assert_eq!(blocking(&catalog, plan, "seats", WindowKind::Lifetime), seats, "{plan}");
        assert_eq!(blocking(&catalog, plan, "storage_gb", WindowKind::Lifetime), storage, "{plan}");
    }
    assert_eq!(catalog.meters["storage_gb"].kind, MeterKind::Level);
    assert_eq!(catalog.meters["seats"].kind, MeterKind::Level);
    assert_eq!(catalog.meters["exports"].kind, MeterKind::Sum);
}

#[test]
fn list_and_boolean_features() {
    let catalog = catalogs::read(FILE);
    let formats = |plan: &str| catalog.plans[plan].features["export_formats"].clone();
    assert_eq!(formats("free"), list(&["pdf"]));
    assert_eq!(formats("pro"), list(&["pdf", "excel", "json", "csv"]));
    for format in ["pdf", "excel", "json", "csv", "xml", "another"] {
        assert!(formats("enterprise").includes(Some(format)), "{format}");
    }
    assert!(!formats("pro").includes(Some("xml")));
    for (feature, expected) in [
        ("ai_features", [false, true, true]),
        ("priority_support", [false, true, true]),
        ("sso", [false, false, true]),
        ("custom_integrations", [false, false, true]),
    ] {
        assert_eq!(["free", "pro", "enterprise"].map(|plan| has(&catalog, plan, feature)), expected, "{feature}");
    }
}

#[test]
fn environment_variables() {
    let mut catalog = catalogs::read(FILE);
    let settings = [
        ("TOLLWAY_LIMIT_FREE_DOCUMENTS_MONTH", "60"),
        ("TOLLWAY_LIMIT_PRO_DOCUMENTS_MONTH", "2000"),
        ("TOLLWAY_LIMIT_FREE_API_CALLS_DAY", "1500"),
        ("TOLLWAY_LIMIT_PRO_API_CALLS_DAY", "unlimited"),
    ];
    catalog::apply_limit_settings(&mut catalog, settings).expect("settings that can be followed");
    assert_eq!(blocking(&catalog, "free", "documents", WindowKind::Month), units(60));
    assert_eq!(blocking(&catalog, "pro", "documents", WindowKind::Month), units(2_000));
    assert_eq!(blocking(&catalog, "free", "api_calls", WindowKind::Day), units(1_500));
    assert_eq!(blocking(&catalog, "pro", "api_calls", WindowKind::Day), None);
}

#[test]
fn a_rate_holds_payments() {
    assert!(catalogs::read(FILE).rates.contains_key("payment"));
}
