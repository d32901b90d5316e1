//! Changes the plan or interval of a subscription that runs.

use domain::ids::AccountId;
use providers::stripe::{Stripe, StripeError, Subscription, SubscriptionChange};
use serde_json::json;
use storage::Tx;
use storage::records::billing_intents::BillingIntent;

use super::SubscriptionView;
use super::change::{Change, WantedChange, possible};
use super::converge::converge;
use super::intents::{self, answered};
use super::read_stripe::Depth;
use super::selling::buyer;
use super::subscription::view;
use crate::{AccountRef, App, AppError, Caller};

/// How a change came out.
#[derive(Clone, Debug)]
pub struct Changed {
    pub subscription: SubscriptionView,
    /// The change waits until its invoice is paid, on this page: the bank asks the customer to confirm it, or the card was
    /// declined. `None`: it is done.
    pub pay_url: Option<String>,
}

/// # Errors
/// Those of [`possible`], and [`AppError::PaymentFailed`] when the card is declined.
pub async fn change_plan(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    wanted: &WantedChange,
) -> Result<Changed, AppError> {
    let account = buyer(app, caller, account).await?;
    let stripe = app.must_sell()?;
    // What is changed is what Stripe has now, not what was heard of it last.
    converge(app, account, Depth::Recent).await?;
    let change = match possible(app, stripe, account, wanted).await {
        // The answer to the same change was lost.
        Err(AppError::NothingToChange) if intents::was_begun(app, account, "change").await? => {
            return Ok(Changed { subscription: shown(app, account).await?, pay_url: None });
        }
        change => change?,
    };
    let request = json!({
        "subscription": change.billed.id, "price": change.price, "when": change.when.as_str(),
        "from": change.billed.price, "period_end": change.billed.period_end.seconds(),
        "kept": change.billed.kept.map(|(plan, _)| plan.to_string()),
    });
    let intent = intents::begin(app, account, "change", &request).await?;
    let made = carry_out(app, stripe, &change, &intent).await;
    // Whatever came of it: what Stripe has now is learned before anything is said.
    converge(app, account, Depth::Recent).await?;
    let changed = made?;
    intents::close(app, intent.id).await?;
    let pay_url = if is_done(&changed, &change) { None } else { pay_url(stripe, &changed).await? };
    Ok(Changed { subscription: shown(app, account).await?, pay_url })
}

async fn shown(app: &App, account: AccountId) -> Result<SubscriptionView, AppError> {
    let (plans, now) = (app.plans().await?, app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<SubscriptionView, AppError> { view(tx, &plans, account, now) };
    app.database.read("get_changed_subscription", read).await
}

async fn carry_out(
    app: &App,
    stripe: &Stripe,
    change: &Change,
    intent: &BillingIntent,
) -> Result<Subscription, AppError> {
    let id = &change.billed.id;
    intents::release_schedule(app, stripe, intent, id).await?;
    let mut request = change.request(intent.account);
    if request.proration_date.is_some() {
        // The same call again has the same date, however much later it is made.
        let noted = intents::note_first(app, intent.id, &change.proration_date.seconds().to_string()).await?;
        request.proration_date = noted.parse().ok().map(domain::time::Timestamp::from_seconds);
    }
    let made = stripe.change_subscription(id, &request, &intents::key(intent, "change")).await;
    let made = answered(app, intent, made).await?;
    // While the change waits for its payment, what is kept and what was bought stay as they are.
    let metadata = change.metadata_afterwards(intent.account).filter(|_| is_done(&made, change));
    if let Some(metadata) = metadata {
        let request = SubscriptionChange { metadata, ..SubscriptionChange::default() };
        answered(app, intent, stripe.change_subscription(id, &request, &intents::key(intent, "metadata")).await)
            .await?;
    }
    Ok(made)
}

fn is_done(made: &Subscription, change: &Change) -> bool {
    made.bought_item().is_none_or(|item| item.price.id == change.price)
}

/// Where the invoice of a change that waits is paid.
async fn pay_url(stripe: &Stripe, changed: &Subscription) -> Result<Option<String>, AppError> {
    let Some(invoice) = &changed.latest_invoice else { return Ok(None) };
    match stripe.get_invoice(invoice).await {
        Ok(invoice) => Ok(invoice.hosted_invoice_url),
        Err(StripeError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
