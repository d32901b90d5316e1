//! Ends a subscription that nobody wants, and pays back what was paid for it.
//!
//! Two checkouts that were open at once, or one that was finished late, can both be paid: one runs beside the one that stands
//! for its account. And a page may be paid in the moment in which its account is suspended or closed.

use domain::billing::Billed;
use providers::stripe::StripeError;
use serde::Deserialize;
use storage::records::accounts::{self, Account, AccountStatus};
use storage::records::billed_subscriptions;
use storage::records::billing_customers;
use storage::records::jobs::Job;
use storage::{StorageError, Tx};

use super::converge::converge;
use super::read_stripe::Depth;
use super::settle::facts;
use super::tell::{Happened, Teller};
use crate::jobs::kinds::{Done, JobFailure};
use crate::{App, AppError};

/// The job that is left behind.
pub(crate) const END_DOUBLE: &str = "end_double_subscription";

#[derive(Deserialize)]
struct Payload {
    subscription: String,
    #[serde(default)]
    late: bool,
}

/// Why a subscription is not wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unwanted {
    /// It runs beside another.
    Double,
    /// Its account was suspended or closed before it was paid.
    Late,
}

impl Unwanted {
    /// As history names it, when it is found and when it is paid back.
    pub fn kinds(self) -> (&'static str, &'static str) {
        match self {
            Unwanted::Double => ("double_found", "double_refunded"),
            Unwanted::Late => ("late_purchase_found", "late_purchase_refunded"),
        }
    }
}

/// Why this one is not wanted, if it is not.
pub(super) fn unwanted(account: &Account, all: &[Billed], id: &str) -> Option<Unwanted> {
    if domain::billing::doubles(all).any(|double| double.id == id) {
        return Some(Unwanted::Double);
    }
    // Stripe tells whole seconds.
    let is_late = |billed: &Billed| billed.status.is_running() && billed.created_at > account.updated_at;
    let is_active = account.status == AccountStatus::Active;
    all.iter().any(|billed| billed.id == id && !is_active && is_late(billed)).then_some(Unwanted::Late)
}

pub(crate) async fn end_double(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let Payload { subscription, late } =
        serde_json::from_str(&job.payload).map_err(|error| JobFailure::GiveUp(error.to_string()))?;
    let account = job.account.ok_or_else(|| JobFailure::GiveUp("the job names no account".into()))?;
    let plans = app.plans().await?;
    let (wanted, known) = (subscription.clone(), plans.clone());
    let read = move |tx: &mut Tx<'_>| -> Result<Option<Unwanted>, AppError> {
        let row = accounts::by_id(tx, account)?.ok_or(AppError::AccountUnknown)?;
        let all = billed_subscriptions::by_account(tx, account)?;
        let all: Vec<_> = all.iter().map(|billed| facts(&known, billed)).collect();
        Ok(unwanted(&row, &all, &wanted))
    };
    let stripe = app.stripe()?;
    // It may have become the one that stands, if the other has ended meanwhile.
    let why = app.database.read("is_unwanted", read).await?;
    if why.is_some() {
        match stripe.cancel_subscription(&subscription, false, false, &format!("double:{subscription}:cancel")).await {
            // One that is over already is what was wanted.
            Ok(_) | Err(StripeError::NotFound { .. }) => {}
            Err(error) => return Err(AppError::from(error).into()),
        }
    }
    let ended = stripe.get_subscription(&subscription).await.map_err(AppError::from)?;
    let mut refunded = 0;
    if ended.ended_at.is_some() {
        let invoices = stripe.invoices_of(&ended.customer, Some(ended.created)).await.map_err(AppError::from)?;
        for invoice in invoices.iter().filter(|invoice| invoice.subscription.as_ref() == Some(&subscription)) {
            for payment in &invoice.payment_intents {
                let paid = stripe.get_payment_intent(payment).await.map_err(AppError::from)?;
                let back = paid.latest_charge.as_ref().map_or(0, |charge| charge.amount_refunded);
                if paid.status == "succeeded" && back < paid.amount_received {
                    let key = format!("double:{payment}:refund");
                    let made = stripe.create_refund(payment, None, &Default::default(), &key).await;
                    made.map(|_| ())
                        .or_else(|error| if error.is_passing() { Err(error) } else { Ok(()) })
                        .map_err(AppError::from)?;
                    refunded += paid.amount_received - back;
                }
            }
        }
    }
    let (_, kind) = why.unwrap_or(if late { Unwanted::Late } else { Unwanted::Double }).kinds();
    note(app, account, (&subscription, kind), refunded).await?;
    converge(app, account, Depth::Whole).await?;
    Ok(Done)
}

async fn note(
    app: &App,
    account: domain::ids::AccountId,
    (id, kind): (&str, &'static str),
    refunded: i64,
) -> Result<(), AppError> {
    let (plans, app, id) = (app.plans().await?, app.clone(), id.to_owned());
    let database = app.database.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let Some(account) = accounts::by_id(tx, account)? else { return Ok(()) };
        let read = billing_customers::by_account(tx, account.id)?.map_or(0, |customer| customer.reads);
        let Some(billed) = billed_subscriptions::by_account(tx, account.id)?.into_iter().find(|billed| billed.id == id)
        else {
            return Ok(());
        };
        let teller = Teller::new(&app, &plans, account, read);
        let told = Happened::of(&billed, kind, format!("{kind}:{id}"));
        let told = Happened { amount: Some(refunded), ..told };
        Ok::<_, StorageError>(teller.history(tx, &told)?).map_err(AppError::from)
    };
    database.write("note_double", write).await
}
