//! Which payment was for which invoice.

use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoicePayment {
    pub id: String,
    pub invoice: Option<String>,
    pub payment_intent: Option<String>,
    pub charge: Option<String>,
    /// `open`, `paid`, `canceled`.
    pub status: Option<String>,
    /// Minor units.
    pub amount_paid: Option<i64>,
}

impl Read for InvoicePayment {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: object.id()?,
            invoice: object.reference("/invoice"),
            payment_intent: object.reference("/payment/payment_intent"),
            charge: object.reference("/payment/charge"),
            status: object.words("/status"),
            amount_paid: object.integer("/amount_paid"),
        })
    }
}

impl Stripe {
    /// The invoices that a payment intent is for. None: it is no invoice's.
    pub async fn invoice_payments_of(&self, payment_intent: &str) -> Result<Vec<InvoicePayment>, StripeError> {
        let form = Form::new().put("payment[type]", "payment_intent").put("payment[payment_intent]", payment_intent);
        self.all("/v1/invoice_payments", form).await
    }
}
