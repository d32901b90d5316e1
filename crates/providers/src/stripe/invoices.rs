//! What customers have been billed.

use domain::time::Timestamp;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Metadata, NewInvoice, Preview, Stripe, StripeError};

/// Payments are told only when asked for.
const PAYMENTS: &str = "payments";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invoice {
    /// Empty on a preview that has none.
    pub id: String,
    pub customer: Option<String>,
    pub subscription: Option<String>,
    /// `draft`, `open`, `paid`, `uncollectible`, `void`.
    pub status: Option<String>,
    /// As it stands on the paper, once it is final.
    pub number: Option<String>,
    /// `subscription_create`, `subscription_cycle`, `subscription_update`, `manual`, …
    pub billing_reason: Option<String>,
    /// Lower case.
    pub currency: String,
    /// Amounts are minor units. After the customer's balance was taken into account.
    pub amount_due: i64,
    pub amount_paid: i64,
    pub amount_remaining: i64,
    pub subtotal: i64,
    pub total: i64,
    /// `None`: nothing is said of tax.
    pub tax: Option<i64>,
    pub created: Timestamp,
    /// Of what was used; the next period is on the lines.
    pub period_start: Option<Timestamp>,
    pub period_end: Option<Timestamp>,
    pub due_date: Option<Timestamp>,
    pub finalized_at: Option<Timestamp>,
    pub paid_at: Option<Timestamp>,
    pub voided_at: Option<Timestamp>,
    /// Stripe's page, on which it can be paid.
    pub hosted_invoice_url: Option<String>,
    pub invoice_pdf: Option<String>,
    pub attempt_count: i64,
    pub next_payment_attempt: Option<Timestamp>,
    /// The ones that paid come first.
    pub payment_intents: Vec<String>,
    /// Without a payment intent, as it may be for a payment that was booked otherwise.
    pub charge: Option<String>,
    pub lines: Vec<InvoiceLine>,
    /// Whether there are more lines than these.
    pub has_more_lines: bool,
    pub metadata: Metadata,
    /// What the subscription's metadata was when the invoice was made.
    pub subscription_metadata: Metadata,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceLine {
    pub id: Option<String>,
    pub description: Option<String>,
    /// Minor units; below zero it is a credit.
    pub amount: i64,
    pub quantity: Option<i64>,
    pub price: Option<String>,
    pub period_start: Option<Timestamp>,
    pub period_end: Option<Timestamp>,
    /// Whether it credits or charges a part of a period.
    pub proration: bool,
    pub subscription: Option<String>,
    /// The item that was put on the invoice.
    pub invoice_item: Option<String>,
    pub metadata: Metadata,
}

impl Read for InvoiceLine {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let parents = ["/parent/subscription_item_details", "/parent/invoice_item_details"];
        let of_parent = |field: &str| parents.into_iter().find_map(|parent| object.words(&format!("{parent}/{field}")));
        let proration = parents.iter().any(|parent| object.flag(&format!("{parent}/proration")));
        Ok(Self {
            id: object.words("/id"),
            description: object.words("/description"),
            amount: object.need_integer("/amount")?,
            quantity: object.integer("/quantity"),
            price: object.reference("/pricing/price_details/price").or_else(|| object.reference("/price")),
            period_start: object.time("/period/start"),
            period_end: object.time("/period/end"),
            proration: proration || object.flag("/proration"),
            subscription: of_parent("subscription").or_else(|| object.reference("/subscription")),
            invoice_item: of_parent("invoice_item").or_else(|| object.reference("/invoice_item")),
            metadata: object.metadata("/metadata"),
        })
    }
}

impl Read for Invoice {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let charge = object.entries("/payments").find_map(|payment| payment.reference("/payment/charge"));
        let metadata_now = object.metadata("/parent/subscription_details/metadata");
        let metadata_before = || object.metadata("/subscription_details/metadata");
        Ok(Self {
            id: object.words("/id").unwrap_or_default(),
            customer: object.reference("/customer"),
            subscription: subscription(object),
            status: object.words("/status"),
            number: object.words("/number"),
            billing_reason: object.words("/billing_reason"),
            currency: object.need_text("/currency")?,
            amount_due: object.need_integer("/amount_due")?,
            amount_paid: object.need_integer("/amount_paid")?,
            amount_remaining: object.need_integer("/amount_remaining")?,
            subtotal: object.need_integer("/subtotal")?,
            total: object.need_integer("/total")?,
            tax: tax(object),
            created: object.need_time("/created")?,
            period_start: object.time("/period_start"),
            period_end: object.time("/period_end"),
            due_date: object.time("/due_date"),
            finalized_at: object.time("/status_transitions/finalized_at"),
            paid_at: object.time("/status_transitions/paid_at"),
            voided_at: object.time("/status_transitions/voided_at"),
            hosted_invoice_url: object.words("/hosted_invoice_url"),
            invoice_pdf: object.words("/invoice_pdf"),
            attempt_count: object.integer("/attempt_count").unwrap_or_default(),
            next_payment_attempt: object.time("/next_payment_attempt"),
            payment_intents: payment_intents(object),
            charge: charge.or_else(|| object.reference("/charge")),
            lines: object.list("/lines")?,
            has_more_lines: object.flag("/lines/has_more"),
            metadata: object.metadata("/metadata"),
            subscription_metadata: if metadata_now.is_empty() { metadata_before() } else { metadata_now },
        })
    }
}

/// What an invoice is for, in the new place or the old one.
pub(super) fn subscription(object: Object<'_>) -> Option<String> {
    object.reference("/parent/subscription_details/subscription").or_else(|| object.reference("/subscription"))
}

fn tax(object: Object<'_>) -> Option<i64> {
    let sum = |place: &str| {
        object.at(place).filter(|taxes| taxes.value().is_array())?;
        Some(object.entries(place).filter_map(|tax| tax.integer("/amount")).sum())
    };
    sum("/total_taxes").or_else(|| object.integer("/tax")).or_else(|| sum("/total_tax_amounts"))
}

fn payment_intents(object: Object<'_>) -> Vec<String> {
    let (mut paid, mut others) = (Vec::new(), Vec::new());
    for payment in object.entries("/payments") {
        let into = if payment.text("/status").as_deref() == Some("paid") { &mut paid } else { &mut others };
        into.extend(payment.reference("/payment/payment_intent"));
    }
    paid.append(&mut others);
    if paid.is_empty() {
        paid.extend(object.reference("/payment_intent"));
    }
    paid
}

impl Stripe {
    /// With all its lines.
    pub async fn get_invoice(&self, id: &str) -> Result<Invoice, StripeError> {
        let invoice = self.get(&path_to("invoices", id, "")?, Form::new().expand(&[PAYMENTS])).await?;
        self.with_all_lines(invoice).await
    }

    /// Newest first, with all their lines. `created_since`: those made then or later.
    pub async fn invoices_of(
        &self,
        customer: &str,
        created_since: Option<Timestamp>,
    ) -> Result<Vec<Invoice>, StripeError> {
        let form = Form::new().put("customer", customer).time("created[gte]", created_since);
        let found: Vec<Invoice> = self.all("/v1/invoices", form.expand(&["data.payments"])).await?;
        let mut invoices = Vec::with_capacity(found.len());
        for invoice in found {
            invoices.push(self.with_all_lines(invoice).await?);
        }
        Ok(invoices)
    }

    async fn with_all_lines(&self, mut invoice: Invoice) -> Result<Invoice, StripeError> {
        if invoice.has_more_lines && !invoice.id.is_empty() {
            invoice.lines = self.all(&path_to("invoices", &invoice.id, "lines")?, Form::new()).await?;
            invoice.has_more_lines = false;
        }
        Ok(invoice)
    }

    /// What an invoice would say. Nothing is changed.
    pub async fn preview_invoice(&self, preview: &Preview) -> Result<Invoice, StripeError> {
        let invoice = self.ask("/v1/invoices/create_preview", preview.form()).await?;
        self.with_all_lines(invoice).await
    }

    pub async fn create_invoice(&self, new: &NewInvoice, key: &str) -> Result<Invoice, StripeError> {
        self.post("/v1/invoices", new.form().expand(&[PAYMENTS]), key).await
    }

    /// Makes a draft final. `auto_advance`: Stripe collects it by itself.
    pub async fn finalize_invoice(&self, id: &str, auto_advance: bool, key: &str) -> Result<Invoice, StripeError> {
        let form = Form::new().put("auto_advance", auto_advance).expand(&[PAYMENTS]);
        self.post(&path_to("invoices", id, "finalize")?, form, key).await
    }

    /// Tries to collect it now.
    pub async fn pay_invoice(&self, id: &str, key: &str) -> Result<Invoice, StripeError> {
        self.post(&path_to("invoices", id, "pay")?, Form::new().expand(&[PAYMENTS]), key).await
    }

    pub async fn void_invoice(&self, id: &str, key: &str) -> Result<Invoice, StripeError> {
        self.post(&path_to("invoices", id, "void")?, Form::new().expand(&[PAYMENTS]), key).await
    }
}
