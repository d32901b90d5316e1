//! Money given back.

use domain::time::Timestamp;

use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Metadata, Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refund {
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// `pending`, `requires_action`, `succeeded`, `failed`, `canceled`.
    pub status: Option<String>,
    pub payment_intent: Option<String>,
    pub charge: Option<String>,
    pub created: Timestamp,
    pub metadata: Metadata,
}

/// `amount`: minor units; `None` is all that is left.
pub(super) fn form(payment_intent: &str, amount: Option<i64>, metadata: &Metadata) -> Form {
    Form::new().put("payment_intent", payment_intent).maybe("amount", amount).metadata("metadata", metadata)
}

impl Read for Refund {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: object.id()?,
            amount: object.need_integer("/amount")?,
            currency: object.need_text("/currency")?,
            status: object.words("/status"),
            payment_intent: object.reference("/payment_intent"),
            charge: object.reference("/charge"),
            created: object.need_time("/created")?,
            metadata: object.metadata("/metadata"),
        })
    }
}

impl Stripe {
    /// `amount`: minor units; `None` is all that is left.
    pub async fn create_refund(
        &self,
        payment_intent: &str,
        amount: Option<i64>,
        metadata: &Metadata,
        key: &str,
    ) -> Result<Refund, StripeError> {
        self.post("/v1/refunds", form(payment_intent, amount, metadata), key).await
    }
}
