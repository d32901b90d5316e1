//! Writes down what Stripe says of one subscription, and tells of what has changed by it.

use domain::billing::{CollectionPause, Direction, Status, direction};
use domain::catalog::Interval;
use domain::ids::PlanVersionId;
use domain::name::Name;
use domain::time::{MICROS_PER_DAY, Timestamp};
use providers::stripe::{Invoice, Price, Subscription, SubscriptionItem};
use storage::records::billed_subscriptions::{self, BilledSubscription, FormerAnchor, MeteredItem};
use storage::records::{billing_customers, wanted_plans};
use storage::{StorageError, Tx};

use super::plan_of_price::{amount, plan_of_price};
use super::settle::rank;
use super::tell::{Happened, Teller};
use crate::catalog::push_meters::METER_METADATA;
use crate::catalog::push_to_stripe::PLAN_METADATA;
use crate::mail::Mail;

/// On subscriptions at Stripe: the plan version that is kept until a smaller one takes effect, and until when, in seconds.
pub(super) const KEPT_PLAN: &str = "tollway_kept_plan";
pub(super) const KEPT_UNTIL: &str = "tollway_kept_until";
/// The price that was chosen for later. Under any other one, nothing is kept: somebody has changed the plan since.
pub(super) const KEPT_BEFORE: &str = "tollway_kept_before";
/// What periods count from until then, in seconds: another interval moves Stripe's anchor as soon as it is chosen.
pub(super) const KEPT_ANCHOR: &str = "tollway_kept_anchor";
/// Anchors that were left so long ago are forgotten.
const ANCHORS_KEPT_DAYS: i64 = 100;
/// Stripe tells three days ahead; so do we.
const TRIAL_ENDING_DAYS: i64 = 3;

/// What was learned: the drift, if Stripe says something that the catalog does not know.
pub(super) fn apply_stripe_subscription(
    tx: &mut Tx<'_>,
    teller: &Teller,
    seen: &Subscription,
    invoices: &[Invoice],
    former: Option<&BilledSubscription>,
) -> Result<Option<String>, StorageError> {
    let (billed, drift) = read(tx, teller, seen, invoices, former)?;
    if let Some(trial_start) = seen.trial_start.filter(|_| billed.kept.is_none()) {
        billing_customers::note_trial(tx, teller.account.id, trial_start)?;
    }
    if billed.status.is_running() {
        billing_customers::set_currency(tx, teller.account.id, &billed.currency)?;
        wanted_plans::delete(tx, teller.account.id)?;
    }
    billed_subscriptions::put(tx, &billed)?;
    tell_change(tx, teller, former, &billed)?;
    tell_mails(tx, teller, former, &billed)?;
    Ok(drift)
}

/// The customer was deleted: whatever ran is over.
pub(super) fn end_with_customer(
    tx: &mut Tx<'_>,
    teller: &Teller,
    former: &BilledSubscription,
) -> Result<(), StorageError> {
    let ended = BilledSubscription { status: Status::Canceled, ended_at: Some(teller.now), ..former.clone() };
    billed_subscriptions::put(tx, &ended)?;
    tell_change(tx, teller, Some(former), &ended)
}

fn read(
    tx: &mut Tx<'_>,
    teller: &Teller,
    seen: &Subscription,
    invoices: &[Invoice],
    former: Option<&BilledSubscription>,
) -> Result<(BilledSubscription, Option<String>), StorageError> {
    let item = seen.bought_item();
    let former_plan = former.and_then(|former| former.plan_version);
    let sold =
        item.map(|item| plan_of_price(tx, &teller.plans, &item.price, &seen.metadata, former_plan)).transpose()?;
    let known = sold.as_ref().and_then(|sold| sold.plan);
    let own = |invoice: &&Invoice| invoice.subscription.as_deref() == Some(&seen.id);
    let status = Status::parse(&seen.status);
    let drift = match (known, status) {
        (None, _) => Some(format!(
            "The subscription {} has the price {}, which is none of the catalog's.",
            seen.id,
            item.map_or("none", |item| item.price.lookup_key.as_deref().unwrap_or(&item.price.id)),
        )),
        (_, None) => Some(format!("The subscription {} has the status {}, which is not known.", seen.id, seen.status)),
        _ => None,
    };
    let start = seen.start_date.unwrap_or(seen.created);
    let period_start = seen.current_period_start.unwrap_or(start);
    let interval = sold.map_or(Interval::Monthly, |sold| sold.interval);
    let kept_plan = seen.metadata.get(KEPT_PLAN).and_then(|text| PlanVersionId::parse(text));
    let kept_until = seen.metadata.get(KEPT_UNTIL).and_then(|text| text.parse().ok()).map(Timestamp::from_seconds);
    let price = item.map(|item| item.price.id.clone());
    let is_chosen = seen.metadata.get(KEPT_BEFORE).is_none_or(|chosen| price.as_ref() == Some(chosen));
    let is_kept = |plan: &PlanVersionId| is_chosen && teller.plans.versions.contains_key(plan);
    let period_end = seen.current_period_end.unwrap_or(period_start);
    let kept = kept_plan.filter(is_kept).zip(kept_until);
    let told_anchor = seen.billing_cycle_anchor.unwrap_or(start);
    let kept_anchor = seen.metadata.get(KEPT_ANCHOR).and_then(|text| text.parse().ok()).map(Timestamp::from_seconds);
    let is_waiting = kept.is_some_and(|(_, until)| until > teller.now);
    let anchor = kept_anchor.filter(|_| is_waiting).unwrap_or(told_anchor);
    let billed = BilledSubscription {
        id: seen.id.clone(),
        account: teller.account.id,
        // A word that is new to us must not take away what was paid for.
        status: status.or(former.map(|former| former.status)).unwrap_or(Status::Incomplete),
        price,
        item: item.map(|item| item.id.clone()),
        plan_version: known.or(former_plan),
        interval,
        currency: seen.currency.as_deref().unwrap_or("usd").to_ascii_uppercase(),
        unit_amount: item.and_then(|item| unit_amount(teller, seen, &item.price, known, interval)),
        anchor,
        period_start,
        period_end,
        trial_end: seen.trial_end,
        cancel_at: seen.cancel_at.or(seen.current_period_end.filter(|_| seen.cancel_at_period_end)),
        ended_at: seen.ended_at,
        past_due_since: past_due_since(invoices.iter().filter(own)),
        pause: seen.pause_collection.as_ref().map(|pause| CollectionPause {
            behavior: pause.behavior.clone(),
            resumes_at: pause.resumes_at,
            paid_until: paid_until(invoices.iter().filter(own), period_end).unwrap_or(period_start),
        }),
        kept,
        metered: metered(seen),
        former_anchors: former_anchors(former, anchor, teller.now),
        created_at: seen.created,
    };
    Ok((billed, drift))
}

/// What periods counted from before. One that lies ahead, as with a trial, holds from when it is learned.
fn former_anchors(former: Option<&BilledSubscription>, anchor: Timestamp, now: Timestamp) -> Vec<FormerAnchor> {
    let Some(former) = former else { return Vec::new() };
    let since = now.minus_micros(ANCHORS_KEPT_DAYS * MICROS_PER_DAY);
    let mut left: Vec<_> = former.former_anchors.iter().copied().filter(|left| left.until > since).collect();
    if former.anchor != anchor {
        left.push(FormerAnchor { anchor: former.anchor, until: anchor.min(now) });
    }
    left
}

/// The items that meters at Stripe count and that this server has put there.
fn metered(seen: &Subscription) -> Vec<MeteredItem> {
    let named = |item: &SubscriptionItem| {
        let of = |name: &str| item.price.metadata.get(name).map(|text| Name::from(text.as_str()));
        let (item_id, price) = (item.id.clone(), item.price.id.clone());
        Some(MeteredItem { item: item_id, price, plan: of(PLAN_METADATA)?, event: of(METER_METADATA)? })
    };
    seen.items.iter().filter(|item| item.price.is_metered).filter_map(named).collect()
}

/// What a price costs in the subscription's currency. Stripe does not tell a subscription's price in every currency; the
/// catalog knows what it put up.
fn unit_amount(
    teller: &Teller,
    seen: &Subscription,
    price: &Price,
    plan: Option<PlanVersionId>,
    interval: Interval,
) -> Option<i64> {
    let other = seen.currency.as_ref().filter(|currency| **currency != price.currency);
    let Some(currency) = other else { return price.unit_amount };
    let by_catalog = || {
        let plan = &teller.plans.versions.get(&plan?)?.plan;
        amount(plan, &teller.plans.catalog.currency, &currency.to_ascii_uppercase(), interval)
    };
    price.currency_options.get(currency).copied().or_else(by_catalog)
}

/// When the oldest payment that is still owed and has failed was asked for.
fn past_due_since<'i>(invoices: impl Iterator<Item = &'i Invoice>) -> Option<Timestamp> {
    let owed = invoices.filter(|invoice| invoice.status.as_deref() == Some("open") && invoice.attempt_count > 0);
    owed.map(|invoice| invoice.finalized_at.unwrap_or(invoice.created)).min()
}

/// The end of the last period that was paid. What was paid for past the period that runs was credited when that began.
fn paid_until<'i>(invoices: impl Iterator<Item = &'i Invoice>, period_end: Timestamp) -> Option<Timestamp> {
    let paid = invoices.filter(|invoice| invoice.status.as_deref() == Some("paid"));
    let lines = paid.flat_map(|invoice| &invoice.lines).filter(|line| line.amount >= 0);
    lines.filter_map(|line| line.period_end).filter(|end| *end <= period_end).max()
}

/// History: what became of the plan.
fn tell_change(
    tx: &mut Tx<'_>,
    teller: &Teller,
    former: Option<&BilledSubscription>,
    billed: &BilledSubscription,
) -> Result<(), StorageError> {
    let happened = |kind, once: String| Happened { former_plan: None, ..Happened::of(billed, kind, once) };
    let id = &billed.id;
    if former.is_none() {
        teller.history(tx, &Happened { at: billed.created_at, ..happened("created", format!("created:{id}")) })?;
    }
    let was = former.map(|former| former.status);
    if was != Some(billed.status) {
        let kind = match billed.status {
            Status::Trialing if billed.kept.is_none() => Some("trial_started"),
            Status::Active if was == Some(Status::PastDue) => Some("recovered"),
            Status::Active if was != Some(Status::Trialing) => Some("activated"),
            Status::Active => Some("trial_converted"),
            Status::PastDue => Some("past_due"),
            Status::Unpaid => Some("unpaid"),
            Status::Paused => Some("paused"),
            Status::Canceled => Some("canceled"),
            Status::IncompleteExpired => Some("expired"),
            _ => None,
        };
        if let Some(kind) = kind {
            let once = format!("{kind}:{id}:{}", billed.period_start.seconds());
            let at = if billed.status.is_over() { billed.ended_at.unwrap_or(teller.now) } else { teller.now };
            teller.history(tx, &Happened { at, ..happened(kind, once) })?;
        }
    }
    let Some(former) = former else { return Ok(()) };
    tell_plan_change(tx, teller, former, billed)?;
    if former.cancel_at != billed.cancel_at && !billed.status.is_over() {
        let kind = if billed.cancel_at.is_some() { "cancellation_scheduled" } else { "resumed" };
        teller.history(tx, &happened(kind, format!("{kind}:{id}:{}", teller.read)))?;
    }
    if former.pause.is_some() != billed.pause.is_some() {
        let kind = if billed.pause.is_some() { "collection_paused" } else { "collection_resumed" };
        teller.history(tx, &happened(kind, format!("{kind}:{id}:{}", teller.read)))?;
    }
    Ok(())
}

fn tell_plan_change(
    tx: &mut Tx<'_>,
    teller: &Teller,
    former: &BilledSubscription,
    billed: &BilledSubscription,
) -> Result<(), StorageError> {
    let (Some(from), Some(to)) = (former.plan_version, billed.plan_version) else { return Ok(()) };
    let way = direction((rank(&teller.plans, from), former.interval), (rank(&teller.plans, to), billed.interval));
    if way == Direction::Nothing && from == to {
        return Ok(());
    }
    let kind = if billed.kept.is_some() { "change_scheduled" } else { way.as_str() };
    let once = format!("{kind}:{}:{}", billed.id, teller.read);
    teller.history(tx, &Happened { former_plan: Some(from), ..Happened::of(billed, kind, once) })
}

fn tell_mails(
    tx: &mut Tx<'_>,
    teller: &Teller,
    former: Option<&BilledSubscription>,
    billed: &BilledSubscription,
) -> Result<(), StorageError> {
    let id = &billed.id;
    let gives = |status: Status| matches!(status, Status::Trialing | Status::Active);
    let (account_name, plan) = (teller.account.name.clone(), teller.plan_name(billed.plan_version));
    let price = teller.price(billed);
    if gives(billed.status) && !former.is_some_and(|former| former.status.is_running()) {
        let trial_ends_at = billed.trial_end.filter(|_| billed.status == Status::Trialing);
        let renews_at = billed.period_end;
        let billing_link = teller.billing_link();
        let mail = Mail::SubscriptionConfirmed { account_name, plan, price, renews_at, trial_ends_at, billing_link };
        return teller.mail_all(tx, mail, format!("subscription_confirmed:{id}"), billed.created_at);
    }
    let trial_end = billed.trial_end.filter(|_| billed.status == Status::Trialing && billed.kept.is_none());
    if let Some(ends_at) = trial_end.filter(|_| billed.cancel_at.is_none())
        && ends_at.minus_micros(TRIAL_ENDING_DAYS * MICROS_PER_DAY) <= teller.now
    {
        let mail = Mail::TrialEnding { account_name, plan, price, ends_at, billing_link: teller.billing_link() };
        return teller.mail_all(tx, mail, format!("trial_ending:{id}:{}", ends_at.seconds()), teller.now);
    }
    let was_running = former.is_some_and(|former| former.status.is_running());
    if was_running && billed.status == Status::Canceled {
        let mail = Mail::SubscriptionEnded { account_name, plan, billing_link: teller.billing_link() };
        let at = billed.ended_at.unwrap_or(teller.now);
        return teller.mail_all(tx, mail, format!("subscription_ended:{id}"), at);
    }
    match billed.cancel_at {
        Some(until) if was_running && former.is_some_and(|former| former.cancel_at.is_none()) => {
            let mail = Mail::SubscriptionCanceled { account_name, plan, until, billing_link: teller.billing_link() };
            teller.mail_all(tx, mail, format!("subscription_canceled:{id}:{}", teller.read), teller.now)
        }
        _ => Ok(()),
    }
}
