//! Reads at Stripe everything that says how one account stands. Nothing is written here.

use std::collections::BTreeSet;

use domain::ids::AccountId;
use domain::time::{MICROS_PER_DAY, Timestamp};
use providers::stripe::{Invoice, InvoiceLine, PaymentIntent, Price, Stripe, StripeError, Subscription};
use storage::Tx;
use storage::records::billing_customers::{self, BillingCustomer};
use storage::records::stripe_events::{self, StripeEvent};
use storage::records::{invoices, payments, stripe_prices};

use crate::{App, AppError};

/// How far back invoices are read: as long as a payment may be disputed, as a rule.
const RECENT_DAYS: i64 = 130;

/// How much is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Depth {
    /// What may have changed lately.
    Recent,
    /// Everything there is.
    Whole,
}

/// What Stripe says of an account.
pub(super) struct AtStripe {
    /// The number of this read; see [`billing_customers::begin_read`].
    pub read: i64,
    /// When reading began.
    pub began_at: Timestamp,
    pub customer: String,
    /// The customer was deleted, and with it everything that ran.
    pub deleted: bool,
    pub subscriptions: Vec<Subscription>,
    pub invoices: Vec<Invoice>,
    /// What was billed ahead since the last reading and nothing is paid for any more, where it was never seen before.
    pub left_prices: Vec<Price>,
    /// With Stripe's id of the invoice that each is for.
    pub payments: Vec<(Option<String>, PaymentIntent)>,
    /// The events that had come when reading began. What they tell of is in what was read.
    pub events: Vec<StripeEvent>,
}

/// What is known before anything is read.
struct Known {
    read: i64,
    /// When the last reading began whose result is written.
    read_at: Timestamp,
    customer: String,
    events: Vec<StripeEvent>,
    unsettled_invoices: Vec<String>,
}

/// `Ok(None)`: the account is no customer of Stripe's.
pub(super) async fn read_stripe(
    app: &App,
    stripe: &Stripe,
    account: AccountId,
    depth: Depth,
) -> Result<Option<AtStripe>, AppError> {
    let began_at = app.now();
    let Some(known) = begin(app, account).await? else { return Ok(None) };
    let customer = stripe.get_customer(&known.customer).await?;
    let subscriptions = match stripe.subscriptions_of(&known.customer).await {
        Err(StripeError::NotFound { .. } | StripeError::Invalid { .. }) if customer.deleted => Vec::new(),
        read => read?,
    };
    let since = match depth {
        Depth::Whole => None,
        Depth::Recent => Some(recent(app.now(), &subscriptions)),
    };
    let mut invoices = match stripe.invoices_of(&known.customer, since).await {
        Err(StripeError::NotFound { .. } | StripeError::Invalid { .. }) if customer.deleted => Vec::new(),
        read => read?,
    };
    for id in &known.unsettled_invoices {
        if !invoices.iter().any(|invoice| &invoice.id == id) {
            match stripe.get_invoice(id).await {
                Ok(invoice) => invoices.push(invoice),
                // A draft that was deleted.
                Err(StripeError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    invoices.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
    let payments = read_payments(app, stripe, &invoices, &known.events, depth).await?;
    let left_prices = read_left_prices(app, stripe, &subscriptions, &invoices, known.read_at).await?;
    let Known { read, customer: id, events, .. } = known;
    let deleted = customer.deleted;
    Ok(Some(AtStripe { read, began_at, customer: id, deleted, subscriptions, invoices, left_prices, payments, events }))
}

/// A plan that was come to and left again before anything was heard of it.
async fn read_left_prices(
    app: &App,
    stripe: &Stripe,
    subscriptions: &[Subscription],
    invoices: &[Invoice],
    since: Timestamp,
) -> Result<Vec<Price>, AppError> {
    let lines = invoices.iter().flat_map(|invoice| &invoice.lines);
    let is_new = |line: &&InvoiceLine| line.amount >= 0 && line.period_start.is_some_and(|start| start > since);
    let mut ids: BTreeSet<String> = lines.filter(is_new).filter_map(|line| line.price.clone()).collect();
    for item in subscriptions.iter().flat_map(|subscription| &subscription.items) {
        ids.remove(&item.price.id);
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<String>, AppError> {
        let mut unknown = Vec::new();
        for id in &ids {
            if stripe_prices::get(tx, id)?.is_none() {
                unknown.push(id.clone());
            }
        }
        Ok(unknown)
    };
    let mut prices = Vec::new();
    for id in app.database.read("unknown_prices", read).await? {
        match stripe.get_price(&id).await {
            Ok(price) => prices.push(price),
            Err(StripeError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(prices)
}

async fn begin(app: &App, account: AccountId) -> Result<Option<Known>, AppError> {
    let write = move |tx: &mut Tx<'_>| -> Result<Option<Known>, AppError> {
        let Some(row) = billing_customers::by_account(tx, account)? else { return Ok(None) };
        let BillingCustomer { customer: Some(customer), read_at, .. } = row else { return Ok(None) };
        let Some(read) = billing_customers::begin_read(tx, account)? else { return Ok(None) };
        let events = stripe_events::waiting_of(tx, &customer)?;
        let unsettled = invoices::unsettled(tx, account)?;
        let unsettled_invoices = unsettled.into_iter().map(|invoice| invoice.stripe_id).collect();
        Ok(Some(Known { read, read_at, customer, events, unsettled_invoices }))
    };
    app.database.write("begin_reading_stripe", write).await
}

/// Far enough to hold what was paid for the periods that run.
fn recent(now: Timestamp, subscriptions: &[Subscription]) -> Timestamp {
    let running = subscriptions.iter().filter(|subscription| subscription.ended_at.is_none());
    let first = running.filter_map(|subscription| subscription.current_period_start).min();
    let days_ago = now.minus_micros(RECENT_DAYS * MICROS_PER_DAY);
    first.map_or(days_ago, |first| first.minus_micros(MICROS_PER_DAY).min(days_ago))
}

/// Payments that may have changed: those that are not known as made, and those that events tell of.
async fn read_payments(
    app: &App,
    stripe: &Stripe,
    invoices: &[Invoice],
    events: &[StripeEvent],
    depth: Depth,
) -> Result<Vec<(Option<String>, PaymentIntent)>, AppError> {
    let of_invoices = invoices
        .iter()
        .flat_map(|invoice| invoice.payment_intents.iter().map(|payment| (Some(invoice.id.clone()), payment.clone())));
    let mut wanted: Vec<(Option<String>, String)> = of_invoices.collect();
    let told = events.iter().filter_map(|event| payment_told_of(&event.payload));
    let told: Vec<String> = told.collect();
    for payment in &told {
        if !wanted.iter().any(|(_, known)| known == payment) {
            wanted.push((None, payment.clone()));
        }
    }
    let ids: Vec<String> = wanted.iter().map(|(_, payment)| payment.clone()).collect();
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<bool>, AppError> {
        let made =
            ids.iter().map(|id| Ok(payments::by_stripe_id(tx, id)?.is_some_and(|known| known.status == "succeeded")));
        made.collect()
    };
    let made = app.database.read("known_payments", read).await?;
    let mut payments = Vec::new();
    for ((invoice, payment), made) in wanted.into_iter().zip(made) {
        if depth == Depth::Whole || !made || told.contains(&payment) {
            payments.push((invoice, stripe.get_payment_intent(&payment).await?));
        }
    }
    Ok(payments)
}

/// Of charges, disputes and payments, in either shape.
fn payment_told_of(payload: &str) -> Option<String> {
    providers::stripe::Event::read(payload.as_bytes()).ok()?.payment_intent
}
