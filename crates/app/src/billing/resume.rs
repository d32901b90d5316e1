//! Takes back what would end or has stopped a subscription: a cancellation for the period's end, a change that was chosen
//! for then, a pause.

use domain::billing::Status;
use domain::ids::AccountId;
use providers::stripe::{Metadata, ProrationBehavior, Setting, SubscriptionChange};
use serde_json::json;
use storage::Tx;

use super::SubscriptionView;
use super::converge::converge;
use super::intents::{self, answered};
use super::read_stripe::Depth;
use super::selling::{payer, stands};
use super::subscription::view;
use crate::{AccountRef, App, AppError, Caller};

/// # Errors
/// [`AppError::NotSubscribed`] when nothing runs, [`AppError::NothingToChange`] when nothing was canceled or paused.
pub async fn resume(app: &App, caller: &Caller, account: &AccountRef) -> Result<SubscriptionView, AppError> {
    let account = payer(app, caller, account).await?;
    let stripe = app.stripe()?;
    converge(app, account, Depth::Recent).await?;
    let billed = stands(app, account).await?.billed.filter(|billed| billed.status.is_running());
    let billed = billed.ok_or(AppError::NotSubscribed)?;
    let is_paused = billed.status == Status::Paused;
    if billed.cancel_at.is_none() && billed.pause.is_none() && !is_paused {
        // Done already, if the answer to the same request was lost.
        let was_begun = intents::was_begun(app, account, "resume").await?;
        return if was_begun { shown(app, account).await } else { Err(AppError::NothingToChange) };
    }
    let request = json!({
        "subscription": billed.id, "cancel_at": billed.cancel_at.map(|at| at.seconds()), "paused": is_paused,
        "collection": billed.pause.is_some(),
    });
    let intent = intents::begin(app, account, "resume", &request).await?;
    intents::release_schedule(app, stripe, &intent, &billed.id).await?;
    let key = intents::key(&intent, "resume");
    let made = if is_paused {
        stripe.resume_subscription(&billed.id, None, &key).await
    } else {
        let change = SubscriptionChange {
            cancel_at_period_end: billed.cancel_at.map(|_| false),
            pause_collection: if billed.pause.is_some() { Setting::Clear } else { Setting::Keep },
            proration_behavior: Some(ProrationBehavior::None),
            metadata: Metadata::new(),
            ..SubscriptionChange::default()
        };
        stripe.change_subscription(&billed.id, &change, &key).await
    };
    let made = answered(app, &intent, made).await;
    converge(app, account, Depth::Recent).await?;
    made?;
    intents::close(app, intent.id).await?;
    shown(app, account).await
}

async fn shown(app: &App, account: AccountId) -> Result<SubscriptionView, AppError> {
    let (plans, now) = (app.plans().await?, app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<SubscriptionView, AppError> { view(tx, &plans, account, now) };
    app.database.read("get_resumed_subscription", read).await
}
