//! Ends a subscription: at the end of what is paid, or at once.

use domain::ids::AccountId;
use providers::stripe::{StripeError, SubscriptionChange};
use serde_json::json;
use storage::Tx;
use storage::records::jobs::Job;

use super::SubscriptionView;
use super::change::When;
use super::converge::converge;
use super::expire_pages::expire_pages;
use super::intents::{self, answered};
use super::read_stripe::Depth;
use super::selling::{payer, stands};
use super::subscription::view;
use crate::jobs::kinds::{Done, JobFailure};
use crate::{AccountRef, App, AppError, Caller};

/// At the period's end the plan is kept until then, and the end can be taken back until then. At once nothing is paid
/// back, and the account is on the default plan from the next call on. Canceling what is canceled changes nothing.
pub async fn cancel(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    when: When,
) -> Result<SubscriptionView, AppError> {
    let account = payer(app, caller, account).await?;
    cancel_of(app, account, when).await?;
    let (plans, now) = (app.plans().await?, app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<SubscriptionView, AppError> { view(tx, &plans, account, now) };
    app.database.read("get_canceled_subscription", read).await
}

/// The job that closing an account leaves behind: what it pays for ends at once.
pub(crate) const CANCEL_BILLING: &str = "cancel_billing";

pub(crate) async fn cancel_billing(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let account = job.account.ok_or_else(|| JobFailure::GiveUp("the job names no account".into()))?;
    expire_pages(app, account).await?;
    match cancel_of(app, account, When::Now).await {
        Ok(()) | Err(AppError::NotSubscribed) => Ok(Done),
        Err(error) => Err(error.into()),
    }
}

/// # Errors
/// [`AppError::NotSubscribed`] when there is nothing to cancel.
pub(super) async fn cancel_of(app: &App, account: AccountId, when: When) -> Result<(), AppError> {
    let stripe = app.stripe()?;
    converge(app, account, Depth::Recent).await?;
    let Some(billed) = stands(app, account).await?.billed else {
        // The answer to the same cancellation was lost, or there never was anything.
        let was_begun = intents::was_begun(app, account, "cancel").await?;
        return if was_begun { Ok(()) } else { Err(AppError::NotSubscribed) };
    };
    // What was only begun, or does not run, has no period to wait for.
    let when = if billed.status.is_running() { when } else { When::Now };
    if when == When::PeriodEnd && billed.cancel_at.is_some() {
        return Ok(());
    }
    let request = json!({ "subscription": billed.id, "when": when.as_str() });
    let intent = intents::begin(app, account, "cancel", &request).await?;
    intents::release_schedule(app, stripe, &intent, &billed.id).await?;
    let key = intents::key(&intent, "cancel");
    let made = match when {
        When::PeriodEnd => {
            let change = SubscriptionChange { cancel_at_period_end: Some(true), ..SubscriptionChange::default() };
            stripe.change_subscription(&billed.id, &change, &key).await
        }
        When::Now => stripe.cancel_subscription(&billed.id, true, false, &key).await,
    };
    let made = match made {
        // Somebody was faster; what Stripe has is learned below.
        Err(StripeError::NotFound { .. }) => Ok(()),
        made => answered(app, &intent, made).await.map(|_| ()),
    };
    converge(app, account, Depth::Recent).await?;
    made?;
    intents::close(app, intent.id).await
}
