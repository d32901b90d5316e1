//! Ends a subscription that runs beside the one that stands for its account, and pays back what was paid for it.
//!
//! Two checkouts that were open at once, or one that was finished late, can both be paid. Nobody wants to pay twice.

use providers::stripe::StripeError;
use serde::Deserialize;
use storage::records::billed_subscriptions;
use storage::records::jobs::Job;
use storage::records::{accounts, billing_customers};
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
}

pub(crate) async fn end_double(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let Payload { subscription } =
        serde_json::from_str(&job.payload).map_err(|error| JobFailure::GiveUp(error.to_string()))?;
    let account = job.account.ok_or_else(|| JobFailure::GiveUp("the job names no account".into()))?;
    let plans = app.plans().await?;
    let (wanted, known) = (subscription.clone(), plans.clone());
    let read = move |tx: &mut Tx<'_>| -> Result<bool, AppError> {
        let all = billed_subscriptions::by_account(tx, account)?;
        let all: Vec<_> = all.iter().map(|billed| facts(&known, billed)).collect();
        Ok(domain::billing::doubles(&all).any(|double| double.id == wanted))
    };
    let stripe = app.stripe()?;
    // It may have become the one that stands, if the other has ended meanwhile.
    if app.database.read("is_double", read).await? {
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
    note(app, account, &subscription, refunded).await?;
    converge(app, account, Depth::Whole).await?;
    Ok(Done)
}

async fn note(app: &App, account: domain::ids::AccountId, id: &str, refunded: i64) -> Result<(), AppError> {
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
        let told = Happened::of(&billed, "double_refunded", format!("double_refunded:{id}"));
        let told = Happened { amount: Some(refunded), ..told };
        Ok::<_, StorageError>(teller.history(tx, &told)?).map_err(AppError::from)
    };
    database.write("note_double", write).await
}
