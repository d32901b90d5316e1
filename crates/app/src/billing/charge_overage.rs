//! Charges usage past limits that allow it, once a window is over or what prices it becomes another.
//!
//! The rule: for each limit with a charge, what was used in its window past the plan's amount and past credits. Where the
//! plan, or what was agreed beside it, became another within the window, each stretch is charged by what held in it
//! ([`domain::billing::past_limits`]): what was past the old limit at the old price, what came then past the new limit at
//! the new price, and no unit twice. What was used after a subscription's end, which may be learned later, is not charged.
//! No more is charged in a window than what holds allows, whatever of it was charged before. The charge goes on
//! the draft of the closing invoice where there is one, else on the next invoice; where the next invoice is a year away, or
//! none comes any more, on an invoice of its own. What is still booked into a window after it was charged is charged as a
//! further part.

use std::collections::{BTreeMap, BTreeSet};

use domain::billing::{Stretch, booked_before, overage_line, past_limits, units_to_report};
use domain::catalog::{COST_METER, Charge, Interval, Limit, LimitScope, Past};
use domain::ids::AccountId;
use domain::ledger::Place;
use domain::money::Currency;
use domain::name::Name;
use domain::quantity::Quantity;
use domain::time::{MICROS_PER_DAY, MICROS_PER_SECOND, Timestamp};
use domain::windows::Window;
use storage::Tx;
use storage::ledger::plan_book::PlanBook;
use storage::records::accounts;
use storage::records::billed_subscriptions::{self, BilledSubscription};
use storage::records::jobs::Job;
use storage::records::overage_charges::{self, ChargeState, OverageCharge};
use storage::records::terms_in_force::{self, Terms};
use storage::records::usage_splits::{self, UsageSplit};

use super::bill_overage::bill_overage;
use super::charged_windows::{ChargedWindow, Ends, OverStretch, charged_windows};
use super::take_back_items::take_back_items;
use crate::jobs::kinds::{Done, JobFailure};
use crate::metering::warn_of_usage::digits;
use crate::{App, AppError};

/// The job that charges what was used past limits until a plan was changed here.
pub(crate) const CHARGE_OVERAGE: &str = "charge_overage";

/// Then it goes on whatever invoice comes next.
const DRAFT_PATIENCE_DAYS: i64 = 2;
/// Stripe tells ends in whole seconds, by its own clock.
const CLOCKS_DIFFER_SECONDS: i64 = 2;
/// What settles a reservation is in the window that it was made in.
const LONGEST_RESERVATION_DAYS: i64 = 2;
/// While usage is counted, it is read again so often; then another time.
const MOST_READS: u32 = 3;

/// A window that something is charged in.
struct Due {
    window: ChargedWindow,
    /// For each of its stretches, in the meter's integer unit.
    past: Vec<i64>,
    /// What was found out for it.
    found: Vec<UsageSplit>,
}

/// Books what is due and puts it on invoices. Doing it again charges nothing again.
pub(super) async fn charge_overage(app: &App, account: AccountId) -> Result<(), AppError> {
    let mut due = Vec::new();
    let (terms, windows) = windows_over(app, account).await?;
    if !windows.is_empty() {
        let used = used_in(app, account, &windows).await?;
        for (window, used) in windows.into_iter().zip(used) {
            due.extend(past_in(app, account, window, used).await?);
        }
    }
    if !due.is_empty() {
        book(app, account, terms, due).await?;
    }
    take_back_items(app, account).await?;
    bill_overage(app, account).await
}

/// The job.
pub(crate) async fn charge_overage_soon(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let account = job.account.ok_or_else(|| JobFailure::GiveUp("the job names no account".into()))?;
    charge_overage(app, account).await?;
    Ok(Done)
}

/// The windows that have stretches which are over, by these terms.
async fn windows_over(app: &App, account: AccountId) -> Result<(Vec<Terms>, Vec<ChargedWindow>), AppError> {
    let (plans, now) = (app.plans().await?, app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        let terms = terms_in_force::of_account(tx, account)?;
        if terms.is_empty() {
            return Ok((terms, Vec::new()));
        }
        let billed = billed_subscriptions::by_account(tx, account)?;
        let mut windows = charged_windows(&plans, &billed, &terms, now);
        for window in &mut windows {
            let waits = |stretch: &OverStretch| waits_for_draft(&stretch.subscription, stretch.to, now);
            let ready = window.stretches.iter().position(waits).unwrap_or(window.stretches.len());
            window.stretches.truncate(ready);
        }
        windows.retain(|window| !window.stretches.is_empty());
        Ok((terms, windows))
    };
    app.database.read("windows_to_charge", read).await
}

/// A window that ends with the billing period goes on the invoice that closes it; Stripe makes that one when it begins the
/// next period, which may be a little after the window's end.
fn waits_for_draft(billed: &BilledSubscription, end: Timestamp, now: Timestamp) -> bool {
    let patience = end.plus_micros(DRAFT_PATIENCE_DAYS * MICROS_PER_DAY);
    !billed.status.is_over() && billed.period_end <= end && now < patience
}

/// What is used in each window until now, past what credits gave.
async fn used_in(app: &App, account: AccountId, windows: &[ChargedWindow]) -> Result<Vec<i64>, AppError> {
    let places = windows.iter().map(place).collect();
    let balances = app.ledger.balances(account, places).await?.ok_or(AppError::AccountUnknown)?;
    Ok(balances.into_iter().map(|balance| balance.used - balance.credited).collect())
}

fn place(window: &ChargedWindow) -> Place {
    Place {
        scope: LimitScope::Account,
        scope_id: None,
        meter: window.meter.clone(),
        window: window.window.kind,
        start: window.window.start,
    }
}

/// What is past the limits of a window with so much used. `None`: nothing is, or it cannot be told while it is being used.
async fn past_in(app: &App, account: AccountId, window: ChargedWindow, mut used: i64) -> Result<Option<Due>, AppError> {
    for _ in 0..MOST_READS {
        if window.stretches.iter().all(|stretch| used <= amount(&stretch.limit)) {
            return Ok(None);
        }
        let (splits, found) = used_until(app, account, &window, used).await?;
        let now_used =
            if found.is_empty() { used } else { used_in(app, account, std::slice::from_ref(&window)).await?[0] };
        // What came while events were read may be in what was read, and not in what was used before.
        if now_used == used {
            let stretches: Vec<Stretch> = window.stretches.iter().map(|one| stretch(one, &splits, used)).collect();
            let past = past_limits(&stretches);
            let is_news = !found.is_empty() || past.iter().any(|past| *past > 0);
            return Ok(is_news.then_some(Due { window, past, found }));
        }
        used = now_used;
    }
    tracing::debug!(%account, meter = %window.meter, "usage is split another time, when less is going on");
    Ok(None)
}

fn amount(limit: &Limit) -> i64 {
    limit.amount.unwrap_or(i64::MAX)
}

fn stretch(one: &OverStretch, splits: &BTreeMap<Timestamp, i64>, used: i64) -> Stretch {
    let at = |moment: Option<Timestamp>, otherwise: i64| {
        moment.and_then(|moment| splits.get(&moment)).copied().unwrap_or(otherwise)
    };
    Stretch { limit: amount(&one.limit), used_before: at(begin(one), 0), used: at(end(one), used) }
}

/// What was used before this moment was used before the stretch. `None`: nothing was.
fn begin(stretch: &OverStretch) -> Option<Timestamp> {
    (!stretch.is_first).then_some(stretch.from)
}

/// What was used from this moment on was used after the stretch. `None`: nothing is.
fn end(stretch: &OverStretch) -> Option<Timestamp> {
    match stretch.ends {
        Ends::Window | Ends::Open => None,
        Ends::Subscription => Some(stretch.to.plus_micros(CLOCKS_DIFFER_SECONDS * MICROS_PER_SECOND)),
        Ends::Cycle | Ends::Change => Some(stretch.to),
    }
}

/// What was used until each moment that counts: as it was found before, or by the events since. The second is what was found
/// now.
async fn used_until(
    app: &App,
    account: AccountId,
    window: &ChargedWindow,
    used: i64,
) -> Result<(BTreeMap<Timestamp, i64>, Vec<UsageSplit>), AppError> {
    let moments: BTreeSet<Timestamp> =
        window.stretches.iter().flat_map(|stretch| [begin(stretch), end(stretch)]).flatten().collect();
    let (mut splits, mut found) = (BTreeMap::new(), Vec::new());
    let (meter, key) = (window.meter.clone(), (window.window.kind, window.window.start));
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(usage_splits::of_window(tx, account, &meter, key)?) };
    let known = app.database.read("usage_splits", read).await?;
    for at in moments {
        let now = app.now();
        let known = known.iter().find(|split| split.at == at && is_final(&window.window, split, now));
        let until_then = match known {
            Some(split) => split.used,
            None => {
                let closed = closed_for_good(&window.window).unwrap_or(Timestamp::MAX);
                // Another node's clock may be a little ahead.
                let until = closed.min(now.plus_micros(MICROS_PER_DAY));
                let since = app.ledger.used_since(account, &place(window), at, until).await?;
                found.push(UsageSplit { at, used: used - since, read_at: now });
                used - since
            }
        };
        splits.insert(at, until_then);
    }
    Ok((splits, found))
}

/// Whether nothing that was used before the moment is expected to have come since it was read. What comes late is looked for
/// as long as a reservation may take, and again when the window is over.
fn is_final(window: &Window, split: &UsageSplit, now: Timestamp) -> bool {
    let settled = split.at.plus_micros(LONGEST_RESERVATION_DAYS * MICROS_PER_DAY);
    let looks = [Some(settled), window.end, closed_for_good(window)];
    settled <= now && looks.into_iter().flatten().all(|look| split.read_at >= look || now < look)
}

fn closed_for_good(window: &Window) -> Option<Timestamp> {
    window.end.map(|end| end.plus_micros(LONGEST_RESERVATION_DAYS * MICROS_PER_DAY))
}

/// Nothing is booked where the terms are no longer those that it was counted by, which took a while: who has changed them
/// has it counted again.
async fn book(app: &App, account: AccountId, terms: Vec<Terms>, due: Vec<Due>) -> Result<(), AppError> {
    let (plans, now) = (app.plans().await?, app.now());
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        accounts::lock(tx, account)?.ok_or(AppError::AccountUnknown)?;
        if terms_in_force::of_account(tx, account)? != terms {
            return Ok(());
        }
        for Due { window, past, found } in &due {
            let key = (window.window.kind, window.window.start);
            for split in found {
                usage_splits::put(tx, account, &window.meter, key, *split)?;
            }
            book_window(tx, &plans, account, (window, past), now)?;
        }
        Ok(())
    };
    app.database.write("book_overage", write).await
}

/// What was booked before, in whatever parts, is taken off the stretch that it was booked for.
fn book_window(
    tx: &mut Tx<'_>,
    plans: &PlanBook,
    account: AccountId,
    (window, past): (&ChargedWindow, &[i64]),
    now: Timestamp,
) -> Result<(), AppError> {
    let key = (window.window.kind, window.window.start);
    let mut booked = overage_charges::of_window(tx, account, &window.meter, key)?;
    let starts = window.stretches.iter().map(|stretch| start(window, stretch));
    let past: Vec<(Timestamp, i64)> = starts.zip(past.iter().copied()).collect();
    let parts: Vec<_> = booked.iter().map(|charge| (charge.stretch_start, charge.quantity)).collect();
    let before = booked_before(&past, &parts);
    for ((stretch, (_, past)), of_it) in window.stretches.iter().zip(past).zip(before) {
        if let Some(charge) = charge(plans, account, (window, stretch), (of_it, past), &booked) {
            let charge = OverageCharge { created_at: now, ..charge };
            overage_charges::insert(tx, &charge)?;
            booked.push(charge);
        }
    }
    Ok(())
}

fn start(window: &ChargedWindow, stretch: &OverStretch) -> Timestamp {
    if stretch.is_first { window.window.start } else { stretch.from }
}

/// What is to be booked of a stretch of which `of_it` was booked before, in a window of which this is booked. What costs
/// nothing is booked too, past `up_to` or for want of a price; of what a meter at Stripe counts, what is reported alone.
fn charge(
    plans: &PlanBook,
    account: AccountId,
    (window, stretch): (&ChargedWindow, &OverStretch),
    (of_it, past): (i64, i64),
    booked: &[OverageCharge],
) -> Option<OverageCharge> {
    let OverStretch { subscription, limit, to, .. } = stretch;
    let Past::Charge { each, .. } = limit.past else { return None };
    let price = limit.past.charge_in(&subscription.currency, &plans.catalog.currency);
    if price.is_none() && past > of_it {
        // A catalog that is checked has a price in every currency; what was agreed for one account may have none.
        tracing::warn!(%account, meter = %limit.meter, "usage past a limit has no price in the account's currency");
    }
    let price = price.unwrap_or(Charge { charge_nano: 0, up_to_minor: None });
    let terms = (price.charge_nano, each);
    let decimals = Currency::parse(&subscription.currency).map_or(2, Currency::decimals);
    let charged = booked.iter().map(|charge| charge.amount).sum::<i64>();
    let left = price.up_to_minor.map(|most| most.saturating_sub(charged).max(0));
    let stripe_meter = stripe_meter(plans, stretch).cloned();
    let quantity = match &stripe_meter {
        // A meter at Stripe counts whole units.
        Some(_) => units_to_report(past - of_it, terms, left, decimals) * Quantity::ONE.millionths(),
        None => past - of_it,
    };
    let costs = |quantity: i64| overage_line(quantity, terms, None, decimals).map_or(0, |line| line.amount);
    let amount = (costs(of_it + quantity) - costs(of_it)).min(left.unwrap_or(i64::MAX));
    let is_booked = if stripe_meter.is_some() { amount > 0 } else { quantity > 0 };
    let start = start(window, stretch);
    is_booked.then(|| OverageCharge {
        account,
        subscription: subscription.id.clone(),
        meter: limit.meter.clone(),
        window: window.window.kind,
        window_start: window.window.start,
        part: booked.len() as i64 + 1,
        stretch_start: Some(start),
        window_end: *to,
        quantity,
        amount,
        currency: subscription.currency.clone(),
        description: description(limit, (quantity, terms), &subscription.currency, (start, *to)),
        state: if amount > 0 { ChargeState::Waiting } else { ChargeState::Free },
        stripe_id: None,
        stripe_meter,
        created_at: Timestamp::EPOCH,
    })
}

/// The meter at Stripe that a stretch's usage is reported to: where the plan says so and the subscription, which is billed
/// by the month and goes on, has its price. What is used in a trial Stripe would not bill, and what was used before
/// a change it would bill at the price after it.
fn stripe_meter<'e>(plans: &PlanBook, stretch: &'e OverStretch) -> Option<&'e Name> {
    let OverStretch { subscription, limit, plan, to, ends, .. } = stretch;
    let Past::Charge { stripe_meter: Some(event), .. } = &limit.past else { return None };
    let plan = &plans.versions.get(plan)?.plan.key;
    let is_counted = subscription.metered.iter().any(|item| item.event == *event && item.plan == *plan);
    let is_trial = subscription.trial_end.is_some_and(|trial_end| *to <= trial_end);
    let goes_on = matches!(ends, Ends::Window | Ends::Cycle) && is_billed_soon(subscription);
    (is_counted && !is_trial && goes_on).then_some(event)
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
