//! Shows which plan an account is on, what is paid for it, and what becomes of it by itself.

use std::sync::Arc;

use domain::billing::{self, Billed, Status};
use domain::catalog::{Interval, Plan};
use domain::ids::{AccountId, SubscriptionId};
use domain::name::Name;
use domain::time::{MICROS_PER_DAY, Timestamp};
use domain::windows::{Window, WindowKind};
use storage::Tx;
use storage::ledger::plan_book::{PlanBook, PlanVersion};
use storage::records::billed_subscriptions::{self, BilledSubscription};
use storage::records::subscriptions;

use super::Source;
use super::settle::facts;
use crate::identity::scopes::ACCOUNTS_READ;
use crate::{AccountRef, App, AppError, Caller};

/// An account's subscription as it stands now.
#[derive(Clone, Debug)]
pub struct SubscriptionView {
    pub account: AccountId,
    pub id: SubscriptionId,
    /// The plan as it was when the account came onto it, without what was agreed for the account alone. `None`: the
    /// catalog names no default plan.
    pub plan: Option<Arc<Plan>>,
    /// Counts the plan's versions from 1.
    pub plan_version: Option<i64>,
    /// A newer version of the plan is sold.
    pub has_newer_version: bool,
    pub source: Source,
    /// Of what is paid for, whether its plan is in force or not; active where nothing is.
    pub status: Status,
    pub interval: Interval,
    /// The month that usage is counted in now.
    pub period_start: Timestamp,
    pub period_end: Timestamp,
    /// When a granted plan ends.
    pub granted_until: Option<Timestamp>,
    /// What is paid for. `None`: nothing is.
    pub billing: Option<BillingView>,
    pub created_at: Timestamp,
}

/// What an account pays for, or has begun to pay for.
#[derive(Clone, Debug)]
pub struct BillingView {
    /// Stripe's id of the subscription.
    pub subscription: String,
    /// Minor units each interval. `None`: Stripe's price says no single amount.
    pub amount: Option<i64>,
    /// ISO 4217, upper case.
    pub currency: String,
    /// What was paid for last, a month or a year.
    pub period_start: Timestamp,
    pub period_end: Timestamp,
    /// When it is charged again by itself. `None`: it is not.
    pub renews_at: Option<Timestamp>,
    pub trial_ends_at: Option<Timestamp>,
    /// When it ends by itself.
    pub cancel_at: Option<Timestamp>,
    /// Until when the plan is kept although a payment has failed.
    pub grace_until: Option<Timestamp>,
    /// A smaller plan or shorter interval that was chosen for later.
    pub scheduled: Option<ScheduledChange>,
    /// Payments are not collected.
    pub paused: bool,
    pub resumes_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct ScheduledChange {
    pub plan: Name,
    pub interval: Interval,
    pub at: Timestamp,
}

pub async fn subscription(app: &App, caller: &Caller, account: &AccountRef) -> Result<SubscriptionView, AppError> {
    let account = caller.account(app, account, ACCOUNTS_READ).await?;
    let plans = app.plans().await?;
    let now = app.now();
    let read = move |tx: &mut Tx<'_>| view(tx, &plans, account, now);
    app.database.read("get_subscription", read).await
}

pub(super) fn view(
    tx: &mut Tx<'_>,
    plans: &PlanBook,
    account: AccountId,
    now: Timestamp,
) -> Result<SubscriptionView, AppError> {
    let subscription = subscriptions::by_account(tx, account)?.ok_or(AppError::AccountUnknown)?;
    let billed = billed_subscriptions::by_account(tx, account)?;
    // A plan is over at its time, whether or not the job has come by.
    let is_over = subscription.plan_until.is_some_and(|until| until <= now);
    let in_force = if is_over { subscription.then_plan_version } else { subscription.plan_version };
    let version = match in_force {
        Some(id) => Some(find(plans, id)?),
        None => plans.default_plan(),
    };
    let on_default = is_over && in_force.is_none();
    let source = if on_default { Source::Default } else { subscription.source };
    let newest = version.and_then(|version| plans.current.get(&version.plan.key));
    let anchor = if on_default { subscription.own_anchor() } else { subscription.anchor };
    let period = Window::containing(WindowKind::Period, anchor, now);
    Ok(SubscriptionView {
        account,
        id: subscription.id,
        plan: version.map(|version| version.plan.clone()),
        plan_version: version.map(|version| version.version),
        has_newer_version: version.map(|version| version.id) != newest.map(|newest| newest.id),
        source,
        status: subscription.status,
        interval: subscription.interval,
        period_start: period.start,
        period_end: period.end.unwrap_or(period.start),
        granted_until: subscription.plan_until.filter(|_| source == Source::Granted),
        billing: current(plans, &billed).map(|billed| billing_view(plans, billed, now)),
        created_at: subscription.created_at,
    })
}

/// The subscription that stands for the account, of all it ever had.
pub(super) fn current<'b>(plans: &PlanBook, billed: &'b [BilledSubscription]) -> Option<&'b BilledSubscription> {
    let facts: Vec<Billed> = billed.iter().map(|billed| facts(plans, billed)).collect();
    let current = billing::current(&facts)?;
    billed.iter().find(|billed| billed.id == current.id)
}

fn billing_view(plans: &PlanBook, billed: &BilledSubscription, now: Timestamp) -> BillingView {
    let kept = billed.kept.filter(|(_, until)| *until > now);
    let scheduled = kept.zip(billed.plan_version).and_then(|((_, at), plan)| {
        Some(ScheduledChange { plan: plans.versions.get(&plan)?.plan.key.clone(), interval: billed.interval, at })
    });
    let renews = matches!(billed.status, Status::Trialing | Status::Active | Status::PastDue);
    let grace = i64::from(plans.catalog.grace_days) * MICROS_PER_DAY;
    BillingView {
        subscription: billed.id.clone(),
        amount: billed.unit_amount,
        currency: billed.currency.clone(),
        period_start: billed.period_start,
        period_end: billed.period_end,
        renews_at: (renews && billed.cancel_at.is_none() && billed.pause.is_none()).then_some(billed.period_end),
        trial_ends_at: billed.trial_end.filter(|_| billed.status == Status::Trialing && kept.is_none()),
        cancel_at: billed.cancel_at,
        grace_until: (billed.status == Status::PastDue)
            .then(|| billed.past_due_since.unwrap_or(billed.created_at).plus_micros(grace)),
        scheduled,
        paused: billed.pause.is_some(),
        resumes_at: billed.pause.as_ref().and_then(|pause| pause.resumes_at),
    }
}

fn find(plans: &PlanBook, id: domain::ids::PlanVersionId) -> Result<&PlanVersion, AppError> {
    let unknown =
        || storage::StorageError::Unavailable(format!("the plan version {id} is not known here yet; try again"));
    Ok(plans.versions.get(&id).ok_or_else(unknown)?)
}
