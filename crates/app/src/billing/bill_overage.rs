//! Puts overage that was booked on invoices at Stripe, each part once.

use domain::ids::AccountId;
use domain::time::Timestamp;
use providers::stripe::{
    InvoiceItem, InvoiceItemAmount, InvoiceItemsOf, Metadata, NewInvoice, NewInvoiceItem, Stripe, StripeError,
};
use storage::Tx;
use storage::records::billed_subscriptions::{self, BilledSubscription};
use storage::records::overage_charges::{self, OverageCharge};
use storage::records::{billing_customers, invoices};

use super::charge_overage::is_billed_soon;
use super::report_overage::{Report, report};
use crate::{App, AppError};

/// On invoice items at Stripe: which part of which window they charge.
const OVERAGE: &str = "tollway_overage";

/// What is known before anything is billed.
pub(super) struct ToBill {
    pub customer: String,
    charges: Vec<(OverageCharge, BilledSubscription)>,
    pub drafts: Vec<Draft>,
}

/// An invoice that is not final.
pub(super) struct Draft {
    /// Stripe's id.
    pub id: String,
    pub subscription: String,
    /// The period that it closes.
    pub period: (Timestamp, Timestamp),
    pub created_at: Timestamp,
}

pub(super) async fn bill_overage(app: &App, account: AccountId) -> Result<(), AppError> {
    let Some(to_bill) = to_bill(app, account).await? else { return Ok(()) };
    let stripe = app.stripe()?;
    for (charge, billed) in &to_bill.charges {
        if report(app, stripe, &to_bill, charge).await? != Report::ByInvoice {
            continue;
        }
        let made = match made_before(stripe, &to_bill.customer, charge).await? {
            Some(made) => made,
            None => bill(stripe, &to_bill, charge, billed).await?,
        };
        collect_own(stripe, charge, &made).await?;
        let (charge, made) = (charge.clone(), made.id);
        let write =
            move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(overage_charges::settle(tx, &charge, &made, false)?) };
        app.database.write("settle_overage", write).await?;
    }
    Ok(())
}

async fn to_bill(app: &App, account: AccountId) -> Result<Option<ToBill>, AppError> {
    let read = move |tx: &mut Tx<'_>| -> Result<Option<ToBill>, AppError> {
        let waiting = overage_charges::waiting(tx, account)?;
        let customer = billing_customers::by_account(tx, account)?.and_then(|row| row.customer);
        let (false, Some(customer)) = (waiting.is_empty(), customer) else { return Ok(None) };
        let all = billed_subscriptions::by_account(tx, account)?;
        let with_subscription = waiting.into_iter().filter_map(|charge| {
            let billed = all.iter().find(|billed| billed.id == charge.subscription)?.clone();
            Some((charge, billed))
        });
        let drafts = invoices::unsettled(tx, account)?.into_iter().filter(|invoice| invoice.status == "draft");
        let drafts = drafts.filter_map(|draft| {
            let period = (draft.period_start, draft.period_end);
            Some(Draft { id: draft.stripe_id, subscription: draft.subscription?, period, created_at: draft.created_at })
        });
        Ok(Some(ToBill { customer, charges: with_subscription.collect(), drafts: drafts.collect() }))
    };
    app.database.read("overage_to_bill", read).await
}

/// What was made when its answer was lost. The name of the call does not tell: Stripe forgets it after a day, and another
/// invoice than the one of then, which is finalized by now, is another call.
async fn made_before(stripe: &Stripe, customer: &str, charge: &OverageCharge) -> Result<Option<InvoiceItem>, AppError> {
    let items = stripe.invoice_items_of(InvoiceItemsOf::Customer(customer)).await?;
    Ok(items.into_iter().find(|item| is_of(&item.metadata, charge)))
}

async fn bill(
    stripe: &Stripe,
    to_bill: &ToBill,
    charge: &OverageCharge,
    billed: &BilledSubscription,
) -> Result<InvoiceItem, AppError> {
    let closing =
        to_bill.drafts.iter().find(|draft| draft.subscription == billed.id && draft.period.1 >= charge.window_end);
    if let Some(draft) = closing {
        let item = item(to_bill, charge, Some(draft.id.clone()), None);
        match stripe.create_invoice_item(&item, &format!("{}:draft", name(charge))).await {
            // It was finalized meanwhile; the next invoice takes it.
            Err(StripeError::Invalid { .. }) => {}
            made => return Ok(made?),
        }
    }
    if is_billed_soon(billed) {
        let item = item(to_bill, charge, None, Some(billed.id.clone()));
        return Ok(stripe.create_invoice_item(&item, &name(charge)).await?);
    }
    // A page of Stripe's keeps the card with the subscription, and an invoice of its own has none.
    let default_payment_method = stripe.get_subscription(&billed.id).await?.default_payment_method;
    let invoice = NewInvoice {
        customer: to_bill.customer.clone(),
        default_payment_method,
        currency: Some(charge.currency.clone()),
        metadata: metadata(charge),
        ..NewInvoice::default()
    };
    let invoice = stripe.create_invoice(&invoice, &format!("{}:invoice", name(charge))).await?;
    let item = item(to_bill, charge, Some(invoice.id.clone()), None);
    Ok(stripe.create_invoice_item(&item, &format!("{}:own", name(charge))).await?)
}

/// Asks for the money at once where the charge has an invoice of its own, and nobody has asked yet.
async fn collect_own(stripe: &Stripe, charge: &OverageCharge, made: &InvoiceItem) -> Result<(), AppError> {
    let Some(id) = &made.invoice else { return Ok(()) };
    let invoice = stripe.get_invoice(id).await?;
    if invoice.status.as_deref() != Some("draft") || !is_of(&invoice.metadata, charge) {
        return Ok(());
    }
    stripe.finalize_invoice(id, true, &format!("{}:finalize", name(charge))).await?;
    match stripe.pay_invoice(id, &format!("{}:pay", name(charge))).await {
        // It is owed then, and Stripe goes on asking for it; or it was paid by itself already.
        Ok(_) | Err(StripeError::Declined { .. } | StripeError::Invalid { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn item(
    to_bill: &ToBill,
    charge: &OverageCharge,
    invoice: Option<String>,
    subscription: Option<String>,
) -> NewInvoiceItem {
    NewInvoiceItem {
        customer: to_bill.customer.clone(),
        subscription,
        invoice,
        amount: InvoiceItemAmount::Total { amount: charge.amount, currency: charge.currency.clone() },
        description: Some(charge.description.clone()),
        period: Some((charge.window_start, charge.window_end)),
        metadata: metadata(charge),
    }
}

fn metadata(charge: &OverageCharge) -> Metadata {
    [(OVERAGE.to_owned(), name(charge))].into()
}

pub(super) fn is_of(metadata: &Metadata, charge: &OverageCharge) -> bool {
    metadata.get(OVERAGE) == Some(&name(charge))
}

/// The same for the same part of the same window, for ever.
pub(super) fn name(charge: &OverageCharge) -> String {
    let OverageCharge { account, meter, window, window_start, part, .. } = charge;
    format!("overage:{account}:{meter}:{}:{}:{part}", window.as_str(), window_start.seconds())
}
