//! Stops collecting payments for a while, without ending the subscription.

use domain::time::Timestamp;
use providers::stripe::{PauseCollection, Setting, SubscriptionChange};
use serde_json::json;
use storage::Tx;

use super::SubscriptionView;
use super::converge::converge;
use super::intents::{self, answered};
use super::read_stripe::Depth;
use super::selling::{is_changeable, payer, stands};
use super::subscription::view;
use crate::{AccountRef, App, AppError, Caller};

/// Nothing is charged while it lasts, and what was paid for is kept to its end; then the account is on the default plan
/// until it is resumed.
///
/// # Errors
/// [`AppError::NotSubscribed`] when nothing runs that is charged.
pub async fn pause(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    resumes_at: Option<Timestamp>,
) -> Result<SubscriptionView, AppError> {
    let account = payer(app, caller, account).await?;
    let stripe = app.stripe()?;
    if resumes_at.is_some_and(|at| at <= app.now()) {
        return Err(AppError::invalid("resumes_at", "Name a time in the future, or none to resume by hand."));
    }
    converge(app, account, Depth::Recent).await?;
    let billed = stands(app, account).await?.billed.filter(|billed| is_changeable(billed.status));
    let billed = billed.ok_or(AppError::NotSubscribed)?;
    let request = json!({ "subscription": billed.id, "resumes_at": resumes_at.map(|at| at.seconds()) });
    let intent = intents::begin(app, account, "pause", &request).await?;
    let change = SubscriptionChange {
        pause_collection: Setting::Set(PauseCollection { behavior: "void".into(), resumes_at }),
        ..SubscriptionChange::default()
    };
    let made = stripe.change_subscription(&billed.id, &change, &intents::key(&intent, "pause")).await;
    let made = answered(app, &intent, made).await;
    converge(app, account, Depth::Recent).await?;
    made?;
    intents::close(app, intent.id).await?;
    let (plans, now) = (app.plans().await?, app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<SubscriptionView, AppError> { view(tx, &plans, account, now) };
    app.database.read("get_paused_subscription", read).await
}
