//! Closes the pages that an account could still buy on, when it is closed or suspended.

use domain::ids::AccountId;
use providers::stripe::StripeError;
use storage::Tx;
use storage::records::billing_intents::{self, BillingIntent};
use storage::records::jobs::Job;

use super::intents::{self, CREDITS};
use crate::jobs::kinds::{Done, JobFailure};
use crate::{App, AppError};

/// The job that suspending leaves behind. Closing does the same with what ends what is paid for.
pub(crate) const EXPIRE_PAGES: &str = "expire_checkout_pages";

/// What is bought on a page of Stripe's.
const ON_PAGES: [&str; 2] = ["checkout", CREDITS];

pub(crate) async fn expire_pages_job(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let account = job.account.ok_or_else(|| JobFailure::GiveUp("the job names no account".into()))?;
    expire_pages(app, account).await?;
    Ok(Done)
}

/// One that was paid already stays what it is.
pub(super) async fn expire_pages(app: &App, account: AccountId) -> Result<(), AppError> {
    let stripe = app.stripe()?;
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<BillingIntent>, AppError> {
        let mut open = Vec::new();
        for kind in ON_PAGES {
            open.extend(billing_intents::open(tx, account, kind)?);
        }
        Ok(open)
    };
    for intent in app.database.read("open_checkout_pages", read).await? {
        let Some(page) = &intent.made else { continue };
        match stripe.expire_checkout_session(page, &intents::key(&intent, "expire")).await {
            Ok(_) => intents::close(app, intent.id).await?,
            // It is paid, or was over.
            Err(StripeError::Invalid { .. } | StripeError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
