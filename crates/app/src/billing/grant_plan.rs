//! Puts an account on a plan without payment, for a time or for good.

use domain::name::Name;
use domain::time::Timestamp;
use storage::Tx;
use storage::ledger::plan_book::{PlanBook, PlanVersion};
use storage::records::accounts;
use storage::records::subscriptions::{self, GrantedPlan};

use super::SubscriptionView;
use super::note_terms::charge_soon;
use super::settle::settle;
use super::subscription::view;
use crate::identity::scopes::BILLING_WRITE;
use crate::webhooks::{Emitted, Event};
use crate::{AccountRef, App, AppError, Caller};

/// The newest version of the plan holds from the next call on. Periods go on as they were, with what is used in them.
/// At `until` the account is back on what it pays for, else on the default plan. A paid plan of the same rank or a higher
/// one stays in force beside it.
pub async fn grant_plan(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    plan: &str,
    until: Option<Timestamp>,
) -> Result<SubscriptionView, AppError> {
    caller.must_operate()?;
    let now = app.now();
    if until.is_some_and(|until| until <= now) {
        return Err(AppError::invalid("until", "The grant would be over already; name a time in the future, or none."));
    }
    let plans = app.plans().await?;
    let version = find_plan(&plans, plan)?.id;
    let account = caller.account(app, account, BILLING_WRITE).await?;
    let (told, writer) = (Emitted::new(app, Event::SubscriptionChanged), app.clone());
    let write = move |tx: &mut Tx<'_>| -> Result<SubscriptionView, AppError> {
        accounts::lock(tx, account)?.ok_or(AppError::AccountUnknown)?;
        subscriptions::set_grant(tx, account, Some(GrantedPlan { version, until }), now)?;
        if settle(tx, &plans, account, &told, now)? {
            charge_soon(tx, &writer, account, now)?;
        }
        view(tx, &plans, account, now)
    };
    app.database.write("grant_plan", write).await
}

/// The newest version of a plan by its catalog key.
pub(super) fn find_plan<'p>(plans: &'p PlanBook, key: &str) -> Result<&'p PlanVersion, AppError> {
    // A plan that the catalog has dropped keeps its subscribers, and takes no more.
    let sold = plans.catalog.plans.contains_key(key).then(|| plans.current.get(key)).flatten();
    sold.ok_or_else(|| {
        let known = plans.catalog.plans.keys().map(Name::as_str);
        let name = match domain::catalog::nearest(key, known) {
            Some(nearest) => format!("{key} (did you mean {nearest}?)"),
            None => key.to_owned(),
        };
        AppError::NotFound { what: "plan", name }
    })
}
