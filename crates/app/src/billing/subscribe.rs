//! Begins a purchase on a form inside the app: the subscription waits until the customer's browser has paid.

use domain::billing::Status;
use domain::catalog::Interval;
use domain::ids::AccountId;
use providers::stripe::{MissingPaymentMethod, NewSubscription, Stripe, StripeError, Subscription};
use serde_json::json;
use storage::Tx;
use storage::records::billed_subscriptions::{self, BilledSubscription};

use super::checkout::{must_be_free, named};
use super::converge::converge;
use super::customer::ensure_customer;
use super::intents::{self, answered};
use super::plan_of_price::prices_of_plan;
use super::read_stripe::Depth;
use super::selling::{buyer, offer, stands, trial_days};
use crate::{AccountRef, App, AppError, Caller};

/// A subscription that was begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Begun {
    /// Stripe's id.
    pub subscription: String,
    /// `incomplete` until it is paid, `trialing` where a trial comes first.
    pub status: String,
    /// With it Stripe's form in the browser pays, or keeps a card for later. `None`: nothing is to be paid or kept.
    pub client_secret: Option<String>,
}

/// Asking for the same again gives the same subscription, as long as it waits.
///
/// # Errors
/// [`AppError::AlreadySubscribed`] when the account has a subscription that runs.
pub async fn subscribe(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    plan: &str,
    interval: Interval,
) -> Result<Begun, AppError> {
    let account = buyer(app, caller, account).await?;
    let stripe = app.must_sell()?;
    let stands = stands(app, account).await?;
    let offer = offer(&stands, plan, interval)?;
    must_be_free(&stands)?;
    let prices = prices_of_plan(app, stripe, &offer.version.plan, interval).await?;
    let customer = ensure_customer(app, stripe, account).await?;
    let trial_days = trial_days(&stands, &offer.version.plan);
    let request = json!({
        "customer": customer, "plan_version": offer.version.id.to_string(), "interval": interval.as_str(), "currency": offer.currency,
        "trial_days": trial_days,
    });
    let mut intent = intents::begin(app, account, "subscribe", &request).await?;
    if let Some(made) = &intent.made {
        let found = stripe.get_subscription(made).await?;
        if found.status == "incomplete" {
            return Ok(begun(found));
        }
        intents::close(app, intent.id).await?;
        intent = intents::begin(app, account, "subscribe", &request).await?;
    }
    end_unpaid(app, stripe, account, &prices.bought).await?;
    let new = NewSubscription {
        customer,
        price: prices.bought,
        metered: prices.metered,
        default_incomplete: true,
        trial_days,
        missing_payment_method: trial_days.map(|_| MissingPaymentMethod::Pause),
        automatic_tax: app.settings.billing.automatic_tax,
        currency: (offer.currency != stands.plans.catalog.currency).then(|| offer.currency.clone()),
        metadata: named(account, &offer),
        ..NewSubscription::default()
    };
    let made = stripe.create_subscription(&new, &intents::key(&intent, "subscription")).await;
    let made = answered(app, &intent, made).await?;
    intents::note_made(app, intent.id, &made.id).await?;
    converge(app, account, Depth::Recent).await?;
    Ok(begun(made))
}

/// Ends what was begun for another plan, so that nobody pays on a form that is still open for it. What was paid
/// meanwhile is not touched; of two that are paid one is ended as a double.
async fn end_unpaid(app: &App, stripe: &Stripe, account: AccountId, price: &str) -> Result<(), AppError> {
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(billed_subscriptions::by_account(tx, account)?) };
    let known = app.database.read("subscriptions_begun", read).await?;
    // One of the same price may be the one whose answer was lost, and is found again by its call's name.
    let is_other = |known: &&BilledSubscription| known.price.as_deref() != Some(price);
    for begun in known.iter().filter(|known| known.status == Status::Incomplete).filter(is_other) {
        if stripe.get_subscription(&begun.id).await?.status != "incomplete" {
            continue;
        }
        match stripe.cancel_subscription(&begun.id, false, false, &format!("unpaid:{}:cancel", begun.id)).await {
            // It is over already.
            Ok(_) | Err(StripeError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn begun(made: Subscription) -> Begun {
    Begun {
        subscription: made.id,
        status: made.status,
        client_secret: made.client_secret.map(|secret| secret.expose().to_owned()),
    }
}
