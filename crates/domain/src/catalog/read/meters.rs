//! The meters. A meter whose name is well known needs no more than its line, `[meters.requests]`.

use std::collections::BTreeMap;

use super::section::{Entry, Section};
use super::values;
use crate::catalog::mistakes::Mistakes;
use crate::catalog::{COST_METER, Feed, Meter, MeterKind};
use crate::money::Currency;
use crate::name::Name;

const KIND_WORDS: [(&str, MeterKind); 2] = [("sum", MeterKind::Sum), ("level", MeterKind::Level)];

const FEED_WORDS: [(&str, Feed); 7] = [
    ("named", Feed::Named),
    ("requests", Feed::Requests),
    ("total_tokens", Feed::TotalTokens),
    ("prompt_tokens", Feed::PromptTokens),
    ("completion_tokens", Feed::CompletionTokens),
    ("voice", Feed::Voice),
    ("cost", Feed::Cost),
];

pub(super) fn read(top: &mut Section, currency: Currency, mistakes: &mut Mistakes) -> BTreeMap<Name, Meter> {
    let Some(entry) = top.get("meters") else { return BTreeMap::new() };
    let Some(meters) = Section::of_entry("the meters", &entry, "tables, such as [meters.requests]", mistakes) else {
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for entry in meters.entries() {
        if values::plain_name(&entry, "meter", mistakes) {
            read.insert(Name::from(entry.key), read_meter(&entry, currency, mistakes));
        }
    }
    read
}

fn read_meter(entry: &Entry, currency: Currency, mistakes: &mut Mistakes) -> Meter {
    let usual = usual(entry.key, currency);
    let example = format!("a table, [meters.{}]", entry.key);
    let Some(mut section) = Section::of_entry(format!("meter {}", entry.key), entry, &example, mistakes) else {
        return usual;
    };
    let kind = section.get("kind").and_then(|entry| values::word(&entry, &KIND_WORDS, mistakes));
    let kind = kind.unwrap_or(usual.kind);
    let feed_entry = section.get("feed");
    let usual_feed = if kind == MeterKind::Level { Feed::Named } else { usual.feed };
    let feed = feed_entry.as_ref().and_then(|entry| values::word(entry, &FEED_WORDS, mistakes)).unwrap_or(usual_feed);
    let unit = section.text("unit", mistakes).unwrap_or(usual.unit);
    if let Some(feed_entry) = feed_entry {
        check_feed(entry.key, kind, feed, &feed_entry, mistakes);
    }
    if entry.key == COST_METER && kind == MeterKind::Level {
        let fix = "Leave `kind` out: costs add up, window by window.";
        mistakes.add(section.span.clone(), "The meter `cost` cannot be a level.", fix);
    }
    section.finish(mistakes);
    Meter { kind, feed, unit }
}

fn check_feed(meter: &str, kind: MeterKind, feed: Feed, entry: &Entry, mistakes: &mut Mistakes) {
    if kind == MeterKind::Level && feed != Feed::Named {
        let what = format!("The meter `{meter}` is a level, so calls cannot feed it.");
        mistakes.add(entry.span(), what, "Leave `feed` out, or make it a sum.");
    } else if (feed == Feed::Cost) != (meter == COST_METER) {
        let what = "The feed `cost` belongs to the meter `cost`, and no other to it.";
        mistakes.add(entry.span(), what, "Leave `feed` out, or name another meter.");
    }
}

/// What a meter of this name is when the file says no more.
pub(super) fn usual(name: &str, currency: Currency) -> Meter {
    use Feed::{CompletionTokens, Cost, Named, PromptTokens, Requests, TotalTokens, Voice};
    use MeterKind::{Level, Sum};
    let (kind, feed, unit) = match name {
        "requests" => (Sum, Requests, "requests"),
        "llm_tokens" | "tokens" | "total_tokens" => (Sum, TotalTokens, "tokens"),
        "prompt_tokens" => (Sum, PromptTokens, "prompt tokens"),
        "completion_tokens" => (Sum, CompletionTokens, "completion tokens"),
        "voice_tokens" => (Sum, Voice, "voice tokens"),
        COST_METER => (Sum, Cost, currency.code()),
        "storage_mb" => (Level, Named, "MB"),
        "storage_gb" => (Level, Named, "GB"),
        "seats" => (Level, Named, "seats"),
        "compute_minutes" => (Sum, Named, "minutes"),
        "api_calls" => (Sum, Named, "API calls"),
        other => return Meter { kind: Sum, feed: Named, unit: other.replace(['_', '-'], " ") },
    };
    Meter { kind, feed, unit: unit.to_owned() }
}
