//! Charges usage past limits that allow it, once a window is over.
//!
//! The rule: for each limit with a charge, what was used in its window past the plan's amount and past credits, by the
//! plan that was in force when the window ended, or when the subscription did; what was used after that end, which may be
//! learned later, is not charged. It goes on the draft of the closing
//! invoice where there is one, else on the next invoice; where the next invoice is a year away, or none comes any more, on
//! an invoice of its own. What is still booked into a window after it was charged is charged as a further part.

use domain::billing::{overage_line, units_to_report};
use domain::catalog::{COST_METER, Interval, Limit, LimitScope, Past};
use domain::entitlements::{Entitlements, Overrides};
use domain::ids::{AccountId, PlanVersionId};
use domain::ledger::Place;
use domain::money::Currency;
use domain::name::Name;
use domain::quantity::Quantity;
use domain::time::{MICROS_PER_DAY, MICROS_PER_SECOND, Timestamp};
use domain::windows::{Window, WindowKind};
use storage::ledger::plan_book::PlanBook;
use storage::records::billed_subscriptions::{self, BilledSubscription};
use storage::records::overage_charges::{self, ChargeState, OverageCharge};
use storage::records::subscription_history::{self, HistoryEntry};
use storage::records::{accounts, invoices, stripe_prices, subscriptions};
use storage::{StorageError, Tx};

use super::bill_overage::bill_overage;
use crate::metering::warn_of_usage::digits;
use crate::{App, AppError};

/// How far back windows are looked at: past what a server may have been away.
const LOOK_BACK_DAYS: i64 = 70;
/// Then it goes on whatever invoice comes next.
const DRAFT_PATIENCE_DAYS: i64 = 2;
/// A yearly period, which may have begun long before.
const LONGEST_PERIOD_DAYS: i64 = 366;
/// Stripe tells ends in whole seconds, by its own clock.
const CLOCKS_DIFFER_SECONDS: i64 = 2;
/// What settles a reservation is in the window that it was made in.
const LONGEST_RESERVATION_DAYS: i64 = 2;
/// Entries of an account's history that are looked at.
const MOST_HISTORY: u32 = 200;
/// Windows of one limit that are looked at, at most.
const MOST_WINDOWS: usize = 80;

/// A limit's window that is over.
struct Over {
    limit: Limit,
    /// Whose limit it is: what was in force at its end.
    plan: PlanVersionId,
    window: Window,
    end: Timestamp,
}

/// The same, of a subscription.
struct Ended {
    subscription: BilledSubscription,
    over: Over,
}

/// Books what is due and puts it on invoices. Doing it again charges nothing again.
pub(super) async fn charge_overage(app: &App, account: AccountId) -> Result<(), AppError> {
    let ended = ended_windows(app, account).await?;
    if !ended.is_empty() {
        let places = ended.iter().map(place).collect();
        let balances = app.ledger.balances(account, places).await?.ok_or(AppError::AccountUnknown)?;
        let mut due: Vec<(Ended, i64)> = Vec::new();
        for (ended, balance) in ended.into_iter().zip(balances) {
            let used = balance.used - balance.credited;
            if past(&ended.over.limit, used) > 0 {
                let after = if ended.is_cut() { used_after(app, account, &ended).await? } else { 0 };
                due.push((ended, used - after));
            }
        }
        due.retain(|(ended, used)| past(&ended.over.limit, *used) > 0);
        if !due.is_empty() {
            book(app, account, due).await?;
        }
    }
    bill_overage(app, account).await
}

impl Ended {
    /// Its subscription ended before it did.
    fn is_cut(&self) -> bool {
        let Over { window, end, .. } = &self.over;
        self.subscription.ended_at == Some(*end) && window.end.is_some_and(|of_window| *end < of_window)
    }
}

/// A window that was cut short, charged, and is over itself: nothing is added to it that counts, so that it is not to be
/// looked through again.
fn is_settled(tx: &mut Tx<'_>, account: AccountId, ended: &Ended, now: Timestamp) -> Result<bool, StorageError> {
    let Over { limit, window, .. } = &ended.over;
    let is_closed = ended.is_cut() && closed_for_good(ended) <= now;
    Ok(is_closed && !overage_charges::of_window(tx, account, &limit.meter, (window.kind, window.start))?.is_empty())
}

fn closed_for_good(ended: &Ended) -> Timestamp {
    ended.over.window.end.unwrap_or(ended.over.end).plus_micros(LONGEST_RESERVATION_DAYS * MICROS_PER_DAY)
}

/// What counts in the window and was used after the subscription's end: until that was learned, and in a day or a month
/// of the calendar also then.
async fn used_after(app: &App, account: AccountId, ended: &Ended) -> Result<i64, AppError> {
    let until = closed_for_good(ended).min(app.now());
    let since = ended.over.end.plus_micros(CLOCKS_DIFFER_SECONDS * MICROS_PER_SECOND);
    Ok(app.ledger.used_since(account, &place(ended), since, until).await?)
}

fn place(ended: &Ended) -> Place {
    Place {
        scope: LimitScope::Account,
        scope_id: None,
        meter: ended.over.limit.meter.clone(),
        window: ended.over.window.kind,
        start: ended.over.window.start,
    }
}

/// What was used past the limit, in the meter's integer unit.
fn past(limit: &Limit, used: i64) -> i64 {
    limit.amount.map_or(0, |amount| used.saturating_sub(amount))
}

async fn ended_windows(app: &App, account: AccountId) -> Result<Vec<Ended>, AppError> {
    let (plans, now) = (app.plans().await?, app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<Ended>, AppError> {
        let overrides = subscriptions::overrides(tx, account)?.unwrap_or_default();
        let mut found = Vec::new();
        for billed in billed_subscriptions::by_account(tx, account)? {
            let closed_at = billed.ended_at.unwrap_or(now).min(now);
            if closed_at < now.minus_micros(LOOK_BACK_DAYS * MICROS_PER_DAY) {
                continue;
            }
            let known = (paid_periods(tx, &billed, now)?, learned_changes(tx, &billed)?);
            let in_force = |at: Timestamp| plan_at(&plans, &billed, &known, at);
            for over in windows_of(&plans, &billed, (&overrides, &in_force), closed_at, now) {
                let ended = Ended { subscription: billed.clone(), over };
                if !waits_for_draft(&billed, ended.over.end, now) && !is_settled(tx, account, &ended, now)? {
                    found.push(ended);
                }
            }
        }
        Ok(found)
    };
    app.database.read("windows_to_charge", read).await
}

/// A window that ends with the billing period goes on the invoice that closes it; Stripe makes that one when it begins the
/// next period, which may be a little after the window's end.
fn waits_for_draft(billed: &BilledSubscription, end: Timestamp, now: Timestamp) -> bool {
    let patience = end.plus_micros(DRAFT_PATIENCE_DAYS * MICROS_PER_DAY);
    !billed.status.is_over() && billed.period_end <= end && now < patience
}

/// A stretch in which periods counted from one anchor.
struct Cycle {
    anchor: Timestamp,
    start: Timestamp,
    end: Timestamp,
    /// Another one took its place, or the subscription ended: what was going on then is over.
    was_cut: bool,
    /// What begins with its end is the next one's.
    is_followed: bool,
}

/// The cycles of a subscription, as far back as is looked at.
fn cycles(billed: &BilledSubscription, closed_at: Timestamp, now: Timestamp) -> Vec<Cycle> {
    let oldest = billed.created_at.max(now.minus_micros(LOOK_BACK_DAYS * MICROS_PER_DAY));
    let was_cut = billed.ended_at.is_some();
    let (mut start, mut cycles) = (oldest, Vec::new());
    for left in billed.former_anchors.iter().filter(|left| left.until > oldest && left.until <= closed_at) {
        cycles.push(Cycle { anchor: left.anchor, start, end: left.until, was_cut: true, is_followed: true });
        start = left.until;
    }
    cycles.push(Cycle { anchor: billed.anchor, start, end: closed_at, was_cut, is_followed: false });
    cycles
}

/// The windows of a subscription's charged limits that are over, and those that a new cycle or its end has cut short.
fn windows_of(
    plans: &PlanBook,
    billed: &BilledSubscription,
    (overrides, in_force): (&Overrides, &dyn Fn(Timestamp) -> Option<PlanVersionId>),
    closed_at: Timestamp,
    now: Timestamp,
) -> Vec<Over> {
    let cycles = cycles(billed, closed_at, now);
    let first = cycles.first().map_or(closed_at, |cycle| cycle.start);
    let mut found = Vec::new();
    for kind in [WindowKind::Period, WindowKind::Year] {
        found.extend(cycles.iter().flat_map(|cycle| windows_in(kind, cycle, now)));
    }
    // A new cycle is none for the calendar.
    let was_cut = billed.ended_at.is_some();
    let whole = Cycle { anchor: billed.anchor, start: first, end: closed_at, was_cut, is_followed: false };
    for kind in [WindowKind::Month, WindowKind::Day] {
        found.extend(windows_in(kind, &whole, now));
    }
    let with_limits = found.into_iter().flat_map(|(window, end)| {
        let version = in_force(end);
        let limits = version.map(|version| (version, charged_limits(plans, version, overrides, window.kind)));
        let limits = limits.into_iter().flat_map(|(version, limits)| limits.into_iter().map(move |one| (version, one)));
        limits.map(move |(plan, limit)| Over { limit, plan, window, end })
    });
    with_limits.collect()
}

/// The windows of a kind in a cycle that are over, the last one first, each with its end.
fn windows_in(kind: WindowKind, cycle: &Cycle, now: Timestamp) -> Vec<(Window, Timestamp)> {
    let mut found = Vec::new();
    let mut window = Window::containing(kind, cycle.anchor, cycle.end);
    if window.start == cycle.end && cycle.is_followed {
        window = Window::containing(kind, cycle.anchor, cycle.end.minus_micros(1));
    }
    for place in 0..MOST_WINDOWS {
        if window.end.is_some_and(|end| end <= now.min(cycle.end)) || (place == 0 && cycle.was_cut) {
            found.push((window, window.end.unwrap_or(cycle.end).min(cycle.end)));
        }
        let before = window.start.minus_micros(1);
        if before < cycle.start {
            break;
        }
        window = Window::containing(kind, cycle.anchor, before);
    }
    found
}

/// A stretch of time that was billed, with the plan that was.
struct PaidPeriod {
    start: Timestamp,
    end: Timestamp,
    plan: Name,
}

/// What was billed for a subscription, the oldest first. A change that waits for its payment is none yet.
fn paid_periods(tx: &mut Tx<'_>, billed: &BilledSubscription, now: Timestamp) -> Result<Vec<PaidPeriod>, AppError> {
    let since = now.minus_micros((LOOK_BACK_DAYS + LONGEST_PERIOD_DAYS) * MICROS_PER_DAY);
    let mut periods = Vec::new();
    for invoice in invoices::of_subscription(tx, billed.account, &billed.id, since)? {
        let is_change = invoice.reason.as_deref() == Some("subscription_update");
        if !matches!(invoice.status.as_str(), "paid" | "open") || (invoice.status == "open" && is_change) {
            continue;
        }
        for line in invoice.lines.iter().filter(|line| line.amount >= 0) {
            let (Some(price), Some(start), Some(end)) = (&line.price, line.period_start, line.period_end) else {
                continue;
            };
            if let Some((plan, _)) = stripe_prices::get(tx, price)? {
                let (start, end) = (Timestamp::from_seconds(start), Timestamp::from_seconds(end));
                periods.push(PaidPeriod { start, end, plan });
            }
        }
    }
    Ok(periods)
}

/// When changes were learned, and which plan held from then on: also those that were made at Stripe and are billed later,
/// or not at all.
fn learned_changes(tx: &mut Tx<'_>, billed: &BilledSubscription) -> Result<Vec<(Timestamp, Name)>, AppError> {
    let learned = subscription_history::page(tx, billed.account, None, MOST_HISTORY)?;
    let is_change = |entry: &HistoryEntry| {
        entry.subscription.as_ref() == Some(&billed.id)
            && matches!(entry.kind.as_str(), "upgraded" | "downgraded" | "interval_changed")
    };
    let changes = learned.into_iter().filter(is_change);
    Ok(changes.filter_map(|entry| Some((entry.at, entry.plan?))).collect())
}

/// The plan that held just before a moment, in the version that the account has or had. What was billed says it, and what
/// was changed since; not the plan of today, which may have been chosen long after.
fn plan_at(
    plans: &PlanBook,
    billed: &BilledSubscription,
    (paid, learned): &(Vec<PaidPeriod>, Vec<(Timestamp, Name)>),
    at: Timestamp,
) -> Option<PlanVersionId> {
    let covers = |period: &&PaidPeriod| period.start < at && at <= period.end;
    // A change within a period is billed by a line that begins with it.
    let period = paid.iter().filter(covers).max_by_key(|period| period.start)?;
    let since = learned.iter().filter(|(learned, _)| period.start < *learned && *learned < at);
    let plan = since.max_by_key(|(learned, _)| *learned).map_or(&period.plan, |(_, plan)| plan);
    let own = [billed.plan_version, billed.kept.map(|(kept, _)| kept)].into_iter().flatten();
    let of_plan = |id: &PlanVersionId| plans.versions.get(id).is_some_and(|version| version.plan.key == *plan);
    own.into_iter().find(of_plan).or_else(|| plans.current.get(plan).map(|version| version.id))
}

fn charged_limits(plans: &PlanBook, version: PlanVersionId, overrides: &Overrides, kind: WindowKind) -> Vec<Limit> {
    let Some(version) = plans.versions.get(&version) else { return Vec::new() };
    let limits = Entitlements::new(&version.plan, overrides).limits;
    let is_charged = |limit: &Limit| {
        limit.per == kind && limit.each == LimitScope::Account && matches!(limit.past, Past::Charge { .. })
    };
    limits.into_iter().filter(is_charged).collect()
}

async fn book(app: &App, account: AccountId, due: Vec<(Ended, i64)>) -> Result<(), AppError> {
    let (plans, now) = (app.plans().await?, app.now());
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        accounts::lock(tx, account)?.ok_or(AppError::AccountUnknown)?;
        for (ended, used) in &due {
            book_one(tx, &plans, account, (ended, *used), now)?;
        }
        Ok(())
    };
    app.database.write("book_overage", write).await
}

fn book_one(
    tx: &mut Tx<'_>,
    plans: &PlanBook,
    account: AccountId,
    (ended, used): (&Ended, i64),
    now: Timestamp,
) -> Result<(), AppError> {
    let Ended { subscription, over: Over { limit, window, end, .. } } = ended;
    let Past::Charge { each, .. } = limit.past else { return Ok(()) };
    let Some(price) = limit.past.charge_in(&subscription.currency, &plans.catalog.currency) else {
        // A catalog that is checked has a price in every currency; what was agreed for one account may have none.
        tracing::warn!(%account, meter = %limit.meter, "usage past a limit has no price in the account's currency");
        return Ok(());
    };
    let decimals = Currency::parse(&subscription.currency).map_or(2, Currency::decimals);
    let terms = (price.charge_nano, each);
    let stripe_meter = stripe_meter(plans, ended).cloned();
    let past = match &stripe_meter {
        // A meter at Stripe counts whole units.
        Some(_) => units_to_report(past(limit, used), terms, price.up_to_minor, decimals) * Quantity::ONE.millionths(),
        None => past(limit, used),
    };
    let Some(whole) = overage_line(past, terms, price.up_to_minor, decimals) else {
        return Ok(());
    };
    let before = overage_charges::of_window(tx, account, &limit.meter, (window.kind, window.start))?;
    let charged: i64 = before.iter().map(|charge| charge.amount).sum();
    let counted: i64 = before.iter().map(|charge| charge.quantity).sum();
    if whole.amount <= charged {
        return Ok(());
    }
    let quantity = whole.quantity - counted;
    let charge = OverageCharge {
        account,
        subscription: subscription.id.clone(),
        meter: limit.meter.clone(),
        window: window.kind,
        window_start: window.start,
        part: before.len() as i64 + 1,
        window_end: *end,
        quantity,
        amount: whole.amount - charged,
        currency: subscription.currency.clone(),
        description: description(limit, (quantity, terms), &subscription.currency, (window.start, *end)),
        state: ChargeState::Waiting,
        stripe_id: None,
        stripe_meter,
        created_at: now,
    };
    Ok(overage_charges::insert(tx, &charge)?)
}

/// The meter at Stripe that a window's usage is reported to: where the plan says so and the subscription, which is billed
/// by the month and goes on, has its price. What is used in a trial Stripe would not bill.
fn stripe_meter<'e>(plans: &PlanBook, ended: &'e Ended) -> Option<&'e Name> {
    let Ended { subscription, over: Over { limit, plan, end, .. } } = ended;
    let Past::Charge { stripe_meter: Some(event), .. } = &limit.past else { return None };
    let plan = &plans.versions.get(plan)?.plan.key;
    let is_counted = subscription.metered.iter().any(|item| item.event == *event && item.plan == *plan);
    let is_trial = subscription.trial_end.is_some_and(|trial_end| *end <= trial_end);
    (is_counted && !is_trial && is_billed_soon(subscription)).then_some(event)
}

/// `150,000 llm_tokens past 2,000,000, at 0.5 USD for each 100,000 (1 May 2026, 00:00 UTC to 1 June 2026, 00:00 UTC)`.
fn description(
    limit: &Limit,
    (quantity, (charge_nano, each)): (i64, (i64, i64)),
    currency: &str,
    (start, end): (Timestamp, Timestamp),
) -> String {
    let of = |amount: i64| digits(&limit.meter, amount);
    format!(
        "{} {} past {}, at {} {currency} for each {} ({} to {})",
        of(quantity),
        limit.meter,
        of(limit.amount.unwrap_or_default()),
        digits(&COST_METER.into(), charge_nano),
        of(each),
        start.for_people(),
        end.for_people(),
    )
}

/// Whether the next invoice of a subscription comes within about a month.
pub(super) fn is_billed_soon(billed: &BilledSubscription) -> bool {
    billed.interval == Interval::Monthly && !billed.status.is_over()
}
