//! What must have been charged for usage past limits. A unit is charged by the plan that it was used under if it was past
//! that plan's limit then, and by no other: each use tells the limit that it was judged by, and Stripe's objects tell the
//! plan that was paid for. Where the two agree, it is known what must be charged; where they do not, because a change was
//! learned late, it is known between which bounds.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::DAY;
use super::history::{Customer, Prices, Used};
use super::oracle::{AtStripe, plan_before};

/// Charges for a window come with the invoice that closes it, or two days later at the latest.
const CHARGED_WITHIN: i64 = 3 * DAY;
/// Windows that were over so long ago are not looked at any more.
const LOOKED_AT: i64 = 60 * DAY;
/// The plan `basic`: 50 cents for each 100 tokens past so many, and no more in a window than this.
const INCLUDED: i64 = 1_000;
const MOST_CENTS: i64 = 500;
/// What happens within such a time may have come in either order.
const AT_ONCE_SECONDS: i64 = 2;

/// What is charged for something, at least and at most, in tokens.
#[derive(Clone, Copy, Default, Debug)]
struct Bounds {
    least: i64,
    most: i64,
}

pub fn compare_overage(prices: &Prices, seen: &AtStripe, customer: &Customer, wrong: &mut Vec<String>) {
    let mut charges: BTreeMap<&str, &Value> = BTreeMap::new();
    for item in &seen.items {
        let Some(name) = item["metadata"]["tollway_overage"].as_str() else { continue };
        if charges.insert(name, item).is_some() {
            wrong.push(format!("a part is charged twice: {item:#}"));
        }
    }
    let mut windows: BTreeMap<i64, Vec<Used>> = BTreeMap::new();
    for used in &customer.used {
        if let Some(resets_at) = used.resets_at {
            windows.entry(resets_at).or_default().push(*used);
        }
    }
    for (end, used) in &windows {
        let own: Vec<&Value> = charges.values().copied().filter(|item| is_of(item, *end, used[0].at)).collect();
        charges.retain(|_, item| !is_of(item, *end, used[0].at));
        let charged: i64 = own.iter().filter_map(|item| item["amount"].as_i64()).sum();
        let bounds = bounds(prices, seen, customer, (*end, used));
        // Each line is rounded by itself.
        let slack = own.len() as i64 + 1;
        let cents = |tokens: i64| (tokens / 2).min(MOST_CENTS);
        let (least, most) = (cents(bounds.least) - slack, cents(bounds.most) + slack);
        let is_over = end + CHARGED_WITHIN < seen.now && end + LOOKED_AT > seen.now;
        if charged > most || (is_over && charged < least) {
            let told = format!("the window to {end} is charged {charged}, and it costs {bounds:?} tokens: {used:#?}");
            wrong.push(format!("{told} {own:#?}"));
        }
    }
    if !charges.is_empty() {
        wrong.push(format!("what is charged cannot be explained: {charges:#?} by {windows:#?}"));
    }
}

/// A month's windows all begin at the same time of the day.
fn is_of(item: &Value, end: i64, first_use: i64) -> bool {
    let Some(start) = item["period"]["start"].as_i64() else { return false };
    let long = end - start;
    start <= first_use && long % DAY == 0 && (28 * DAY..=31 * DAY).contains(&long)
}

fn bounds(prices: &Prices, seen: &AtStripe, customer: &Customer, (end, used): (i64, &[Used])) -> Bounds {
    let mut sum = Bounds::default();
    for one in used {
        let past = one.used - INCLUDED.max(one.used - one.quantity);
        if past <= 0 {
            continue;
        }
        let was_told = one.limit == Some(INCLUDED);
        let paid = |at: i64| seen.subscriptions.iter().any(|running| gave_basic(prices, seen, customer, running, at));
        let around = [one.at - AT_ONCE_SECONDS, one.at, one.at + AT_ONCE_SECONDS].map(paid);
        let is_sure = was_told && around.iter().all(|paid| *paid) && !is_of_former_cycle(seen, one.at, end);
        let is_possible = (was_told || around.contains(&true)) && !is_after_all(seen, one.at);
        sum.least += if is_sure && !was_changed_silently(customer, end) { past } else { 0 };
        sum.most += if is_possible { past } else { 0 };
    }
    // What was used while nothing was known of the limit that was paid for.
    let unlimited =
        customer.used.iter().filter(|one| one.resets_at.is_none() && one.at < end && end - 32 * DAY < one.at);
    sum.most += unlimited.map(|one| one.quantity).sum::<i64>();
    sum
}

fn gave_basic(prices: &Prices, seen: &AtStripe, customer: &Customer, subscription: &Value, at: i64) -> bool {
    let runs = subscription["created"].as_i64().is_some_and(|created| created < at)
        && (subscription["ended_at"].is_null() || subscription["ended_at"].as_i64() > Some(at));
    runs && plan_before(prices, seen, (customer, subscription), at + 1).as_deref() == Some("basic")
}

/// A cycle had begun anew, and nobody here knew: what is counted in a window of the former one then is in none of its own.
fn is_of_former_cycle(seen: &AtStripe, at: i64, end: i64) -> bool {
    let anchors = seen.subscriptions.iter().filter_map(|one| one["billing_cycle_anchor"].as_i64());
    let begun = anchors.filter(|anchor| *anchor <= at);
    begun.max().is_none_or(|anchor| (end - anchor) % DAY != 0)
}

/// Everything that ran had ended.
fn is_after_all(seen: &AtStripe, at: i64) -> bool {
    seen.subscriptions.iter().all(|one| one["ended_at"].as_i64().is_some_and(|ended| ended + 2 * AT_ONCE_SECONDS < at))
}

/// A change at Stripe that was not billed leaves nothing behind that says when it was.
fn was_changed_silently(customer: &Customer, end: i64) -> bool {
    customer.set_silently.iter().any(|at| (end - 32 * DAY..=end).contains(at))
}
