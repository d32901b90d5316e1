//! One try at taking money.

use domain::time::Timestamp;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    pub id: String,
    pub payment_intent: Option<String>,
    /// Minor units.
    pub amount: i64,
    pub amount_captured: i64,
    pub amount_refunded: i64,
    /// Wholly.
    pub refunded: bool,
    pub disputed: bool,
    /// Lower case.
    pub currency: String,
    /// Stripe's page for it.
    pub receipt_url: Option<String>,
    /// `succeeded`, `pending`, `failed`.
    pub status: String,
    pub created: Timestamp,
    pub failure_code: Option<String>,
    /// The customer may read it.
    pub failure_message: Option<String>,
    pub customer: Option<String>,
    /// What it was paid with: `visa 4242`.
    pub payment_method_summary: Option<String>,
}

impl Read for Charge {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: object.id()?,
            payment_intent: object.reference("/payment_intent"),
            amount: object.need_integer("/amount")?,
            amount_captured: object.integer("/amount_captured").unwrap_or_default(),
            amount_refunded: object.integer("/amount_refunded").unwrap_or_default(),
            refunded: object.flag("/refunded"),
            disputed: object.flag("/disputed"),
            currency: object.need_text("/currency")?,
            receipt_url: object.words("/receipt_url"),
            status: object.need_text("/status")?,
            created: object.need_time("/created")?,
            failure_code: object.words("/failure_code"),
            failure_message: object.words("/failure_message"),
            customer: object.reference("/customer"),
            payment_method_summary: object.at("/payment_method_details").and_then(summary),
        })
    }
}

fn summary(details: Object<'_>) -> Option<String> {
    let kind = details.words("/type")?;
    let of_kind = |field: &str| details.words(&format!("/{kind}/{field}"));
    let name = of_kind("brand").or_else(|| of_kind("bank_name")).unwrap_or_else(|| kind.replace('_', " "));
    Some(match of_kind("last4") {
        Some(last) => format!("{name} {last}"),
        None => name,
    })
}

impl Stripe {
    pub async fn get_charge(&self, id: &str) -> Result<Charge, StripeError> {
        self.get(&path_to("charges", id, "")?, Form::new()).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_paid_with_is_told_in_a_few_words() {
        for (details, expected) in [
            (json!({"type": "card", "card": {"brand": "visa", "last4": "4242"}}), Some("visa 4242")),
            (json!({"type": "sepa_debit", "sepa_debit": {"last4": "3000"}}), Some("sepa debit 3000")),
            (
                json!({"type": "us_bank_account", "us_bank_account": {"bank_name": "A Bank", "last4": "1"}}),
                Some("A Bank 1"),
            ),
            (json!({"type": "link", "link": {}}), Some("link")),
            (json!({}), None),
        ] {
            assert_eq!(summary(Object::of(&details)).as_deref(), expected);
        }
    }
}
