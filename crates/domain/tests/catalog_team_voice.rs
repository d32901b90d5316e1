//! Groups that share text and voice tokens: no free plan, warnings, a next plan to suggest.

#[allow(dead_code)]
mod catalogs;

use catalogs::{blocking, price, units};
use domain::catalog::{Feed, Interval, LimitScope, MeterKind};
use domain::name::Name;
use domain::suggestion::{Need, suggest_plan};
use domain::windows::WindowKind;

const FILE: &str = "team-voice.toml";

#[test]
fn basic_plan() {
    let catalog = catalogs::read(FILE);
    assert_eq!(catalog.plans["basic"].name, "Basic Plan");
    assert_eq!(price(&catalog, "basic", Interval::Monthly), Some(2_999));
    assert_eq!(blocking(&catalog, "basic", "llm_tokens", WindowKind::Period), units(100_000));
    assert_eq!(blocking(&catalog, "basic", "voice_tokens", WindowKind::Period), units(50_000));
    assert_eq!(blocking(&catalog, "basic", "seats", WindowKind::Lifetime), units(10));
    assert_eq!(catalog.meters["seats"].kind, MeterKind::Level);
    assert_eq!(catalog.meters["llm_tokens"].feed, Feed::TotalTokens);
    assert_eq!(catalog.meters["voice_tokens"].feed, Feed::Voice);
}

#[test]
fn without_a_subscription_there_is_no_plan() {
    assert_eq!(catalogs::read(FILE).default_plan, None);
}

#[test]
fn token_estimation() {
    let voice = catalogs::read(FILE).voice;
    for (bytes, tokens) in [(0, 0), (15_999, 0), (16_000, 1), (31_999, 1), (1_600_000, 100)] {
        assert_eq!(voice.tokens_of_audio(bytes), tokens, "{bytes} bytes");
    }
    for (characters, tokens) in [(0, 0), (1, 2), (250, 500)] {
        assert_eq!(voice.tokens_of_text(characters), Some(tokens), "{characters} characters");
    }
}

#[test]
fn warnings() {
    assert_eq!(catalogs::read(FILE).warn_at_percent, [80, 90, 100]);
}

#[test]
fn upgrade_suggestions() {
    let catalog = catalogs::read(FILE);
    let need = |tokens: i64| Need {
        meter: Name::from("llm_tokens"),
        per: WindowKind::Period,
        each: LimitScope::Account,
        total: tokens * 1_000_000,
    };
    let basic = &catalog.plans["basic"];
    let suggested = suggest_plan(&catalog, Some(basic), &[need(100_001)]).expect("a next plan");
    assert!(suggested.rank > basic.rank);
    assert!(suggest_plan(&catalog, Some(suggested), &[need(100_001)]).is_none());
}
