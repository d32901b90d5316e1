//! One payment, with all the tries at it.

use domain::time::Timestamp;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Charge, Metadata, Stripe, StripeError};
use crate::secret::SecretText;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaymentIntent {
    pub id: String,
    /// `requires_payment_method`, `requires_confirmation`, `requires_action`, `processing`, `succeeded`, `canceled`, …
    pub status: String,
    /// Minor units.
    pub amount: i64,
    pub amount_received: i64,
    /// Lower case.
    pub currency: String,
    pub customer: Option<String>,
    /// When it was asked for as a whole.
    pub latest_charge: Option<Charge>,
    /// Why the last try failed.
    pub last_error: Option<PaymentProblem>,
    /// With it the customer's browser pays.
    pub client_secret: Option<SecretText>,
    pub created: Timestamp,
    pub metadata: Metadata,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaymentProblem {
    pub code: Option<String>,
    pub decline_code: Option<String>,
    /// The customer may read it.
    pub message: Option<String>,
}

impl Read for PaymentIntent {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let charge = object.at("/latest_charge").filter(|charge| charge.value().is_object());
        let last_error = object.at("/last_payment_error").map(|error| PaymentProblem {
            code: error.words("/code"),
            decline_code: error.words("/decline_code"),
            message: error.words("/message"),
        });
        Ok(Self {
            id: object.id()?,
            status: object.need_text("/status")?,
            amount: object.need_integer("/amount")?,
            amount_received: object.integer("/amount_received").unwrap_or_default(),
            currency: object.need_text("/currency")?,
            customer: object.reference("/customer"),
            latest_charge: charge.map(Charge::read).transpose()?,
            last_error,
            client_secret: object.words("/client_secret").map(SecretText::new),
            created: object.need_time("/created")?,
            metadata: object.metadata("/metadata"),
        })
    }
}

impl Stripe {
    /// With its latest charge.
    pub async fn get_payment_intent(&self, id: &str) -> Result<PaymentIntent, StripeError> {
        self.get(&path_to("payment_intents", id, "")?, Form::new().expand(&["latest_charge"])).await
    }
}
