//! What only shows when the plans are seen together.

use std::collections::BTreeMap;

use super::plans::{PlanDraft, lookup_keys};
use super::settings::Settings;
use crate::catalog::ALLOWED_MODELS;
use crate::catalog::mistakes::{Mistakes, did_you_mean};
use crate::catalog::plan::{Past, PlanPrice, RateLimit};
use crate::name::Name;

pub(super) fn check(
    settings: &Settings,
    plans: &[PlanDraft],
    base_rates: &BTreeMap<Name, RateLimit>,
    mistakes: &mut Mistakes,
) {
    check_default_plan(settings, plans, mistakes);
    check_ranks(plans, mistakes);
    check_popular(plans, mistakes);
    check_lookup_keys(plans, mistakes);
    check_stripe_meters(plans, mistakes);
    check_allowed_models_everywhere(plans, mistakes);
    check_rates_rise(plans, base_rates, mistakes);
}

fn check_default_plan(settings: &Settings, plans: &[PlanDraft], mistakes: &mut Mistakes) {
    let Some((name, span)) = &settings.default_plan else { return };
    match plans.iter().find(|draft| draft.plan.key == *name) {
        None => {
            let what = format!("`default_plan` names the plan `{name}`, which the catalog does not have.");
            let fix = did_you_mean(name.as_str(), plans.iter().map(|draft| draft.plan.key.as_str()));
            mistakes.add(span.clone(), what, fix);
        }
        Some(draft) if draft.plan.price != PlanPrice::Free => {
            let what = format!("`default_plan` is `{name}`, which has a price.");
            let fix = "Name a free plan, or leave `default_plan` out so that a subscription is required.";
            mistakes.add(span.clone(), what, fix);
        }
        Some(_) => {}
    }
}

fn check_ranks(plans: &[PlanDraft], mistakes: &mut Mistakes) {
    if plans.iter().all(|draft| draft.rank_span.is_none()) {
        // Without ranks the order of the file is the order of the plans.
        return;
    }
    for (position, draft) in plans.iter().enumerate() {
        let Some(span) = &draft.rank_span else {
            let what = format!("Plan `{}` has no rank, while others have one.", draft.plan.key);
            mistakes.add(draft.key_span.clone(), what, "Give every plan a `rank`, or none to rank them as they stand.");
            continue;
        };
        let ranked = plans[..position].iter().filter(|other| other.rank_span.is_some());
        if let Some(other) = ranked.into_iter().find(|other| other.plan.rank == draft.plan.rank) {
            let what = format!("Plans `{}` and `{}` have the same rank.", other.plan.key, draft.plan.key);
            mistakes.add(span.clone(), what, "Give each plan a rank of its own; the better plan has the higher one.");
        }
    }
}

fn check_popular(plans: &[PlanDraft], mistakes: &mut Mistakes) {
    let mut popular = plans.iter().filter_map(|draft| Some((draft, draft.popular_span.clone()?)));
    let Some((first, _)) = popular.next() else { return };
    for (other, span) in popular {
        let what = format!("Plans `{}` and `{}` are both the popular one.", first.plan.key, other.plan.key);
        mistakes.add(span, what, "Keep `popular` on one plan.");
    }
}

fn check_lookup_keys(plans: &[PlanDraft], mistakes: &mut Mistakes) {
    let mut owners: BTreeMap<&str, &Name> = BTreeMap::new();
    for draft in plans {
        for (_, lookup_key) in lookup_keys(draft) {
            let Some(owner) = owners.insert(lookup_key, &draft.plan.key) else { continue };
            let what = format!(
                "The Stripe lookup key `{lookup_key}` stands for prices of `{owner}` and `{}`.",
                draft.plan.key
            );
            mistakes.add(draft.key_span.clone(), what, "Give each price a lookup key of its own.");
        }
    }
}

/// Stripe adds up all events of one name, whatever they count.
fn check_stripe_meters(plans: &[PlanDraft], mistakes: &mut Mistakes) {
    let mut counted: BTreeMap<&str, &Name> = BTreeMap::new();
    for draft in plans {
        for limit in &draft.plan.limits {
            let Past::Charge { stripe_meter: Some(event), .. } = &limit.past else { continue };
            let first = *counted.entry(event.as_str()).or_insert(&limit.meter);
            if *first != limit.meter {
                let what = format!("The meter `{event}` at Stripe stands for both `{first}` and `{}`.", limit.meter);
                mistakes.add(draft.key_span.clone(), what, "Give each meter a `stripe_meter` of its own.");
            }
        }
    }
}

/// A plan that says nothing about models allows all of them; beside plans that restrict them that is an oversight.
fn check_allowed_models_everywhere(plans: &[PlanDraft], mistakes: &mut Mistakes) {
    let Some(restricted) = plans.iter().find(|draft| draft.plan.features.contains_key(ALLOWED_MODELS)) else { return };
    for draft in plans.iter().filter(|draft| !draft.plan.features.contains_key(ALLOWED_MODELS)) {
        let what = format!(
            "Plan `{}` does not say which models it allows, while plan `{}` does.",
            draft.plan.key, restricted.plan.key
        );
        mistakes.add(draft.key_span.clone(), what, "Add allowed_models = [\"*\"] to its features, or name them.");
    }
}

/// Who pays for a higher plan is never slower than on a lower one.
fn check_rates_rise(plans: &[PlanDraft], base_rates: &BTreeMap<Name, RateLimit>, mistakes: &mut Mistakes) {
    let mut by_rank: Vec<&PlanDraft> = plans.iter().filter(|draft| draft.plan.active).collect();
    by_rank.sort_by_key(|draft| draft.plan.rank);
    for pair in by_rank.windows(2) {
        let [lower, higher] = pair else { continue };
        let scopes = base_rates.keys().chain(lower.plan.rates.keys().filter(|scope| !base_rates.contains_key(*scope)));
        for scope in scopes {
            let (Some(below), Some(above)) =
                (lower.plan.rate_limit(scope.as_str(), base_rates), higher.plan.rate_limit(scope.as_str(), base_rates))
            else {
                continue;
            };
            if above.is_slower_than(below) {
                let what = format!(
                    "Plan `{}` allows `{scope}` {above}, less than the lower plan `{}` with {below}.",
                    higher.plan.key, lower.plan.key
                );
                let fix = "Raise its rate, or its `rate_multiplier`, to at least the lower plan's.";
                mistakes.add(higher.rates_span.clone(), what, fix);
            }
        }
    }
}
