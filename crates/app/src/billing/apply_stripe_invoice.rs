//! Writes down what Stripe says of one invoice and its payments, and tells of what has changed by it.

use domain::ids::{InvoiceId, PaymentId};
use providers::stripe::{Invoice as Seen, PaymentIntent};
use storage::records::invoices::{self, Invoice, Line};
use storage::records::payments::{self, Payment};
use storage::{StorageError, Tx};

use super::tell::{Happened, Teller};
use crate::mail::Mail;

pub(super) fn apply_stripe_invoice(tx: &mut Tx<'_>, teller: &Teller, seen: &Seen) -> Result<Invoice, StorageError> {
    let former = invoices::by_stripe_id(tx, &seen.id)?;
    let invoice = Invoice {
        id: former.as_ref().map_or_else(|| InvoiceId::new(seen.created, teller.app.new_id_bits()), |former| former.id),
        account: teller.account.id,
        stripe_id: seen.id.clone(),
        subscription: seen.subscription.clone(),
        status: seen.status.clone().unwrap_or_else(|| "draft".into()),
        number: seen.number.clone(),
        reason: seen.billing_reason.clone(),
        currency: seen.currency.to_ascii_uppercase(),
        subtotal: seen.subtotal,
        tax: seen.tax.unwrap_or_default(),
        total: seen.total,
        amount_due: seen.amount_due,
        amount_paid: seen.amount_paid,
        period_start: seen.period_start.unwrap_or(seen.created),
        period_end: seen.period_end.unwrap_or(seen.created),
        hosted_url: seen.hosted_invoice_url.clone(),
        pdf_url: seen.invoice_pdf.clone(),
        attempts: seen.attempt_count,
        next_attempt_at: seen.next_payment_attempt,
        lines: seen.lines.iter().map(line).collect(),
        created_at: seen.created,
        finalized_at: seen.finalized_at,
        paid_at: seen.paid_at,
    };
    invoices::put(tx, &invoice)?;
    tell(tx, teller, former.as_ref(), &invoice)?;
    Ok(invoice)
}

fn line(line: &providers::stripe::InvoiceLine) -> Line {
    Line {
        description: line.description.clone().unwrap_or_default(),
        amount: line.amount,
        quantity: line.quantity,
        price: line.price.clone(),
        proration: line.proration,
        period_start: line.period_start.map(|start| start.seconds()),
        period_end: line.period_end.map(|end| end.seconds()),
    }
}

fn tell(tx: &mut Tx<'_>, teller: &Teller, former: Option<&Invoice>, invoice: &Invoice) -> Result<(), StorageError> {
    let id = &invoice.stripe_id;
    let was = |status: &str| former.is_some_and(|former| former.status == status);
    let happened = |kind, once| Happened::of_invoice(invoice, kind, once);
    let account_name = teller.account.name.clone();
    let amount = |minor: i64| teller.money(minor, &invoice.currency);
    if invoice.status == "paid" && !was("paid") && invoice.amount_paid > 0 {
        let paid_at = invoice.paid_at.unwrap_or(teller.now);
        let kind = if invoice.reason.as_deref() == Some("subscription_cycle") { "renewed" } else { "paid" };
        teller.history(tx, &Happened { at: paid_at, ..happened(kind, format!("{kind}:{id}")) })?;
        let mail = Mail::Receipt {
            account_name,
            number: invoice.number.clone().unwrap_or_default(),
            amount: amount(invoice.amount_paid),
            link: invoice.hosted_url.clone().unwrap_or_else(|| teller.billing_link()),
        };
        return teller.mail_billing(tx, mail, format!("receipt:{id}"), paid_at);
    }
    if invoice.status == "void" && !was("void") {
        return teller.history(tx, &happened("invoice_voided", format!("voided:{id}")));
    }
    let is_new_attempt = former.is_none_or(|former| former.attempts < invoice.attempts);
    if invoice.status == "open" && invoice.attempts > 0 && is_new_attempt && invoice.subscription.is_some() {
        let once = format!("payment_failed:{id}:{}", invoice.attempts);
        teller
            .history(tx, &Happened { amount: Some(invoice.amount_due), ..happened("payment_failed", once.clone()) })?;
        let mail = Mail::PaymentFailed {
            account_name,
            amount: amount(invoice.amount_due),
            next_attempt_at: invoice.next_attempt_at,
            pay_link: invoice.hosted_url.clone().unwrap_or_else(|| teller.billing_link()),
        };
        return teller.mail_all(tx, mail, once, teller.now);
    }
    Ok(())
}

/// `invoice`: our own record of what it pays.
pub(super) fn apply_stripe_payment(
    tx: &mut Tx<'_>,
    teller: &Teller,
    seen: &PaymentIntent,
    invoice: Option<&Invoice>,
) -> Result<(), StorageError> {
    let former = payments::by_stripe_id(tx, &seen.id)?;
    let charge = seen.latest_charge.as_ref();
    let failed_charge = charge.and_then(|charge| charge.failure_message.clone());
    let failure = seen.last_error.as_ref().and_then(|problem| problem.message.clone()).or(failed_charge);
    let payment = Payment {
        id: former.as_ref().map_or_else(|| PaymentId::new(seen.created, teller.app.new_id_bits()), |former| former.id),
        account: teller.account.id,
        stripe_id: seen.id.clone(),
        invoice: invoice.map(|invoice| invoice.id).or(former.as_ref().and_then(|former| former.invoice)),
        charge: charge.map(|charge| charge.id.clone()),
        status: seen.status.clone(),
        amount: seen.amount,
        refunded: charge.map_or(0, |charge| charge.amount_refunded),
        currency: seen.currency.to_ascii_uppercase(),
        method: charge.and_then(|charge| charge.payment_method_summary.clone()),
        receipt_url: charge.and_then(|charge| charge.receipt_url.clone()),
        failure: failure.filter(|_| seen.status != "succeeded"),
        disputed: charge.is_some_and(|charge| charge.disputed),
        created_at: seen.created,
    };
    payments::put(tx, &payment)?;
    let id = &payment.stripe_id;
    let happened = |kind, once| Happened::of_payment(&payment, invoice, kind, once);
    if payment.refunded > former.as_ref().map_or(0, |former| former.refunded) {
        let told = happened("refunded", format!("refunded:{id}:{}", payment.refunded));
        teller.history(tx, &Happened { amount: Some(payment.refunded), ..told })?;
    }
    if payment.disputed && !former.as_ref().is_some_and(|former| former.disputed) {
        teller.history(tx, &happened("disputed", format!("disputed:{id}")))?;
    }
    let must_act = payment.status == "requires_action" && invoice.is_some_and(|invoice| invoice.status == "open");
    if must_act && former.as_ref().is_none_or(|former| former.status != "requires_action") {
        let mail = Mail::PaymentActionRequired {
            account_name: teller.account.name.clone(),
            amount: teller.money(payment.amount, &payment.currency),
            pay_link: invoice.and_then(|invoice| invoice.hosted_url.clone()).unwrap_or_else(|| teller.billing_link()),
        };
        teller.mail_all(tx, mail, format!("action_required:{id}"), teller.now)?;
    }
    Ok(())
}
