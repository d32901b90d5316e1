//! The plans.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeValue;

use super::section::{Entry, Section};
use super::{Context, limits, prices, settings, values};
use crate::catalog::ALLOWED_MODELS;
use crate::catalog::mistakes::{Mistakes, did_you_mean};
use crate::catalog::plan::{FeatureValue, Interval, Plan, PlanPrice};
use crate::name::Name;

/// Stripe takes no longer trial.
const LONGEST_TRIAL_DAYS: u32 = 730;
const HUNDREDTHS_PLACES: usize = 2;
const ONCE_IN_HUNDREDTHS: u32 = 100;

/// A plan as it was read, and where the parts stand that are compared between plans.
pub(super) struct PlanDraft {
    pub(super) plan: Plan,
    pub(super) key_span: Range<usize>,
    pub(super) rank_span: Option<Range<usize>>,
    pub(super) popular_span: Option<Range<usize>>,
    pub(super) rates_span: Range<usize>,
}

pub(super) fn read(top: &mut Section, context: &Context, mistakes: &mut Mistakes) -> Vec<PlanDraft> {
    let missing = "Add a table for each plan, such as [plans.free].";
    let Some(entry) = top.get("plans") else {
        mistakes.add(0..0, "The catalog has no plans.", missing);
        return Vec::new();
    };
    let Some(section) = Section::of_entry("the plans", &entry, "tables, such as [plans.free]", mistakes) else {
        return Vec::new();
    };
    if section.is_empty() {
        mistakes.add(entry.key_span.clone(), "The catalog has no plans.", missing);
    }
    let mut drafts: Vec<PlanDraft> = Vec::new();
    for (position, entry) in section.entries().iter().enumerate() {
        values::plain_name(entry, "plan", mistakes);
        let example = format!("a table, [plans.{}]", entry.key);
        let Some(plan) = Section::of_entry(format!("plan {}", entry.key), entry, &example, mistakes) else { continue };
        drafts.push(read_plan(plan, entry, position, context, mistakes));
    }
    drafts
}

fn read_plan(
    mut section: Section,
    entry: &Entry,
    position: usize,
    context: &Context,
    mistakes: &mut Mistakes,
) -> PlanDraft {
    let rank_span = section.get("rank").map(|entry| entry.span());
    let popular_span = section.get("popular").map(|entry| entry.span());
    let rates_span = section.get("rates").map_or(entry.key_span.clone(), |entry| entry.key_span.clone());
    let rank = section.whole_number("rank", 0..=1_000_000, mistakes);
    let name = section.text("name", mistakes).unwrap_or_else(|| display_name(entry.key));
    let description = section.text("description", mistakes).unwrap_or_default();
    let price = prices::read_price(&mut section, context.currency, mistakes);
    let stripe = prices::read_stripe(&mut section, entry.key, &price, mistakes);
    let (trial_days, trial_needs_card) = read_trial(&mut section, &price, mistakes);
    let limits = limits::read(&mut section, &price, context, mistakes);
    let plan = Plan {
        key: Name::from(entry.key),
        name,
        rank: rank.unwrap_or(position as u32),
        description,
        selling_points: section
            .get("selling_points")
            .and_then(|entry| values::texts(&entry, mistakes))
            .unwrap_or_default(),
        price,
        trial_days,
        trial_needs_card,
        popular: section.boolean("popular", mistakes).unwrap_or(false),
        active: section.boolean("active", mistakes).unwrap_or(true),
        limits,
        features: read_features(&mut section, context, mistakes),
        rates: settings::read_rates(&mut section, mistakes),
        rate_multiplier_hundredths: read_multiplier(&mut section, mistakes),
        stripe_lookup_keys: stripe.lookup_keys,
        stripe_product: stripe.product,
    };
    section.finish(mistakes);
    PlanDraft {
        popular_span: popular_span.filter(|_| plan.popular),
        plan,
        key_span: entry.key_span.clone(),
        rank_span,
        rates_span,
    }
}

/// `pro_plus` is shown as `Pro plus`.
fn display_name(key: &str) -> String {
    let spaced = key.replace(['_', '-'], " ");
    let mut letters = spaced.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn read_trial(section: &mut Section, price: &PlanPrice, mistakes: &mut Mistakes) -> (u32, bool) {
    let days_entry = section.get("trial_days");
    let days = section.whole_number("trial_days", 0..=LONGEST_TRIAL_DAYS, mistakes).unwrap_or(0);
    let card_entry = section.get("trial_card");
    let needs_card = section.boolean("trial_card", mistakes);
    if let Some(entry) = days_entry
        && days > 0
        && !matches!(price, PlanPrice::Paid { .. })
    {
        let what = format!("{} is set, but the plan has no price to try it without.", entry.label);
        mistakes.add(entry.key_span, what, "Give the plan a price, or leave `trial_days` out.");
    }
    if let Some(entry) = card_entry
        && days == 0
    {
        let what = format!("{} is set, but the plan has no trial.", entry.label);
        mistakes.add(entry.key_span, what, "Add `trial_days`, or leave `trial_card` out.");
    }
    (days, needs_card.unwrap_or(true))
}

fn read_multiplier(section: &mut Section, mistakes: &mut Mistakes) -> u32 {
    let Some(entry) = section.get("rate_multiplier") else { return ONCE_IN_HUNDREDTHS };
    let Some(hundredths) = values::decimal(&entry, HUNDREDTHS_PLACES, "2.0", mistakes) else {
        return ONCE_IN_HUNDREDTHS;
    };
    let fits = u32::try_from(hundredths).ok().filter(|hundredths| (1..=100_000_000).contains(hundredths));
    fits.unwrap_or_else(|| {
        let what = format!("{} is not from 0.01 to 1000000.", entry.label);
        mistakes.add(entry.span(), what, "Write how many times the base rates the plan has, such as 2.0.");
        ONCE_IN_HUNDREDTHS
    })
}

fn read_features(section: &mut Section, context: &Context, mistakes: &mut Mistakes) -> BTreeMap<Name, FeatureValue> {
    let Some(entry) = section.get("features") else { return BTreeMap::new() };
    let name = format!("the features of {}", section.name());
    let Some(features) = Section::of_entry(name, &entry, "a table, with lines such as api_access = true", mistakes)
    else {
        return BTreeMap::new();
    };
    let mut read = BTreeMap::new();
    for entry in features.entries() {
        if !values::plain_name(&entry, "feature", mistakes) {
            continue;
        }
        if let Some(value) = read_feature(&entry, context, mistakes) {
            read.insert(Name::from(entry.key), value);
        }
    }
    read
}

fn read_feature(entry: &Entry, context: &Context, mistakes: &mut Mistakes) -> Option<FeatureValue> {
    let value = match entry.value.get_ref() {
        DeValue::Boolean(value) => Some(FeatureValue::Boolean(*value)),
        DeValue::Integer(number) => values::integer(number).map(FeatureValue::Number),
        DeValue::String(text) if text == "*" => Some(FeatureValue::List(vec![Name::from("*")])),
        DeValue::Array(items) => {
            let mut names = Vec::new();
            for item in items.iter() {
                let item = values::item_of(entry, item);
                let Some(text) = values::text(&item, mistakes) else { continue };
                if entry.key == ALLOWED_MODELS {
                    check_allowed_model(&item, text, context, mistakes);
                }
                names.push(Name::from(text));
            }
            return Some(FeatureValue::List(names));
        }
        _ => None,
    };
    let is_list = matches!(value, Some(FeatureValue::List(_)));
    if value.is_none() || (entry.key == ALLOWED_MODELS && !is_list) {
        let what = format!("{} is {}.", entry.label, values::kind_of(entry.value.get_ref()));
        let fix = if entry.key == ALLOWED_MODELS {
            "Write models or groups in brackets, or [\"*\"] for all."
        } else {
            "Write true, false, a whole number, or text in brackets, such as [\"pdf\", \"csv\"]."
        };
        mistakes.add(entry.span(), what, fix);
        return None;
    }
    value
}

/// A catalog without models of its own may name any: there is nothing to hold the name against.
fn check_allowed_model(item: &Entry, name: &str, context: &Context, mistakes: &mut Mistakes) {
    let nothing_declared = context.models.is_empty() && context.model_groups.is_empty();
    let known = name == "*" || context.models.contains_key(name) || context.model_groups.contains_key(name);
    if known || nothing_declared {
        return;
    }
    let names = context.model_groups.keys().chain(context.models.keys()).map(Name::as_str);
    let what = format!("{} is `{name}`, which is neither a model nor a group of models.", item.label);
    mistakes.add(item.span(), what, format!("{} Or add [models.\"{name}\"].", did_you_mean(name, names)));
}

/// The lookup key of each interval, for finding one that two plans share.
pub(super) fn lookup_keys(draft: &PlanDraft) -> impl Iterator<Item = (&Interval, &String)> {
    draft.plan.stripe_lookup_keys.iter()
}
