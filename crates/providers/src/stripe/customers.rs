//! Whom Stripe bills.

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Metadata, Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Customer {
    pub id: String,
    /// Then nothing else is known any more.
    pub deleted: bool,
    pub email: Option<String>,
    pub name: Option<String>,
    /// Lower case, from the first thing bought on; a customer keeps it.
    pub currency: Option<String>,
    /// Minor units that the next invoices take into account; below zero it is the customer's credit.
    pub balance: i64,
    pub metadata: Metadata,
    /// What invoices are charged to.
    pub default_payment_method: Option<String>,
}

/// A customer as it is made or changed: what is `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewCustomer {
    pub email: Option<String>,
    pub name: Option<String>,
    pub metadata: Metadata,
    pub default_payment_method: Option<String>,
    /// The clock that a customer for tests lives by; only when it is made.
    pub test_clock: Option<String>,
}

impl NewCustomer {
    pub(super) fn form(&self) -> Form {
        Form::new()
            .maybe("email", self.email.as_deref())
            .maybe("name", self.name.as_deref())
            .metadata("metadata", &self.metadata)
            .maybe("invoice_settings[default_payment_method]", self.default_payment_method.as_deref())
            .maybe("test_clock", self.test_clock.as_deref())
    }
}

impl Read for Customer {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: object.id()?,
            deleted: object.flag("/deleted"),
            email: object.words("/email"),
            name: object.words("/name"),
            currency: object.words("/currency"),
            balance: object.integer("/balance").unwrap_or_default(),
            metadata: object.metadata("/metadata"),
            default_payment_method: object.reference("/invoice_settings/default_payment_method"),
        })
    }
}

impl Stripe {
    pub async fn create_customer(&self, new: &NewCustomer, key: &str) -> Result<Customer, StripeError> {
        self.post("/v1/customers", new.form(), key).await
    }

    /// A customer that was deleted is found and says so.
    pub async fn get_customer(&self, id: &str) -> Result<Customer, StripeError> {
        self.get(&path_to("customers", id, "")?, Form::new()).await
    }

    pub async fn update_customer(&self, id: &str, change: &NewCustomer, key: &str) -> Result<Customer, StripeError> {
        self.post(&path_to("customers", id, "")?, change.form(), key).await
    }

    /// Ends the customer's subscriptions at once, too.
    pub async fn delete_customer(&self, id: &str, key: &str) -> Result<Customer, StripeError> {
        self.delete(&path_to("customers", id, "")?, Form::new(), key).await
    }

    /// Emails need not be unique, and upper and lower case differ.
    pub async fn customers_by_email(&self, email: &str) -> Result<Vec<Customer>, StripeError> {
        self.all("/v1/customers", Form::new().put("email", email)).await
    }

    /// Every customer there is.
    pub async fn customers(&self) -> Result<Vec<Customer>, StripeError> {
        self.all("/v1/customers", Form::new()).await
    }
}
