//! Makes what is written here agree with Stripe. Start at [`converge`].
//!
//! Everything that may have changed at Stripe comes by this one way: an event that was told, an answer to what was asked,
//! a comparison by schedule. What an event says is not believed; what Stripe says when asked is, all of it at once. So no
//! order, repetition or loss of events leads anywhere else.

use std::sync::Arc;

use domain::ids::AccountId;
use domain::time::Timestamp;
use providers::stripe::PaymentIntent;
use serde_json::json;
use storage::ledger::plan_book::PlanBook;
use storage::records::accounts::{self, AccountStatus};
use storage::records::billed_subscriptions::{self, BilledSubscription};
use storage::records::billing_customers;
use storage::records::jobs::{self, NewJob};
use storage::records::stripe_events::{self, EventState};
use storage::{StorageError, Tx};

use super::apply_stripe_invoice::{apply_stripe_invoice, apply_stripe_payment};
use super::apply_stripe_subscription::{apply_stripe_subscription, end_with_customer};
use super::buy_credits::give_paid_credits;
use super::cancel::CANCEL_BILLING;
use super::charge_overage::charge_overage;
use super::end_double::{END_DOUBLE, Unwanted, unwanted};
use super::plan_of_price::find;
use super::read_stripe::{AtStripe, Depth, read_stripe};
use super::settle::{facts, settle_learned};
use super::tell::{Happened, Teller};
use super::when_changed::{Step, steps};
use crate::webhooks::{Emitted, Event};
use crate::{App, AppError};

/// How an account stood before and after it was made to agree with Stripe.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Converged {
    /// What was different here, as sentences. Empty: nothing was.
    pub repaired: Vec<String>,
    /// What Stripe says that the catalog does not know.
    pub drift: Option<String>,
}

/// Reads at Stripe how an account stands and writes it down. Where it is no customer of Stripe's nothing happens.
///
/// # Errors
/// [`AppError::BillingUnavailable`] when Stripe cannot be asked; nothing has changed then.
pub(crate) async fn converge(app: &App, account: AccountId, depth: Depth) -> Result<Converged, AppError> {
    let stripe = app.stripe()?;
    let Some(seen) = read_stripe(app, stripe, account, depth).await? else { return Ok(Converged::default()) };
    let (plans, seen, writer) = (app.plans().await?, Arc::new(seen), app.clone());
    let write = move |tx: &mut Tx<'_>| apply(tx, &writer, &plans, account, &seen);
    let converged = app.database.write("apply_stripe", write).await?;
    give_paid_credits(app, account).await?;
    match charge_overage(app, account).await {
        // What Stripe refuses now it refuses again; the charge waits, and somebody is told.
        Err(AppError::BillingRefused(reason)) => tracing::error!(%account, reason, "overage could not be charged"),
        charged => charged?,
    }
    Ok(converged)
}

fn apply(
    tx: &mut Tx<'_>,
    app: &App,
    plans: &Arc<PlanBook>,
    account: AccountId,
    seen: &AtStripe,
) -> Result<Converged, AppError> {
    let now = app.now();
    let account = accounts::lock(tx, account)?.ok_or(AppError::AccountUnknown)?;
    let teller = Teller::new(app, plans, account, seen.read);
    let id = teller.account.id;
    let before = billed_subscriptions::by_account(tx, id)?;
    let Some(known) = billing_customers::by_account(tx, id)?.filter(|known| known.applied < seen.read) else {
        // Something that was read later is written already.
        return Ok(Converged::default());
    };
    let drift = apply_subscriptions(tx, &teller, seen, &before)?;
    billing_customers::note_applied(tx, id, seen.read, drift.as_deref(), (seen.began_at, now))?;
    for invoice in &seen.invoices {
        let waits = |payment: &PaymentIntent| matches!(payment.status.as_str(), "processing" | "requires_action");
        let is_of = |of: &Option<String>| of.as_ref() == Some(&invoice.id);
        let is_under_way = seen.payments.iter().any(|(of, payment)| is_of(of) && waits(payment));
        apply_stripe_invoice(tx, &teller, invoice, is_under_way)?;
    }
    for (invoice, payment) in &seen.payments {
        let invoice = match invoice {
            Some(invoice) => storage::records::invoices::by_stripe_id(tx, invoice)?,
            None => None,
        };
        apply_stripe_payment(tx, &teller, payment, invoice.as_ref())?;
    }
    if seen.deleted {
        billing_customers::forget_customer(tx, id, &seen.customer)?;
    }
    let after = billed_subscriptions::by_account(tx, id)?;
    end_unwanted(tx, &teller, &after)?;
    for price in &seen.left_prices {
        find(tx, plans, price)?;
    }
    let steps = steps_since(tx, &teller, seen, (&before, &after), known.read_at)?;
    settle_learned(tx, plans, id, (&Emitted::new(app, Event::SubscriptionChanged), &steps), now)?;
    for event in &seen.events {
        stripe_events::settle(tx, &event.id, EventState::Applied, now)?;
    }
    Ok(Converged { repaired: differences(&before, &after), drift })
}

/// The plans that the subscription which stands for the account came to since it was read the last time.
fn steps_since(
    tx: &mut Tx<'_>,
    teller: &Teller,
    seen: &AtStripe,
    (before, after): (&[BilledSubscription], &[BilledSubscription]),
    known: Timestamp,
) -> Result<Vec<Step>, StorageError> {
    let all: Vec<_> = after.iter().map(|billed| facts(&teller.plans, billed)).collect();
    let Some(current) = domain::billing::current(&all) else { return Ok(Vec::new()) };
    let [former, billed] = [before, after].map(|these| these.iter().find(|billed| billed.id == current.id));
    let Some((former, billed)) = former.zip(billed) else { return Ok(Vec::new()) };
    steps(tx, &teller.plans, (former, billed), &seen.events, (known, teller.now))
}

fn apply_subscriptions(
    tx: &mut Tx<'_>,
    teller: &Teller,
    seen: &AtStripe,
    before: &[BilledSubscription],
) -> Result<Option<String>, StorageError> {
    let mut drift = None;
    let mut subscriptions: Vec<_> = seen.subscriptions.iter().collect();
    subscriptions.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
    for subscription in subscriptions {
        let former = before.iter().find(|billed| billed.id == subscription.id);
        let found = apply_stripe_subscription(tx, teller, subscription, &seen.invoices, former)?;
        drift = found.filter(|_| subscription.ended_at.is_none()).or(drift);
    }
    let told = |billed: &BilledSubscription| seen.subscriptions.iter().any(|told| told.id == billed.id);
    for gone in before.iter().filter(|billed| seen.deleted && !billed.status.is_over() && !told(billed)) {
        end_with_customer(tx, teller, gone)?;
    }
    Ok(drift)
}

/// Leaves a job for each subscription that nobody wants: one that runs beside the one that stands for the account, and one that
/// was bought when the account was suspended or closed. What a closed account has had before ends too, and is not paid back.
fn end_unwanted(tx: &mut Tx<'_>, teller: &Teller, billed: &[BilledSubscription]) -> Result<(), StorageError> {
    let all: Vec<_> = billed.iter().map(|billed| facts(&teller.plans, billed)).collect();
    for row in billed {
        let job = |kind, payload: serde_json::Value| NewJob {
            id: teller.app.new_id(),
            kind,
            account: Some(teller.account.id),
            payload: payload.to_string(),
            run_at: teller.now,
        };
        if let Some(why) = unwanted(&teller.account, &all, &row.id) {
            let (kind, _) = why.kinds();
            teller.history(tx, &Happened::of(row, kind, format!("{kind}:{}", row.id)))?;
            let payload = json!({ "subscription": row.id, "late": why == Unwanted::Late });
            jobs::insert(tx, &job(END_DOUBLE, payload), teller.now)?;
        } else if teller.account.status == AccountStatus::Closed && row.status.is_running() {
            let payload = json!({ "account": teller.account.id.to_string() });
            jobs::insert(tx, &job(CANCEL_BILLING, payload), teller.now)?;
        }
    }
    Ok(())
}

/// What a lost event had left behind.
fn differences(before: &[BilledSubscription], after: &[BilledSubscription]) -> Vec<String> {
    let mut found = Vec::new();
    for now in after {
        let id = &now.id;
        let Some(was) = before.iter().find(|was| was.id == *id) else {
            found.push(format!("The subscription {id} was not known; it is {}.", now.status.as_str()));
            continue;
        };
        if was.status != now.status {
            let (was, now) = (was.status.as_str(), now.status.as_str());
            found.push(format!("The subscription {id} was {was} here and is {now}."));
        }
        if was.price != now.price {
            found.push(format!("The subscription {id} has another price."));
        }
        if was.period_end != now.period_end {
            found.push(format!(
                "The subscription {id} ended its period at {} here and does at {}.",
                was.period_end, now.period_end
            ));
        }
        if was.cancel_at != now.cancel_at {
            let shown = |at: Option<Timestamp>| at.map_or("never".into(), |at| at.to_string());
            found.push(format!(
                "The subscription {id} ended {} here and ends {}.",
                shown(was.cancel_at),
                shown(now.cancel_at)
            ));
        }
    }
    found
}
