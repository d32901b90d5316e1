//! The chat product: chats a month, documents in all, models by plan, trials.

#[allow(dead_code)]
mod catalogs;

use catalogs::{blocking, has, plans_by_rank, price, units};
use domain::catalog::{Feed, Interval, MeterKind};
use domain::entitlements::{model_allowed, named_models};
use domain::windows::WindowKind;

const FILE: &str = "chat.toml";

#[test]
fn default_plans() {
    let catalog = catalogs::read(FILE);
    assert_eq!(plans_by_rank(&catalog), ["free", "starter", "pro", "enterprise"]);
    assert_eq!(catalog.default_plan.as_ref().map(|name| name.as_str()), Some("free"));
    for (plan, name, cents, chats, documents) in [
        ("free", "Free", 0, units(5), units(2)),
        ("starter", "Starter", 2_900, units(100), units(10)),
        ("pro", "Pro", 7_900, None, None),
        ("enterprise", "Enterprise", 19_900, None, None),
    ] {
        assert_eq!(catalog.plans[plan].name, name);
        assert_eq!(price(&catalog, plan, Interval::Monthly), Some(cents), "{plan}");
        assert_eq!(blocking(&catalog, plan, "chats", WindowKind::Month), chats, "{plan}");
        assert_eq!(blocking(&catalog, plan, "documents", WindowKind::Lifetime), documents, "{plan}");
    }
    assert_eq!(catalog.meters["documents"].kind, MeterKind::Level);
    assert_eq!(catalog.meters["documents"].feed, Feed::Named);
    assert_eq!(catalog.meters["chats"].kind, MeterKind::Sum);
}

#[test]
fn allowed_models() {
    let catalog = catalogs::read(FILE);
    let (lite, haiku, sonnet) =
        ("google/gemini-2.5-flash-lite", "anthropic/claude-haiku-4.5", "anthropic/claude-sonnet-4.5");
    let (mini, gpt, gemini) = ("openai/gpt-4.1-mini", "openai/gpt-5.2", "google/gemini-3-pro-preview");
    for (plan, mut expected) in [
        ("free", vec![lite]),
        ("starter", vec![lite, haiku, mini]),
        ("pro", vec![lite, haiku, sonnet, mini, gpt, gemini]),
    ] {
        let mut models = named_models(&catalog, &catalog.plans[plan].features["allowed_models"]).expect("named models");
        models.sort();
        expected.sort_unstable();
        assert_eq!(models.iter().map(|model| model.as_str()).collect::<Vec<_>>(), expected, "{plan}");
    }
    let allows = |plan: &str, model| model_allowed(&catalog.plans[plan].features, &catalog.model_groups, model, None);
    assert!(!allows("free", haiku) && !allows("starter", sonnet) && !allows("pro", "openai/other"));
    assert!(allows("enterprise", "openai/other"));
    let sonnet_of_provider =
        model_allowed(&catalog.plans["pro"].features, &catalog.model_groups, "claude-sonnet-4.5", Some("anthropic"));
    assert!(sonnet_of_provider);
}

#[test]
fn api_access_begins_with_pro_and_the_pricing_page_keeps_its_word() {
    let catalog = catalogs::read(FILE);
    for (feature, expected) in [
        ("api_access", [false, false, true, true]),
        ("priority_support", [false, false, true, true]),
        ("advanced_analytics", [false, false, true, true]),
        ("custom_branding", [false, false, false, true]),
        ("dedicated_support", [false, false, false, true]),
        ("custom_integrations", [false, false, false, true]),
    ] {
        let plans = ["free", "starter", "pro", "enterprise"];
        assert_eq!(plans.map(|plan| has(&catalog, plan, feature)), expected, "{feature}");
    }
}

#[test]
fn seven_days_of_trial_for_what_is_bought_and_pro_is_popular() {
    let catalog = catalogs::read(FILE);
    for (plan, days, popular) in [("free", 0, false), ("starter", 7, false), ("pro", 7, true), ("enterprise", 7, false)]
    {
        assert_eq!((catalog.plans[plan].trial_days, catalog.plans[plan].popular), (days, popular), "{plan}");
    }
}

#[test]
fn every_named_model_has_a_published_price() {
    let catalog = catalogs::read(FILE);
    assert_eq!(catalog.models.len(), 6);
    // Dollars for a million tokens: 0.10 in and 0.40 out, without a markup.
    assert_eq!(catalogs::call(&catalog, "google/gemini-2.5-flash-lite", 1_000, 1_000), (500_000, 500_000));
    assert_eq!(catalogs::call(&catalog, "anthropic/claude-haiku-4.5", 1_000, 1_000), (6_000_000, 6_000_000));
    // A prompt above 200,000 tokens is dearer: 6 and 22.50 instead of 3 and 15.
    assert_eq!(catalogs::call(&catalog, "anthropic/claude-sonnet-4.5", 200_000, 1).0, 600_015_000);
    assert_eq!(catalogs::call(&catalog, "anthropic/claude-sonnet-4.5", 200_001, 1).0, 1_200_028_500);
}
