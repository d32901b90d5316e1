//! Takes back invoice items that waited for the next invoice of a subscription which has ended without one, so that they
//! are billed by an invoice of their own.

use domain::ids::AccountId;
use domain::time::MICROS_PER_DAY;
use providers::stripe::{InvoiceItem, InvoiceItemsOf, StripeError};
use storage::Tx;
use storage::records::overage_charges::{self, OverageCharge};
use storage::records::{billed_subscriptions, billing_customers};

use super::bill_overage::{is_of, name};
use crate::{App, AppError};

/// How long after its end a subscription is looked at.
const LOOK_BACK_DAYS: i64 = 70;

/// Before what waits is billed. Stripe's last invoice of a subscription is there when its end is.
pub(super) async fn take_back_items(app: &App, account: AccountId) -> Result<(), AppError> {
    let Some((customer, charges)) = charged_with_ended(app, account).await? else { return Ok(()) };
    let stripe = app.stripe()?;
    let waiting = stripe.invoice_items_of(InvoiceItemsOf::Waiting(&customer)).await?;
    for charge in charges {
        let Some(item) = waiting.iter().find(|item: &&InvoiceItem| is_of(&item.metadata, &charge)) else { continue };
        // Before it is deleted: whoever dies in between leaves a charge that finds its item again.
        wait_again(app, &charge).await?;
        match stripe.delete_invoice_item(&item.id, &format!("{}:take-back", name(&charge))).await {
            Ok(()) | Err(StripeError::NotFound { .. }) => {}
            // It is on an invoice by now.
            Err(StripeError::Invalid { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        // Somebody else may have found the item meanwhile.
        wait_again(app, &charge).await?;
    }
    Ok(())
}

/// The customer, and what is on items of subscriptions that have ended. `Ok(None)`: nothing.
async fn charged_with_ended(app: &App, account: AccountId) -> Result<Option<(String, Vec<OverageCharge>)>, AppError> {
    let since = app.now().minus_micros(LOOK_BACK_DAYS * MICROS_PER_DAY);
    let read = move |tx: &mut Tx<'_>| -> Result<Option<(String, Vec<OverageCharge>)>, AppError> {
        let mut charges = Vec::new();
        for billed in billed_subscriptions::by_account(tx, account)? {
            if billed.ended_at.is_some_and(|ended_at| ended_at >= since) {
                charges.extend(overage_charges::charged_with(tx, account, &billed.id)?);
            }
        }
        let customer = billing_customers::by_account(tx, account)?.and_then(|row| row.customer);
        Ok(customer.filter(|_| !charges.is_empty()).map(|customer| (customer, charges)))
    };
    app.database.read("overage_of_ended_subscriptions", read).await
}

async fn wait_again(app: &App, charge: &OverageCharge) -> Result<(), AppError> {
    let charge = charge.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(overage_charges::wait_again(tx, &charge)?) };
    app.database.write("take_back_overage", write).await
}
