//! What a customer would notice when one catalog takes the place of another.
//!
//! [`diff`] gives readable lines, plan by plan; [`plans_with_a_new_version`] says which plans are stored anew. Subscribers
//! keep the version they have until they are moved, so a line about a plan concerns who buys from now on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::plan::{Enforce, Interval, Limit, Plan, PlanPrice, RateLimit};
use super::{Catalog, MeterKind, UnknownModel, words};
use crate::money::Currency;
use crate::name::Name;
use crate::pricing::{ModelPrice, TokenPrices};

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The plan it concerns; `None` when it concerns the whole catalog.
    pub plan: Option<Name>,
    /// `limit requests per period 10,000 → 20,000`
    pub what: String,
}

/// `pro: limit requests per period 10,000 → 20,000`
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.plan {
            Some(plan) => write!(f, "{plan}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Every difference: first what concerns all plans, then plan by plan in the order of their names.
pub fn diff(old: &Catalog, new: &Catalog) -> Vec<Change> {
    let mut changes = Changes { plan: None, found: Vec::new() };
    compare_settings(old, new, &mut changes);
    compare_meters(old, new, &mut changes);
    compare_models(old, new, &mut changes);
    let keys: BTreeSet<&Name> = old.plans.keys().chain(new.plans.keys()).collect();
    for key in keys {
        changes.plan = Some(key.clone());
        match (old.plans.get(key), new.plans.get(key)) {
            (Some(before), Some(after)) => compare_plans((old, before), (new, after), &mut changes),
            (None, Some(_)) => changes.say("new plan"),
            (Some(_), None) => changes.say("no longer in the catalog; its subscribers keep the version they have"),
            (None, None) => {}
        }
    }
    changes.found
}

/// The plans whose content differs from the old catalog's, new ones included.
pub fn plans_with_a_new_version(old: &Catalog, new: &Catalog) -> Vec<Name> {
    let changed = new.plans.iter().filter(|(key, plan)| old.plans.get(*key) != Some(plan));
    changed.map(|(key, _)| key.clone()).collect()
}

struct Changes {
    plan: Option<Name>,
    found: Vec<Change>,
}

impl Changes {
    fn say(&mut self, what: impl Into<String>) {
        self.found.push(Change { plan: self.plan.clone(), what: what.into() });
    }

    /// `name before → after`, when they differ.
    fn compare(&mut self, name: &str, before: impl fmt::Display, after: impl fmt::Display) {
        let (before, after) = (before.to_string(), after.to_string());
        if before != after {
            self.say(format!("{name} {before} → {after}"));
        }
    }

    /// For texts too long to be shown twice.
    fn compare_silently<T: PartialEq>(&mut self, name: &str, before: &T, after: &T) {
        if before != after {
            self.say(format!("{name} changed"));
        }
    }
}

fn compare_settings(old: &Catalog, new: &Catalog, changes: &mut Changes) {
    changes.compare("product", &old.product, &new.product);
    changes.compare("currency", &old.currency, &new.currency);
    let default_plan = |catalog: &Catalog| catalog.default_plan.as_ref().map_or("none".to_owned(), Name::to_string);
    changes.compare("default plan", default_plan(old), default_plan(new));
    let markup = |catalog: &Catalog| {
        let mut text = String::new();
        crate::quantity::write_decimal(&mut text, catalog.markup_millionths_percent, 6)
            .expect("writing to a string cannot fail");
        format!("{text} %")
    };
    changes.compare("markup", markup(old), markup(new));
    changes.compare("limits are", enforce(old.enforce), enforce(new.enforce));
    changes.compare("warnings at", percentages(old), percentages(new));
    let grace = |catalog: &Catalog| format!("{} days", catalog.grace_days);
    changes.compare("grace after a failed payment", grace(old), grace(new));
    changes.compare_silently("credit packs", &old.credit_packs, &new.credit_packs);
    changes.compare_silently("voice formulas", &old.voice, &new.voice);
    changes.compare("models without a price:", unknown(&old.unknown_model), unknown(&new.unknown_model));
}

fn enforce(enforce: Enforce) -> &'static str {
    match enforce {
        Enforce::Enforce => "enforced",
        Enforce::Observe => "observed only",
    }
}

fn percentages(catalog: &Catalog) -> String {
    let percentages: Vec<String> = catalog.warn_at_percent.iter().map(|percent| format!("{percent} %")).collect();
    if percentages.is_empty() { "none".to_owned() } else { percentages.join(", ") }
}

fn unknown(unknown: &UnknownModel) -> String {
    match unknown {
        UnknownModel::Refuse => "refused".to_owned(),
        UnknownModel::Price(price) => model_price(price),
    }
}

fn compare_meters(old: &Catalog, new: &Catalog, changes: &mut Changes) {
    let kind = |kind: MeterKind| if kind == MeterKind::Level { "a level" } else { "a sum" };
    compare_maps(&old.meters, &new.meters, changes, |name, before, after, changes| match (before, after) {
        (Some(before), Some(after)) => {
            changes.compare(&format!("meter {name} is"), kind(before.kind), kind(after.kind));
            changes.compare_silently(&format!("what feeds meter {name}"), &before.feed, &after.feed);
            changes.compare(&format!("unit of meter {name}"), &before.unit, &after.unit);
        }
        (None, _) => changes.say(format!("new meter {name}")),
        (_, None) => changes.say(format!("meter {name} is gone")),
    });
}

fn compare_models(old: &Catalog, new: &Catalog, changes: &mut Changes) {
    compare_maps(&old.models, &new.models, changes, |name, before, after, changes| match (before, after) {
        (Some(before), Some(after)) => {
            changes.compare(&format!("model {name}"), model_price(before), model_price(after));
        }
        (None, Some(after)) => changes.say(format!("new model {name}, {}", model_price(after))),
        (_, None) => changes.say(format!("model {name} is gone")),
    });
    let members = |group: Option<&Vec<Name>>| match group {
        Some(models) => models.iter().map(Name::as_str).collect::<Vec<_>>().join(", "),
        None => "none".to_owned(),
    };
    compare_maps(&old.model_groups, &new.model_groups, changes, |name, before, after, changes| {
        changes.compare(&format!("models in group {name}:"), members(before), members(after));
    });
}

/// `input 0.15, output 0.6, cached 0.075 per million tokens`
fn model_price(price: &ModelPrice) -> String {
    let mut text = token_prices(&price.prices);
    for tier in &price.tiers {
        let above =
            words::quantity(crate::quantity::Quantity::from_units(tier.above_prompt_tokens as i64).unwrap_or_default());
        text.push_str(&format!("; above {above} prompt tokens {}", token_prices(&tier.prices)));
    }
    format!("{text} per million tokens")
}

fn token_prices(prices: &TokenPrices) -> String {
    let kinds = [
        ("input", Some(prices.input)),
        ("output", Some(prices.output)),
        ("cached", prices.cached_input),
        ("cache write", prices.cache_write),
        ("reasoning", prices.reasoning),
        ("audio input", prices.audio_input),
        ("audio output", prices.audio_output),
    ];
    let priced = kinds.iter().filter_map(|(kind, price)| Some(format!("{kind} {}", (*price)?.per_million_tokens())));
    priced.collect::<Vec<_>>().join(", ")
}

fn compare_plans((old, before): (&Catalog, &Plan), (new, after): (&Catalog, &Plan), changes: &mut Changes) {
    changes.compare("name", &before.name, &after.name);
    changes.compare("rank", before.rank, after.rank);
    let sold = |plan: &Plan| if plan.active { "sold" } else { "retired" };
    changes.compare("is", sold(before), sold(after));
    let popular = |plan: &Plan| if plan.popular { "yes" } else { "no" };
    changes.compare("most popular:", popular(before), popular(after));
    changes.compare_silently("description", &before.description, &after.description);
    changes.compare_silently("selling points", &before.selling_points, &after.selling_points);
    compare_prices((old.money_currency(), &before.price), (new.money_currency(), &after.price), changes);
    let trial = |plan: &Plan| match (plan.trial_days, plan.trial_needs_card) {
        (0, _) => "none".to_owned(),
        (days, true) => format!("{days} days with a card"),
        (days, false) => format!("{days} days without a card"),
    };
    changes.compare("trial", trial(before), trial(after));
    compare_limits((old, before), (new, after), changes);
    let feature = |value: Option<&_>| value.map_or("not included".to_owned(), words::feature);
    compare_maps(&before.features, &after.features, changes, |name, before, after, changes| {
        changes.compare(&format!("feature {name}"), feature(before), feature(after));
    });
    compare_rates((old, before), (new, after), changes);
    compare_stripe_names(before, after, changes);
}

fn compare_prices(
    (old_currency, before): (Currency, &PlanPrice),
    (new_currency, after): (Currency, &PlanPrice),
    changes: &mut Changes,
) {
    for interval in Interval::ALL {
        let name = format!("{} price", interval.as_str());
        let (old_price, new_price) =
            (words::price(before, interval, old_currency), words::price(after, interval, new_currency));
        changes.compare(&name, old_price, new_price);
    }
    fn others(price: &PlanPrice) -> Option<&BTreeMap<String, BTreeMap<Interval, i64>>> {
        match price {
            PlanPrice::Paid { other_currencies, .. } => Some(other_currencies),
            PlanPrice::Free | PlanPrice::Custom => None,
        }
    }
    changes.compare_silently("prices in other currencies", &others(before), &others(after));
}

fn compare_limits((old, before): (&Catalog, &Plan), (new, after): (&Catalog, &Plan), changes: &mut Changes) {
    let by_name = |plan: &Plan| -> BTreeMap<Name, Limit> {
        plan.limits.iter().map(|limit| (Name::from(words::limit_name(limit)), limit.clone())).collect()
    };
    let (old_currency, new_currency) = (old.money_currency(), new.money_currency());
    compare_maps(&by_name(before), &by_name(after), changes, |name, before, after, changes| match (before, after) {
        (Some(before), Some(after)) => {
            let (old_amount, new_amount) =
                (words::limit_amount(before, old_currency), words::limit_amount(after, new_currency));
            changes.compare(&format!("limit {name}"), old_amount, new_amount);
            changes.compare(
                &format!("past {name}:"),
                words::past(before, old_currency),
                words::past(after, new_currency),
            );
            changes.compare(&format!("limit {name} is"), enforce(before.enforce), enforce(after.enforce));
            changes.compare(&format!("status past {name}"), before.denied_status, after.denied_status);
        }
        (None, Some(after)) => changes.say(format!("new limit {name} {}", words::limit_amount(after, new_currency))),
        (_, None) => changes.say(format!("no limit {name} any more")),
    });
}

/// Rates as customers have them: a plan's own, or the base ones times its multiplier.
fn compare_rates((old, before): (&Catalog, &Plan), (new, after): (&Catalog, &Plan), changes: &mut Changes) {
    let scopes: BTreeSet<&Name> =
        [&old.rates, &new.rates, &before.rates, &after.rates].into_iter().flat_map(BTreeMap::keys).collect();
    let text = |rate: Option<RateLimit>| rate.map_or(words::UNLIMITED.to_owned(), |rate| rate.to_string());
    for scope in scopes {
        let (old_rate, new_rate) =
            (before.rate_limit(scope.as_str(), &old.rates), after.rate_limit(scope.as_str(), &new.rates));
        changes.compare(&format!("rate {scope}"), text(old_rate), text(new_rate));
    }
}

fn compare_stripe_names(before: &Plan, after: &Plan, changes: &mut Changes) {
    let name = |text: Option<&String>| text.map_or("none".to_owned(), String::clone);
    changes.compare("Stripe product", name(before.stripe_product.as_ref()), name(after.stripe_product.as_ref()));
    for interval in Interval::ALL {
        let key = |plan: &Plan| name(plan.stripe_lookup_keys.get(&interval));
        changes.compare(&format!("Stripe {} lookup key", interval.as_str()), key(before), key(after));
    }
}

/// Calls `compare` for every name that either has; where neither side is there, it is not called.
fn compare_maps<T>(
    old: &BTreeMap<Name, T>,
    new: &BTreeMap<Name, T>,
    changes: &mut Changes,
    compare: impl Fn(&Name, Option<&T>, Option<&T>, &mut Changes),
) {
    let names: BTreeSet<&Name> = old.keys().chain(new.keys()).collect();
    for name in names {
        compare(name, old.get(name), new.get(name), changes);
    }
}
