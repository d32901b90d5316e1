//! Model prices, groups of models, and what happens to a model without a price.
//!
//! Prices are for a million tokens, as providers print them. A model may instead name a provider, or a provider and its
//! model, and takes the price from the table that comes with Tollway.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::section::{Entry, Section};
use super::values;
use crate::catalog::mistakes::{Mistakes, did_you_mean};
use crate::catalog::{UnknownModel, model_prices};
use crate::money::{Currency, PicoUsd};
use crate::name::Name;
use crate::pricing::{ModelPrice, PriceTier, TokenPrices};

const PRICE_PLACES: usize = 6;
const MODEL_EXAMPLE: &str = "{ input = \"0.15\", output = \"0.60\" }, or the provider whose price it has, \"openai\"";

/// The prices that a table names; each may be left out when there are others to stand on.
struct WrittenPrices {
    input: Option<PicoUsd>,
    output: Option<PicoUsd>,
    cached_input: Option<PicoUsd>,
    cache_write: Option<PicoUsd>,
    reasoning: Option<PicoUsd>,
    audio_input: Option<PicoUsd>,
    audio_output: Option<PicoUsd>,
}

pub(super) fn read_unknown(top: &mut Section, mistakes: &mut Mistakes) -> UnknownModel {
    let Some(entry) = top.get("unknown_model") else { return UnknownModel::Refuse };
    if let DeValue::String(_) = entry.value.get_ref() {
        values::word(&entry, &[("refuse", ())], mistakes);
        return UnknownModel::Refuse;
    }
    let example = "\"refuse\", or as a price: { input = \"1.00\", output = \"2.00\" }";
    let Some(mut section) = Section::of_entry("the price of unknown models", &entry, example, mistakes) else {
        return UnknownModel::Refuse;
    };
    let price = read_price(&mut section, None, mistakes);
    section.finish(mistakes);
    price.map_or(UnknownModel::Refuse, UnknownModel::Price)
}

pub(super) fn read_all(top: &mut Section, currency: Currency, mistakes: &mut Mistakes) -> BTreeMap<Name, ModelPrice> {
    let Some(entry) = top.get("models") else { return BTreeMap::new() };
    let Some(models) = Section::of_entry("the models", &entry, "tables, such as [models.\"gpt-4o\"]", mistakes) else {
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for entry in models.entries() {
        if entry.key.is_empty() || entry.key == "*" || entry.key.chars().any(char::is_control) {
            let what = format!("`{}` cannot name a model.", entry.key);
            mistakes.add(entry.key_span.clone(), what, "Write the name that calls use, such as \"gpt-4o\".");
            continue;
        }
        // A model whose price is wrong still exists, so that plans that name it are not mistaken too.
        let free = ModelPrice::flat(PicoUsd::default(), PicoUsd::default());
        read.insert(Name::from(entry.key), read_model(&entry, currency, mistakes).unwrap_or(free));
    }
    read
}

fn read_model(entry: &Entry, currency: Currency, mistakes: &mut Mistakes) -> Option<ModelPrice> {
    if let DeValue::String(_) = entry.value.get_ref() {
        return from_table(entry, entry.key, currency, mistakes);
    }
    let name = format!("model {}", entry.key);
    let mut section = Section::of_entry(name, entry, MODEL_EXAMPLE, mistakes)?;
    let table_entry = section.get("from");
    let table_price = table_entry.as_ref().and_then(|from| from_table(from, entry.key, currency, mistakes));
    if table_entry.is_some() && table_price.is_none() {
        return None;
    }
    let price = read_price(&mut section, table_price, mistakes);
    section.finish(mistakes);
    price
}

/// The price that the table has for `"openai"` (and this model) or `"openai/gpt-4o"`.
fn from_table(entry: &Entry, model: &str, currency: Currency, mistakes: &mut Mistakes) -> Option<ModelPrice> {
    let written = values::text(entry, mistakes)?;
    if currency != Currency::USD {
        let what = format!("The price table is in USD, and this catalog in {currency}.");
        mistakes.add(entry.span(), what, format!("Write the model's own prices, such as {MODEL_EXAMPLE}."));
        return None;
    }
    let (provider, model) = written.split_once('/').unwrap_or((written, model));
    let price = model_prices::find(provider, model);
    if price.is_none() {
        let what = format!("The price table has no model `{model}` of a provider `{provider}`.");
        let mut fix = match model_prices::models_of(provider).collect::<Vec<_>>() {
            models if models.is_empty() => did_you_mean(provider, model_prices::providers()),
            models => did_you_mean(model, models),
        };
        fix.push_str(" Prices of your own are written { input = \"0.15\", output = \"0.60\" }.");
        mistakes.add(entry.span(), what, fix);
    }
    price
}

/// The price a section names, standing on `table_price` where it names none.
fn read_price(section: &mut Section, table_price: Option<ModelPrice>, mistakes: &mut Mistakes) -> Option<ModelPrice> {
    let written = read_prices(section, mistakes);
    let base = table_price.as_ref().map(|price| price.prices);
    let prices = complete(section, written, base, mistakes);
    let tiers = match section.get("tiers") {
        Some(entry) => read_tiers(&entry, prices, mistakes),
        None => table_price.map(|price| price.tiers).unwrap_or_default(),
    };
    Some(ModelPrice { prices: prices?, tiers })
}

fn read_prices(section: &mut Section, mistakes: &mut Mistakes) -> WrittenPrices {
    let mut price = |key: &'static str| {
        let entry = section.get(key)?;
        values::decimal(&entry, PRICE_PLACES, "\"0.15\"", mistakes).map(PicoUsd::from_pico)
    };
    WrittenPrices {
        input: price("input"),
        output: price("output"),
        cached_input: price("cached"),
        cache_write: price("cache_write"),
        reasoning: price("reasoning"),
        audio_input: price("audio_input"),
        audio_output: price("audio_output"),
    }
}

fn complete(
    section: &mut Section,
    written: WrittenPrices,
    base: Option<TokenPrices>,
    mistakes: &mut Mistakes,
) -> Option<TokenPrices> {
    let mut required = |key: &'static str, written: Option<PicoUsd>, base: Option<PicoUsd>| {
        let found = written.or(base);
        if found.is_none() && section.get(key).is_none() {
            let what = format!("{} is missing.", section.label(key));
            let fix = "Write `input` and `output` in money for a million tokens, such as \"0.15\".";
            mistakes.add(section.span.clone(), what, fix);
        }
        found
    };
    let input = required("input", written.input, base.map(|base| base.input));
    let output = required("output", written.output, base.map(|base| base.output));
    Some(TokenPrices {
        input: input?,
        output: output?,
        cached_input: written.cached_input.or(base.and_then(|base| base.cached_input)),
        cache_write: written.cache_write.or(base.and_then(|base| base.cache_write)),
        reasoning: written.reasoning.or(base.and_then(|base| base.reasoning)),
        audio_input: written.audio_input.or(base.and_then(|base| base.audio_input)),
        audio_output: written.audio_output.or(base.and_then(|base| base.audio_output)),
    })
}

fn read_tiers(entry: &Entry, base: Option<TokenPrices>, mistakes: &mut Mistakes) -> Vec<PriceTier> {
    let DeValue::Array(items) = entry.value.get_ref() else {
        let what = format!("{} is {}, not a list.", entry.label, values::kind_of(entry.value.get_ref()));
        let fix = "Write it as [{ above_prompt_tokens = 200_000, input = \"6\", output = \"22.5\" }].";
        mistakes.add(entry.span(), what, fix);
        return Vec::new();
    };
    let mut tiers: Vec<PriceTier> = Vec::new();
    for item in items.iter() {
        let item = values::item_of(entry, item);
        let example = "{ above_prompt_tokens = 200_000, input = \"6\", output = \"22.5\" }";
        let Some(mut section) = Section::of_entry("a price tier", &item, example, mistakes) else { continue };
        let above = section.whole_number("above_prompt_tokens", 1..=u32::MAX, mistakes);
        if section.get("above_prompt_tokens").is_none() {
            let fix = "Write the prompt length past which these prices hold: above_prompt_tokens = 200_000.";
            mistakes.add(section.span.clone(), "A price tier does not say where it begins.", fix);
        }
        let written = read_prices(&mut section, mistakes);
        let prices = complete(&mut section, written, base, mistakes);
        section.finish(mistakes);
        let (Some(above), Some(prices)) = (above, prices) else { continue };
        let above_prompt_tokens = u64::from(above);
        if tiers.iter().any(|tier| tier.above_prompt_tokens == above_prompt_tokens) {
            let what = format!("Two price tiers begin above {above} prompt tokens.");
            mistakes.add(item.span(), what, "Keep one of them.");
        }
        tiers.push(PriceTier { above_prompt_tokens, prices });
    }
    tiers.sort_by_key(|tier| tier.above_prompt_tokens);
    tiers
}

pub(super) fn read_groups(
    top: &mut Section,
    models: &BTreeMap<Name, ModelPrice>,
    mistakes: &mut Mistakes,
) -> BTreeMap<Name, Vec<Name>> {
    let Some(entry) = top.get("model_groups") else { return BTreeMap::new() };
    let example = "a table, with lines such as basic = [\"gpt-4o-mini\"]";
    let Some(groups) = Section::of_entry("the model groups", &entry, example, mistakes) else {
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for entry in groups.entries() {
        if !values::plain_name(&entry, "group of models", mistakes) {
            continue;
        }
        if models.contains_key(entry.key) {
            let what = format!("`{}` names a group and a model.", entry.key);
            mistakes.add(entry.key_span.clone(), what, "Give the group another name.");
        }
        read.insert(Name::from(entry.key), read_group(&entry, models, mistakes));
    }
    read
}

fn read_group(entry: &Entry, models: &BTreeMap<Name, ModelPrice>, mistakes: &mut Mistakes) -> Vec<Name> {
    let DeValue::Array(items) = entry.value.get_ref() else {
        let what = format!("{} is {}, not a list.", entry.label, values::kind_of(entry.value.get_ref()));
        mistakes.add(entry.span(), what, "Write the models in brackets, such as [\"gpt-4o-mini\"].");
        return Vec::new();
    };
    let mut members = Vec::new();
    for item in items.iter() {
        let item = values::item_of(entry, item);
        let Some(model) = values::text(&item, mistakes) else { continue };
        if !models.is_empty() && !models.contains_key(model) {
            let what = format!("{} names the model `{model}`, which has no price.", entry.label);
            let fix = format!("{} Or add [models.\"{model}\"].", did_you_mean(model, models.keys().map(Name::as_str)));
            mistakes.add(item.span(), what, fix);
        }
        members.push(Name::from(model));
    }
    members
}
