//! Sells extra quantity: a page of Stripe's to pay on, and the credit once it is paid.
//!
//! What is paid is learned by reading the page's session again, whatever event was told or lost; the credit has the
//! session's name, so that it is given once.

use domain::catalog::{COST_METER, CreditPack};
use domain::ids::{AccountId, BillingIntentId};
use domain::ledger::{Action, Credit};
use domain::name::Name;
use domain::time::MICROS_PER_DAY;
use providers::stripe::{CheckoutLine, CheckoutMode, CheckoutPrice, CheckoutSession, NewCheckout, Stripe};
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::Tx;
use storage::records::billing_intents::{self, BillingIntent};

use super::Checkout;
use super::checkout::{open_session, shown};
use super::customer::{ACCOUNT, ensure_customer};
use super::intents::{self, CREDITS, answered};
use super::selling::{Stands, buyer, must_be_active, redirect_target, stands};
use crate::metering::credits::give_bought;
use crate::{AccountRef, App, AppError, Caller};

/// What is to be bought, and where the customer goes afterwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreditPurchase {
    /// The pack's key in the catalog.
    pub pack: String,
    pub success_url: Option<String>,
    pub cancel_url: Option<String>,
}

/// What was bought, as it was when it was bought.
#[derive(Serialize, Deserialize)]
struct Bought {
    pack: String,
    meter: String,
    amount: i64,
    expires_after_days: Option<u32>,
    price: i64,
    currency: String,
    success_url: String,
    cancel_url: String,
    /// Stripe's, whose page it is. `None` on purchases of former versions.
    #[serde(default)]
    customer: Option<String>,
}

/// The packs that are sold.
pub async fn list_credit_packs(app: &App) -> Result<Vec<(Name, CreditPack)>, AppError> {
    let plans = app.plans().await?;
    Ok(plans.catalog.credit_packs.iter().map(|(key, pack)| (key.clone(), pack.clone())).collect())
}

/// # Errors
/// [`AppError::NotFound`] for a pack that is not sold, [`AppError::PlanNotSold`] in a currency that it has no price in.
pub async fn buy_credits(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    wanted: &CreditPurchase,
) -> Result<Checkout, AppError> {
    let account = buyer(app, caller, account).await?;
    let stripe = app.must_sell()?;
    let stands = stands(app, account).await?;
    must_be_active(&stands)?;
    let pack = stands.plans.catalog.credit_packs.get(wanted.pack.as_str()).cloned();
    let pack = pack.ok_or_else(|| AppError::NotFound { what: "credit pack", name: wanted.pack.clone() })?;
    let success = redirect_target(app, "success_url", wanted.success_url.as_deref(), "checkout/done")?;
    let cancel = redirect_target(app, "cancel_url", wanted.cancel_url.as_deref(), "checkout/canceled")?;
    let mut bought = bought(&stands, &wanted.pack, &pack, (success, cancel))?;
    let customer = ensure_customer(app, stripe, account).await?;
    bought.customer = Some(customer.clone());
    // A page that was paid is done with before it could be taken for an open one.
    give_paid_credits(app, account).await?;
    let intent = intents::begin(app, account, CREDITS, &json!(bought)).await?;
    if let Some(open) = open_session(stripe, &intent).await? {
        return Ok(shown(open));
    }
    let new = NewCheckout {
        mode: CheckoutMode::Payment,
        customer: Some(customer),
        lines: vec![CheckoutLine {
            price: CheckoutPrice::Once {
                name: pack.name.clone(),
                currency: bought.currency.clone(),
                unit_amount: bought.price,
            },
            quantity: Some(1),
        }],
        success_url: bought.success_url.clone(),
        cancel_url: Some(bought.cancel_url.clone()),
        client_reference_id: Some(account.to_string()),
        metadata: [(ACCOUNT.to_owned(), account.to_string()), ("tollway_credits".to_owned(), wanted.pack.clone())]
            .into(),
        automatic_tax: app.settings.billing.automatic_tax,
        update_customer: app.settings.billing.automatic_tax,
        invoice_creation: true,
        ..NewCheckout::default()
    };
    let made = stripe.create_checkout_session(&new, &intents::key(&intent, "session")).await;
    let made = answered(app, &intent, made).await?;
    intents::note_made(app, intent.id, &made.id).await?;
    Ok(shown(made))
}

fn bought(
    stands: &Stands,
    key: &str,
    pack: &CreditPack,
    (success_url, cancel_url): (String, String),
) -> Result<Bought, AppError> {
    let own = &stands.plans.catalog.currency;
    let paid_in = stands.customer.as_ref().and_then(|customer| customer.currency.clone());
    let currency = paid_in.unwrap_or_else(|| own.clone());
    let price = if currency == *own { Some(pack.price) } else { pack.other_currencies.get(&currency).copied() };
    let reason = format!("{} is not sold in {currency}.", pack.name);
    let price = price.ok_or(AppError::PlanNotSold { plan: Name::from(key), reason })?;
    Ok(Bought {
        pack: key.to_owned(),
        meter: pack.meter.to_string(),
        amount: pack.amount,
        expires_after_days: pack.expires_after_days,
        price,
        currency,
        success_url,
        cancel_url,
        customer: None,
    })
}

/// Gives every credit whose page was paid, once.
pub(super) async fn give_paid_credits(app: &App, account: AccountId) -> Result<(), AppError> {
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(billing_intents::open(tx, account, CREDITS)?) };
    let open = app.database.read("open_credit_purchases", read).await?;
    let stripe = app.stripe()?;
    for intent in open {
        give_if_paid(app, stripe, account, &intent).await?;
    }
    Ok(())
}

async fn give_if_paid(app: &App, stripe: &Stripe, account: AccountId, intent: &BillingIntent) -> Result<(), AppError> {
    let Some(made) = &intent.made else { return Ok(()) };
    let session = stripe.get_checkout_session(made).await?;
    let bought: Bought = serde_json::from_str(&intent.request).map_err(storage::StorageError::unexpected)?;
    match (session.status.as_deref(), session.payment_status.as_deref()) {
        (Some("complete"), Some("paid" | "no_payment_required")) => {
            let days = bought.expires_after_days.map(|days| i64::from(days) * MICROS_PER_DAY);
            let credit = Credit {
                id: app.new_id(),
                meter: Name::from(bought.meter.as_str()),
                granted: bought.amount,
                remaining: bought.amount,
                priority: 0,
                expires_at: days.map(|days| app.now().plus_micros(days)),
            };
            give_bought(app, account, Action::Grant { credit }, &session.id).await?;
            intents::close(app, intent.id).await
        }
        (Some("expired"), _) => intents::close(app, intent.id).await,
        // Paid by a way that takes days.
        (Some("complete"), _) if has_failed(stripe, &session).await? => fail(app, intent.id).await,
        _ => Ok(()),
    }
}

/// Whether a slow payment has failed: nobody is asked for it again.
async fn has_failed(stripe: &Stripe, session: &CheckoutSession) -> Result<bool, AppError> {
    let Some(payment) = &session.payment_intent else { return Ok(false) };
    let payment = stripe.get_payment_intent(payment).await?;
    Ok(matches!(payment.status.as_str(), "requires_payment_method" | "canceled"))
}

async fn fail(app: &App, intent: BillingIntentId) -> Result<(), AppError> {
    let now = app.now();
    let write =
        move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(billing_intents::fail(tx, intent, now).map(|_| ())?) };
    app.database.write("fail_credit_purchase", write).await
}

/// Whether the meter is money.
pub fn is_money(pack: &CreditPack) -> bool {
    pack.meter.as_str() == COST_METER
}
