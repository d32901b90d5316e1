//! When a plan was changed at Stripe, where that is learned later: by what was billed for it, else by what was told of it.

use domain::ids::PlanVersionId;
use domain::time::Timestamp;
use storage::ledger::plan_book::PlanBook;
use storage::records::billed_subscriptions::BilledSubscription;
use storage::records::stripe_events::StripeEvent;
use storage::records::{invoices, stripe_prices};
use storage::{StorageError, Tx};

/// From when on which plan was paid for.
pub(super) type Step = (Timestamp, PlanVersionId);

/// The plans that a subscription came to after `known`, when it still was as it is written in `former`, the first one first.
/// The last one is what it has now. Stripe's moments are whole seconds; one that began before `known` cannot be right, as
/// with a change that is billed from when its preview was shown, and then it is now that the plan became another.
pub(super) fn steps(
    tx: &mut Tx<'_>,
    plans: &PlanBook,
    (former, billed): (&BilledSubscription, &BilledSubscription),
    events: &[StripeEvent],
    (known, now): (Timestamp, Timestamp),
) -> Result<Vec<Step>, StorageError> {
    let (Some(mut price), Some(last)) = (former.price.clone(), billed.price.clone()) else { return Ok(Vec::new()) };
    let mut changes = Vec::new();
    for (at, billed_price) in billed_prices(tx, billed, (known, now))? {
        if billed_price != price {
            changes.push((at, billed_price.clone()));
            price = billed_price;
        }
    }
    if price != last {
        let told = told_at(billed, &last, events).filter(|at| known < *at && *at <= now);
        let after = changes.last().map_or(known, |(at, _)| *at);
        changes.push((told.unwrap_or(now).max(after), last.clone()));
    }
    let mut steps = Vec::new();
    for (at, price) in changes {
        let plan = match price == last {
            true => billed.plan_version,
            false => plan_of(tx, plans, &price, [former.plan_version, billed.plan_version])?,
        };
        steps.extend(plan.map(|plan| (at, plan)));
    }
    Ok(steps)
}

/// What was billed ahead, from when on. A change that waits for its payment is none yet.
fn billed_prices(
    tx: &mut Tx<'_>,
    billed: &BilledSubscription,
    (known, now): (Timestamp, Timestamp),
) -> Result<Vec<(Timestamp, String)>, StorageError> {
    let mut prices = Vec::new();
    for invoice in invoices::of_subscription(tx, billed.account, &billed.id, Timestamp::from_seconds(known.seconds()))?
    {
        let is_change = invoice.reason.as_deref() == Some("subscription_update");
        if !matches!(invoice.status.as_str(), "paid" | "open") || (invoice.status == "open" && is_change) {
            continue;
        }
        for line in invoice.lines.into_iter().filter(|line| line.amount >= 0) {
            let (Some(price), Some(start)) = (line.price, line.period_start.map(Timestamp::from_seconds)) else {
                continue;
            };
            if known < start && start <= now && stripe_prices::get(tx, &price)?.is_some() {
                prices.push((start, price));
            }
        }
    }
    prices.sort_by_key(|(start, _)| *start);
    Ok(prices)
}

/// When Stripe first told of the subscription with this price, of what waits to be applied.
fn told_at(billed: &BilledSubscription, price: &str, events: &[StripeEvent]) -> Option<Timestamp> {
    let updates = events.iter().filter(|event| event.kind == "customer.subscription.updated");
    let read = updates.filter_map(|event| providers::stripe::Event::read(event.payload.as_bytes()).ok());
    let of_it = read.filter(|event| event.subscription.as_ref() == Some(&billed.id));
    of_it.filter(|event| event.bought_price().as_deref() == Some(price)).map(|event| event.created).min()
}

fn plan_of(
    tx: &mut Tx<'_>,
    plans: &PlanBook,
    price: &str,
    own: [Option<PlanVersionId>; 2],
) -> Result<Option<PlanVersionId>, StorageError> {
    let Some((key, _)) = stripe_prices::get(tx, price)? else { return Ok(None) };
    let is_of = |id: &PlanVersionId| plans.versions.get(id).is_some_and(|version| version.plan.key == key);
    let version = own.into_iter().flatten().find(is_of);
    Ok(version.or_else(|| plans.current.get(&key).map(|version| version.id)))
}
