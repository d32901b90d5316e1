//! The job platform: jobs a month, API calls a day, storage, rate limits by scope.

#[allow(dead_code)]
mod catalogs;

use catalogs::{blocking, has, limit, plans_by_rank, price, rate};
use domain::catalog::{FeatureValue, Interval, MeterKind};
use domain::windows::WindowKind;

const FILE: &str = "job-platform.toml";
const HOUR: u32 = 3_600;

#[test]
fn subscription_plans_table() {
    let catalog = catalogs::read(FILE);
    assert_eq!(plans_by_rank(&catalog), ["free", "pro", "enterprise"]);
    assert_eq!(catalog.default_plan.as_ref().map(|name| name.as_str()), Some("free"));
    for (plan, name, cents) in
        [("free", "Free Plan", 0), ("pro", "Pro Plan", 1_999), ("enterprise", "Enterprise Plan", 9_999)]
    {
        assert_eq!(catalog.plans[plan].name, name);
        assert_eq!(price(&catalog, plan, Interval::Monthly), Some(cents), "{plan}");
        assert_eq!(price(&catalog, plan, Interval::Annual).unwrap_or(0), 0, "{plan} is sold by the month");
    }
}

#[test]
fn feature_flags() {
    let catalog = catalogs::read(FILE);
    for (plan, expected) in [
        ("free", [true, false, false, false, false]),
        ("pro", [true, true, true, true, false]),
        ("enterprise", [true, true, true, true, true]),
    ] {
        let features = ["api_access", "priority_support", "custom_models", "advanced_analytics", "dedicated_support"];
        assert_eq!(features.map(|feature| has(&catalog, plan, feature)), expected, "{plan}");
    }
    assert_eq!(catalog.plans["free"].features["custom_models"], FeatureValue::Boolean(false));
}

#[test]
fn quotas_have_the_windows_of_their_names_and_rise_with_the_plan() {
    let catalog = catalogs::read(FILE);
    for (meter, per) in
        [("jobs", WindowKind::Month), ("api_calls", WindowKind::Day), ("storage_mb", WindowKind::Lifetime)]
    {
        let amounts = ["free", "pro", "enterprise"].map(|plan| blocking(&catalog, plan, meter, per).expect("limited"));
        assert!(amounts.is_sorted_by(|lower, higher| lower < higher), "{meter}: {amounts:?}");
    }
    assert_eq!(catalog.meters["storage_mb"].kind, MeterKind::Level);
    assert_eq!(catalog.meters["compute_minutes"].kind, MeterKind::Sum);
}

#[test]
fn a_denied_job_asks_for_payment_and_a_denied_call_is_too_many() {
    let catalog = catalogs::read(FILE);
    for plan in ["free", "pro", "enterprise"] {
        assert_eq!(limit(&catalog, plan, "jobs", WindowKind::Month).denied_status, 402);
        assert_eq!(limit(&catalog, plan, "api_calls", WindowKind::Day).denied_status, 429);
    }
}

#[test]
fn plan_based_rate_limits() {
    let catalog = catalogs::read(FILE);
    for (scope, free, pro, seconds) in
        [("login", 10, 50, HOUR), ("register", 5, 25, HOUR), ("api", 60, 300, 60), ("jobs", 10, 50, HOUR)]
    {
        assert_eq!(rate(&catalog, "free", scope), (free, seconds), "{scope}");
        assert_eq!(rate(&catalog, "pro", scope), (pro, seconds), "{scope}");
        let (enterprise, window) = rate(&catalog, "enterprise", scope);
        assert!(enterprise >= pro && window == seconds, "enterprise is not below pro in {scope}");
    }
    for scope in ["password_reset", "2fa"] {
        assert!(catalog.rates.contains_key(scope), "{scope}");
    }
}
