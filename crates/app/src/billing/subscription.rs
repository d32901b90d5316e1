//! Shows which plan an account is on.

use std::sync::Arc;

use domain::catalog::{Interval, Plan};
use domain::ids::{AccountId, SubscriptionId};
use domain::time::Timestamp;
use domain::windows::{Window, WindowKind};
use storage::Tx;
use storage::ledger::plan_book::PlanBook;
use storage::records::subscriptions;

use super::{Source, Status};
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
    pub status: Status,
    pub interval: Interval,
    pub period_start: Timestamp,
    pub period_end: Timestamp,
    /// When a granted plan ends.
    pub granted_until: Option<Timestamp>,
    pub created_at: Timestamp,
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
    // A grant is over at its time, whether or not the job has come by.
    let is_over = subscription.granted_until.is_some_and(|until| until <= now);
    let version = match subscription.plan_version {
        Some(id) if !is_over => Some(plans.versions.get(&id).ok_or_else(|| {
            storage::StorageError::Unavailable(format!("the plan version {id} is not known here yet; try again"))
        })?),
        _ => plans.default_plan(),
    };
    let newest = version.and_then(|version| plans.current.get(&version.plan.key));
    let period = Window::containing(WindowKind::Period, subscription.anchor, now);
    Ok(SubscriptionView {
        account,
        id: subscription.id,
        plan: version.map(|version| version.plan.clone()),
        plan_version: version.map(|version| version.version),
        has_newer_version: version.map(|version| version.id) != newest.map(|newest| newest.id),
        source: if is_over { Source::Default } else { subscription.source },
        status: subscription.status,
        interval: subscription.interval,
        period_start: period.start,
        period_end: period.end.unwrap_or(period.start),
        granted_until: subscription.granted_until.filter(|_| !is_over),
        created_at: subscription.created_at,
    })
}
