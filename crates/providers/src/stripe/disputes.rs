//! Payments that a customer contests at the bank.

use domain::time::Timestamp;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispute {
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// `needs_response`, `under_review`, `won`, `lost`, …
    pub status: String,
    /// `fraudulent`, `product_not_received`, …
    pub reason: Option<String>,
    pub charge: Option<String>,
    pub payment_intent: Option<String>,
    pub created: Timestamp,
}

impl Read for Dispute {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: object.id()?,
            amount: object.need_integer("/amount")?,
            currency: object.need_text("/currency")?,
            status: object.need_text("/status")?,
            reason: object.words("/reason"),
            charge: object.reference("/charge"),
            payment_intent: object.reference("/payment_intent"),
            created: object.need_time("/created")?,
        })
    }
}

impl Stripe {
    pub async fn get_dispute(&self, id: &str) -> Result<Dispute, StripeError> {
        self.get(&path_to("disputes", id, "")?, Form::new()).await
    }
}
