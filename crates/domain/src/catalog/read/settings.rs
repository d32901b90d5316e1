//! The settings at the top of the file, the voice formulas and the base rate limits.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeValue;

use super::section::Section;
use super::values;
use crate::catalog::mistakes::{Mistakes, nearest};
use crate::catalog::plan::{Enforce, RateLimit};
use crate::catalog::usual_grace_days;
use crate::money::Currency;
use crate::name::Name;
use crate::pricing::VoiceFormulas;

const PERCENT_PLACES: usize = 6;
/// By then Stripe has tried for the last time.
const LONGEST_GRACE_DAYS: u32 = 60;
const USUAL_THRESHOLDS: [u8; 3] = [80, 90, 100];

pub(super) const ENFORCE_WORDS: [(&str, Enforce); 2] = [("enforce", Enforce::Enforce), ("observe", Enforce::Observe)];

pub(super) struct Settings {
    pub(super) product: String,
    pub(super) currency: Currency,
    pub(super) default_plan: Option<(Name, Range<usize>)>,
    pub(super) markup_millionths_percent: i64,
    pub(super) enforce: Enforce,
    pub(super) warn_at_percent: Vec<u8>,
    pub(super) grace_days: u32,
    pub(super) voice: VoiceFormulas,
}

pub(super) fn read(top: &mut Section, mistakes: &mut Mistakes) -> Settings {
    if top.get("product").is_none() {
        let fix = "Add `product = \"Acme Chat\"` as its first line; customers see it on pages and in mails.";
        mistakes.add(0..0, "The catalog does not name its product.", fix);
    }
    let product = top.text("product", mistakes).unwrap_or_default();
    let currency = read_currency(top, mistakes);
    let default_plan = top.get("default_plan").and_then(|entry| {
        let name = values::text(&entry, mistakes)?;
        Some((Name::from(name), entry.span()))
    });
    let markup_millionths_percent = top
        .get("markup_percent")
        .and_then(|entry| values::decimal(&entry, PERCENT_PLACES, "5", mistakes))
        .unwrap_or_default();
    let enforce = read_enforce(top, mistakes);
    let warn_at_percent = read_thresholds(top, mistakes);
    let grace_days = top.whole_number("grace_days", 0..=LONGEST_GRACE_DAYS, mistakes).unwrap_or_else(usual_grace_days);
    let voice = read_voice(top, mistakes);
    Settings { product, currency, default_plan, markup_millionths_percent, enforce, warn_at_percent, grace_days, voice }
}

pub(super) fn read_enforce(section: &mut Section, mistakes: &mut Mistakes) -> Enforce {
    section.get("enforce").and_then(|entry| values::word(&entry, &ENFORCE_WORDS, mistakes)).unwrap_or(Enforce::Enforce)
}

fn read_currency(top: &mut Section, mistakes: &mut Mistakes) -> Currency {
    let Some(entry) = top.get("currency") else { return Currency::USD };
    let Some(code) = values::text(&entry, mistakes) else { return Currency::USD };
    Currency::parse(code).unwrap_or_else(|_| {
        mistakes.add(entry.span(), format!("`{code}` is not a currency."), currency_fix(code));
        Currency::USD
    })
}

pub(super) fn currency_fix(code: &str) -> String {
    let upper = code.to_ascii_uppercase();
    if Currency::parse(&upper).is_ok() {
        return format!("Write it in upper case: \"{upper}\".");
    }
    match nearest(code, ["USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "INR", "BRL"]) {
        Some(near) => format!("Did you mean `{near}`? Currencies are named by the three letters of ISO 4217."),
        None => "Name it by the three letters of ISO 4217, such as \"USD\" or \"EUR\".".to_owned(),
    }
}

fn read_thresholds(top: &mut Section, mistakes: &mut Mistakes) -> Vec<u8> {
    let Some(entry) = top.get("warn_at") else { return USUAL_THRESHOLDS.to_vec() };
    let DeValue::Array(items) = entry.value.get_ref() else {
        let what = format!("`warn_at` is {}, not a list.", values::kind_of(entry.value.get_ref()));
        mistakes.add(entry.span(), what, "Write percentages in brackets, such as [80, 90, 100].");
        return USUAL_THRESHOLDS.to_vec();
    };
    let mut thresholds: Vec<u8> = Vec::new();
    for item in items.iter() {
        let item = values::item_of(&entry, item);
        let read = values::whole_number(&item, 1..=100, mistakes).and_then(|percent| u8::try_from(percent).ok());
        let Some(percent) = read else { continue };
        if thresholds.contains(&percent) {
            mistakes.add(item.span(), format!("`warn_at` names {percent} twice."), "Keep it once.");
        }
        thresholds.push(percent);
    }
    thresholds.sort_unstable();
    thresholds
}

fn read_voice(top: &mut Section, mistakes: &mut Mistakes) -> VoiceFormulas {
    let usual = VoiceFormulas::default();
    let Some(entry) = top.get("voice") else { return usual };
    let example = "a table, [voice], with audio_bytes_per_token and tokens_per_character";
    let Some(mut voice) = Section::of_entry("the voice formulas", &entry, example, mistakes) else { return usual };
    let audio_bytes_per_token = voice.whole_number("audio_bytes_per_token", 1..=u32::MAX, mistakes);
    let tokens_per_character = voice.whole_number("tokens_per_character", 0..=u32::MAX, mistakes);
    voice.finish(mistakes);
    VoiceFormulas {
        audio_bytes_per_token: audio_bytes_per_token.unwrap_or(usual.audio_bytes_per_token),
        tokens_per_character: tokens_per_character.unwrap_or(usual.tokens_per_character),
    }
}

/// Rate limits by scope: the base ones at the top, or a plan's own.
pub(super) fn read_rates(section: &mut Section, mistakes: &mut Mistakes) -> BTreeMap<Name, RateLimit> {
    let Some(entry) = section.get("rates") else { return BTreeMap::new() };
    let name = format!("the rates{}", of(section));
    let Some(rates) = Section::of_entry(name, &entry, "a table, with lines such as api = \"60 per 60s\"", mistakes)
    else {
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for entry in rates.entries() {
        if values::plain_name(&entry, "scope of rate limits", mistakes)
            && let Some(limit) = values::rate_limit(&entry, mistakes)
        {
            read.insert(Name::from(entry.key), limit);
        }
    }
    read
}

fn of(section: &Section) -> String {
    if section.name().is_empty() { String::new() } else { format!(" of {}", section.name()) }
}
