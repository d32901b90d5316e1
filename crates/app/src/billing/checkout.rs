//! Begins a purchase on Stripe's own page.

use domain::catalog::Interval;
use domain::ids::AccountId;
use domain::time::Timestamp;
use providers::stripe::{
    CheckoutLine, CheckoutMode, CheckoutPrice, CheckoutSession, Metadata, MissingPaymentMethod, NewCheckout, Stripe,
};
use serde_json::json;
use storage::records::billing_intents::BillingIntent;

use super::customer::{ACCOUNT, ensure_customer};
use super::intents::{self, answered};
use super::plan_of_price::{PLAN_VERSION, Prices, prices_of_plan};
use super::selling::{Offer, Stands, buyer, offer, redirect_target, stands, trial_days};
use crate::{AccountRef, App, AppError, Caller};

/// What is to be bought, and where the customer goes afterwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Purchase {
    /// The plan's key.
    pub plan: String,
    pub interval: Interval,
    /// `None`: a page of this server.
    pub success_url: Option<String>,
    pub cancel_url: Option<String>,
}

/// The page to send the customer to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkout {
    pub url: String,
    /// Stripe's id of the session.
    pub session: String,
    pub expires_at: Option<Timestamp>,
}

/// Asking for the same again gives the same page, as long as it is open.
///
/// # Errors
/// [`AppError::AlreadySubscribed`] when the account has a subscription: that is changed, not bought beside it.
pub async fn checkout(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    wanted: &Purchase,
) -> Result<Checkout, AppError> {
    let account = buyer(app, caller, account).await?;
    checkout_of(app, account, wanted).await
}

/// For whoever may buy for the account already.
pub(crate) async fn checkout_of(app: &App, account: AccountId, wanted: &Purchase) -> Result<Checkout, AppError> {
    let stripe = app.must_sell()?;
    let stands = stands(app, account).await?;
    let offer = offer(&stands, &wanted.plan, wanted.interval)?;
    must_be_free(&stands)?;
    let success = redirect_target(app, "success_url", wanted.success_url.as_deref(), "checkout/done")?;
    let cancel = redirect_target(app, "cancel_url", wanted.cancel_url.as_deref(), "checkout/canceled")?;
    let prices = prices_of_plan(app, stripe, &offer.version.plan, offer.interval).await?;
    let customer = ensure_customer(app, stripe, account).await?;
    let new = session(app, &stands, &offer, (prices, customer, account), (success, cancel));
    let request = json!({
        "customer": new.customer,
        "plan_version": offer.version.id.to_string(),
        "interval": offer.interval.as_str(),
        "currency": offer.currency,
        "trial_days": new.trial_days,
        "success_url": new.success_url,
        "cancel_url": new.cancel_url,
    });
    let mut intent = intents::begin(app, account, "checkout", &request).await?;
    if let Some(open) = open_session(stripe, &intent).await? {
        return Ok(shown(open));
    }
    if intent.made.is_some() {
        intents::close(app, intent.id).await?;
        intent = intents::begin(app, account, "checkout", &request).await?;
    }
    let made = stripe.create_checkout_session(&new, &intents::key(&intent, "session")).await;
    let made = answered(app, &intent, made).await?;
    intents::note_made(app, intent.id, &made.id).await?;
    Ok(shown(made))
}

/// A subscription that has not ended is changed or ended first; one that was only begun stands in nobody's way.
pub(super) fn must_be_free(stands: &Stands) -> Result<(), AppError> {
    match &stands.billed {
        Some(billed) if billed.status.is_running() => Err(AppError::AlreadySubscribed),
        _ => Ok(()),
    }
}

fn session(
    app: &App,
    stands: &Stands,
    offer: &Offer,
    (prices, customer, account): (Prices, String, AccountId),
    (success, cancel): (String, String),
) -> NewCheckout {
    let billing = &app.settings.billing;
    let plan = &offer.version.plan;
    let trial_days = trial_days(stands, plan);
    let line = |price: String, quantity| CheckoutLine { price: CheckoutPrice::Listed(price), quantity };
    let bought = line(prices.bought, Some(1));
    let metered = prices.metered.into_iter().map(|price| line(price, None));
    NewCheckout {
        mode: CheckoutMode::Subscription,
        customer: Some(customer),
        lines: [bought].into_iter().chain(metered).collect(),
        success_url: success,
        cancel_url: Some(cancel),
        client_reference_id: Some(account.to_string()),
        metadata: named(account, offer),
        trial_days,
        missing_payment_method: trial_days.map(|_| MissingPaymentMethod::Pause),
        card_only_if_required: trial_days.is_some() && !plan.trial_needs_card,
        allow_promotion_codes: billing.promotion_codes,
        automatic_tax: billing.automatic_tax,
        tax_id_collection: billing.tax_ids,
        billing_address_required: billing.billing_address_required,
        update_customer: billing.automatic_tax || billing.tax_ids,
        currency: (offer.currency != stands.plans.catalog.currency).then(|| offer.currency.clone()),
        ..NewCheckout::default()
    }
}

/// What Stripe keeps with a subscription, so that it can be told whose it is and what was bought.
pub(super) fn named(account: AccountId, offer: &Offer) -> Metadata {
    [(ACCOUNT.to_owned(), account.to_string()), (PLAN_VERSION.to_owned(), offer.version.id.to_string())].into()
}

pub(super) async fn open_session(stripe: &Stripe, intent: &BillingIntent) -> Result<Option<CheckoutSession>, AppError> {
    let Some(made) = &intent.made else { return Ok(None) };
    let session = stripe.get_checkout_session(made).await?;
    Ok(Some(session).filter(|session| session.status.as_deref() == Some("open") && session.url.is_some()))
}

pub(super) fn shown(session: CheckoutSession) -> Checkout {
    Checkout { url: session.url.unwrap_or_default(), session: session.id, expires_at: session.expires_at }
}
