//! Compares with Stripe by schedule and on command, and repairs what lost events have left behind.

use domain::ids::AccountId;
use domain::time::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE};
use providers::stripe::events::FOLLOWED;
use storage::Tx;
use storage::records::{billing_customers, settings, stripe_events};

use super::converge::{Converged, converge};
use super::read_stripe::Depth;
use super::receive_event::keep_event;
use crate::identity::scopes::BILLING_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// Every account is compared as a whole so often.
const EVERY_HOURS: i64 = 24;
/// So many accounts a turn, so that Stripe is not asked too often at once.
const TOGETHER: u32 = 20;
/// Events are asked for from a little before the last time: one that was made then may be told later.
const OVERLAP_MINUTES: i64 = 10;
/// Stripe keeps events for 30 days.
const OLDEST_EVENTS_DAYS: i64 = 29;
const EVENTS_ASKED_TO: &str = "stripe_events_asked_to";
/// Settled events are kept so long.
const EVENTS_KEPT_DAYS: i64 = 40;
const DELETED_TOGETHER: u32 = 500;

/// What a comparison found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reconciled {
    pub compared: usize,
    /// By account: what was repaired, and what Stripe says that the catalog does not know.
    pub found: Vec<(AccountId, Converged)>,
}

/// The duty. Asks for events that were never told and keeps them as if they had been, then compares the accounts whose
/// turn it is.
pub(crate) async fn reconcile_due(app: &App) -> Result<(), AppError> {
    let Ok(_) = app.stripe() else { return Ok(()) };
    ask_for_events(app).await?;
    let before = app.now().minus_micros(EVERY_HOURS * MICROS_PER_HOUR);
    let read =
        move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(billing_customers::longest_ago(tx, before, TOGETHER)?) };
    for account in app.database.read("accounts_to_compare", read).await? {
        let converged = compare(app, account).await?;
        for sentence in converged.repaired.iter().chain(&converged.drift) {
            tracing::warn!(%account, "{sentence}");
        }
    }
    Ok(())
}

/// An account that cannot be compared keeps no other from its turn. Where Stripe is away nothing can be; whichever account
/// that was found out with is not the first of the next turn, in case it was the reason.
pub(super) async fn compare(app: &App, account: AccountId) -> Result<Converged, AppError> {
    let compared = converge(app, account, Depth::Whole).await;
    if compared.is_err() {
        let now = app.now();
        let write =
            move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(billing_customers::put_off(tx, account, now)?) };
        app.database.write("put_off_comparison", write).await?;
    }
    match compared {
        Err(AppError::BillingRefused(reason)) => {
            let drift = Some(format!("The account could not be compared; Stripe said: {reason}"));
            Ok(Converged { repaired: Vec::new(), drift })
        }
        compared => compared,
    }
}

/// Compares one account now.
pub async fn reconcile(app: &App, caller: &Caller, account: &AccountRef) -> Result<Reconciled, AppError> {
    caller.must_operate()?;
    let account = caller.account(app, account, BILLING_WRITE).await?;
    let converged = compare(app, account).await?;
    let found = [(account, converged)].into_iter().filter(|(_, found)| *found != Converged::default()).collect();
    Ok(Reconciled { compared: 1, found })
}

async fn ask_for_events(app: &App) -> Result<(), AppError> {
    let stripe = app.stripe()?;
    let now = app.now();
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        Ok((settings::get(tx, EVENTS_ASKED_TO)?, stripe_events::newest(tx)?))
    };
    let (asked_to, newest) = app.database.read("stripe_events_asked_to", read).await?;
    let asked_to = asked_to.and_then(|text| text.parse().ok()).map(domain::time::Timestamp::from_seconds);
    let Some(from) = asked_to.or(newest) else {
        // Nothing was ever told or asked: what happens from now on counts.
        return note_asked(app, now).await;
    };
    let oldest = now.minus_micros(OLDEST_EVENTS_DAYS * MICROS_PER_DAY);
    let from = from.minus_micros(OVERLAP_MINUTES * MICROS_PER_MINUTE).max(oldest);
    for event in stripe.events_since(from, &FOLLOWED).await? {
        let payload = serde_json::json!({
            "id": event.id, "object": "event", "type": event.kind, "api_version": event.api_version,
            "created": event.created.seconds(), "livemode": event.livemode, "data": { "object": event.object },
        });
        if keep_event(app, &event, payload.to_string()).await? {
            tracing::warn!(
                event = event.id,
                kind = event.kind,
                "an event was never told by a webhook; it is applied now"
            );
        }
    }
    note_asked(app, now).await?;
    let old = now.minus_micros(EVENTS_KEPT_DAYS * MICROS_PER_DAY);
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        Ok(stripe_events::delete_old(tx, old, DELETED_TOGETHER).map(|_| ())?)
    };
    app.database.write("delete_old_stripe_events", write).await
}

async fn note_asked(app: &App, now: domain::time::Timestamp) -> Result<(), AppError> {
    let text = now.seconds().to_string();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(settings::put(tx, EVENTS_ASKED_TO, &text)?) };
    app.database.write("note_stripe_events_asked", write).await
}
