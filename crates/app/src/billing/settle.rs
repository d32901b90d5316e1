//! Writes down what follows from what is paid and what was given: which plan an account is on, and until when.

use domain::billing::{self, Billed, Grant, Kept};
use domain::ids::{AccountId, PlanVersionId};
use domain::time::Timestamp;
use serde_json::json;
use storage::Tx;
use storage::ledger::plan_book::PlanBook;
use storage::records::billed_subscriptions::{self, BilledSubscription};
use storage::records::{accounts, subscriptions};

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
    accounts::lock(tx, account)?.ok_or(AppError::AccountUnknown)?;
    let row = subscriptions::by_account(tx, account)?.ok_or(AppError::AccountUnknown)?;
    let billed = billed_subscriptions::by_account(tx, account)?;
    let billed: Vec<Billed> = billed.iter().map(|billed| facts(plans, billed)).collect();
    let grant = row.granted.map(|granted| Grant {
        plan: granted.version,
        rank: rank(plans, granted.version),
        until: granted.until,
    });
    if grant.is_some_and(|grant| grant.until.is_some_and(|until| until <= now)) {
        subscriptions::set_grant(tx, account, None, now)?;
    }
    let standing = billing::standing(billing::current(&billed), grant, plans.catalog.grace_days, now);
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
            let told = Emitted::new(app, crate::webhooks::Event::SubscriptionChanged);
            let write = move |tx: &mut Tx<'_>| settle(tx, &plans, account, &told, now);
            app.database.write("settle_plan", write).await?;
        }
        if due.len() < TOGETHER as usize {
            return Ok(());
        }
    }
}
