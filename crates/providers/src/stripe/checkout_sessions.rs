//! Pages of Stripe's on which a customer buys.

use domain::time::Timestamp;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Metadata, NewCheckout, Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckoutSession {
    pub id: String,
    /// Where the customer goes. `None` once it is over.
    pub url: Option<String>,
    /// `open`, `complete`, `expired`.
    pub status: Option<String>,
    /// `paid`, `unpaid`, `no_payment_required`. A way of paying that takes days completes `unpaid`.
    pub payment_status: Option<String>,
    /// `subscription`, `payment`, `setup`.
    pub mode: Option<String>,
    pub customer: Option<String>,
    /// Made only once the customer has paid, or has begun a trial.
    pub subscription: Option<String>,
    pub payment_intent: Option<String>,
    pub invoice: Option<String>,
    pub client_reference_id: Option<String>,
    pub metadata: Metadata,
    pub created: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// Minor units, with tax.
    pub amount_total: Option<i64>,
    pub currency: Option<String>,
}

impl Read for CheckoutSession {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: object.id()?,
            url: object.words("/url"),
            status: object.words("/status"),
            payment_status: object.words("/payment_status"),
            mode: object.words("/mode"),
            customer: object.reference("/customer"),
            subscription: object.reference("/subscription"),
            payment_intent: object.reference("/payment_intent"),
            invoice: object.reference("/invoice"),
            client_reference_id: object.words("/client_reference_id"),
            metadata: object.metadata("/metadata"),
            created: object.time("/created"),
            expires_at: object.time("/expires_at"),
            amount_total: object.integer("/amount_total"),
            currency: object.words("/currency"),
        })
    }
}

impl Stripe {
    pub async fn create_checkout_session(&self, new: &NewCheckout, key: &str) -> Result<CheckoutSession, StripeError> {
        self.post("/v1/checkout/sessions", new.form(), key).await
    }

    pub async fn get_checkout_session(&self, id: &str) -> Result<CheckoutSession, StripeError> {
        self.get(&path_to("checkout/sessions", id, "")?, Form::new()).await
    }

    /// Closes the page, so that nothing can be bought on it any more.
    pub async fn expire_checkout_session(&self, id: &str, key: &str) -> Result<CheckoutSession, StripeError> {
        self.post(&path_to("checkout/sessions", id, "expire")?, Form::new(), key).await
    }
}
