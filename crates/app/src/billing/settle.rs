//! Writes down what follows from what is paid and what was given: which plan an account is on, and until when.

use domain::billing::{self, Billed, Grant, Kept, Source, Standing};
use domain::ids::{AccountId, PlanVersionId};
use domain::time::Timestamp;
use serde_json::json;
use storage::Tx;
use storage::ledger::plan_book::PlanBook;
use storage::records::billed_subscriptions::{self, BilledSubscription};
use storage::records::subscriptions::Subscription;
use storage::records::terms_in_force::{self, Terms};
use storage::records::{accounts, subscriptions};

use super::note_terms::{charge_soon, note_plan};
use super::when_changed::Step;
use crate::webhooks::{Emitted, emit};
use crate::{App, AppError};

const TOGETHER: u32 = 100;

/// To be called in the transaction that has changed a grant or learned something of what is paid. Tells the account's
/// endpoints when its plan is another one. False: all is as it was.
pub(crate) fn settle(
    tx: &mut Tx<'_>,
    plans: &PlanBook,
    account: AccountId,
    told: &Emitted,
    now: Timestamp,
) -> Result<bool, AppError> {
    settle_learned(tx, plans, account, (told, &[]), now)
}

/// As [`settle`], where it was learned of plans that were come to one after the other, and of when.
pub(super) fn settle_learned(
    tx: &mut Tx<'_>,
    plans: &PlanBook,
    account: AccountId,
    (told, steps): (&Emitted, &[Step]),
    now: Timestamp,
) -> Result<bool, AppError> {
    accounts::lock(tx, account)?.ok_or(AppError::AccountUnknown)?;
    let row = subscriptions::by_account(tx, account)?.ok_or(AppError::AccountUnknown)?;
    let told_last = billed_subscriptions::by_account(tx, account)?;
    let billed: Vec<Billed> = told_last.iter().map(|billed| facts(plans, billed)).collect();
    let grant = row.granted.map(|granted| Grant {
        plan: granted.version,
        rank: rank(plans, granted.version),
        until: granted.until,
    });
    if grant.is_some_and(|grant| grant.until.is_some_and(|until| until <= now)) {
        subscriptions::set_grant(tx, account, None, now)?;
    }
    let current = billing::current(&billed);
    let standing = billing::standing(current, grant, plans.catalog.grace_days, now);
    note_standing(tx, &row, (current, &standing), (&told_last, steps), now)?;
    let default_plan = plans.default_plan().map(|version| version.id);
    if !subscriptions::put_standing(tx, &row, &standing, default_plan, now)? {
        return Ok(false);
    }
    let plan = standing.plan.or(default_plan).and_then(|version| plans.versions.get(&version));
    let plan = plan.map(|version| version.plan.key.to_string());
    let content = json!({ "plan": plan, "source": standing.source.as_str(), "status": standing.status.as_str() });
    emit(tx, told, account, &content)?;
    Ok(true)
}

/// Notes what prices usage past limits from when on: since the last step that was learned, else since what held before was
/// over, else since now.
fn note_standing(
    tx: &mut Tx<'_>,
    row: &Subscription,
    (current, standing): (Option<&Billed>, &Standing),
    (billed, steps): (&[BilledSubscription], &[Step]),
    now: Timestamp,
) -> Result<(), AppError> {
    let account = row.account;
    let last = terms_in_force::last(tx, account)?;
    let payer = |terms: &Terms| terms.subscription.clone();
    let was_paid_by = last.as_ref().and_then(payer);
    let paid_by = current.filter(|_| standing.source == Source::Paid).map(|current| current.id.clone());
    let is_same = was_paid_by.is_some() && current.map(|current| &current.id) == was_paid_by.as_ref();
    let (reached, passed) = match steps.split_last() {
        Some(((at, plan), passed)) => (Some(*at).filter(|_| paid_by.is_some() && standing.plan == Some(*plan)), passed),
        None => (None, steps),
    };
    for (at, plan) in passed.iter().filter(|_| is_same) {
        note_plan(tx, account, (Some(*plan), was_paid_by.clone()), *at)?;
    }
    let ended =
        billed.iter().find(|billed| Some(&billed.id) == was_paid_by.as_ref()).and_then(|billed| billed.ended_at);
    let was_over = row.plan_until.into_iter().chain(ended).filter(|at| *at <= now).min();
    let next_payer =
        current.filter(|current| paid_by.as_ref() == Some(&current.id) && was_paid_by.is_some() && !is_same);
    if let Some(next_payer) = next_payer {
        // Between two subscriptions nothing is paid, and nothing charged.
        let over = was_over.unwrap_or(now);
        note_plan(tx, account, (None, None), over)?;
        let since = reached.unwrap_or(next_payer.created_at).max(over);
        note_plan(tx, account, (standing.plan, paid_by.clone()), since)?;
    } else {
        let since = reached.or(was_over).unwrap_or(now);
        note_plan(tx, account, (standing.plan, paid_by.clone()), since)?;
    }
    // What was noted since may have been of something else; this is how it stands.
    Ok(note_plan(tx, account, (standing.plan, paid_by), now)?)
}

/// What the rules are told of a subscription.
pub(crate) fn facts(plans: &PlanBook, billed: &BilledSubscription) -> Billed {
    Billed {
        id: billed.id.clone(),
        status: billed.status,
        plan: billed.plan_version,
        rank: billed.plan_version.map_or(0, |version| rank(plans, version)),
        interval: billed.interval,
        anchor: billed.anchor,
        created_at: billed.created_at,
        period_end: billed.period_end,
        cancel_at: billed.cancel_at,
        past_due_since: billed.past_due_since,
        pause: billed.pause.clone(),
        kept: billed.kept.map(|(plan, until)| Kept { plan, rank: rank(plans, plan), until }),
    }
}

pub(crate) fn rank(plans: &PlanBook, version: PlanVersionId) -> u32 {
    plans.versions.get(&version).map_or(0, |version| version.plan.rank)
}

/// Settles accounts whose plan is over. Limits already hold to the instant without this: whoever judges an account sees
/// that its plan is over. This makes the rows say so.
pub(crate) async fn settle_due(app: &App) -> Result<(), AppError> {
    loop {
        let plans = app.plans().await?;
        let now = app.now();
        let find = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(subscriptions::due(tx, now, TOGETHER)?) };
        let due = app.database.read("find_due_plans", find).await?;
        for account in &due {
            let (account, plans) = (*account, plans.clone());
            let (told, writer) = (Emitted::new(app, crate::webhooks::Event::SubscriptionChanged), app.clone());
            let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
                if settle(tx, &plans, account, &told, now)? {
                    charge_soon(tx, &writer, account, now)?;
                }
                Ok(())
            };
            app.database.write("settle_plan", write).await?;
        }
        if due.len() < TOGETHER as usize {
            return Ok(());
        }
    }
}
