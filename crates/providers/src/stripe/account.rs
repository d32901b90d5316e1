//! Whose key it is.

use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub id: String,
    /// What customers see.
    pub name: Option<String>,
    pub email: Option<String>,
    pub country: Option<String>,
    /// Lower case.
    pub default_currency: Option<String>,
    /// Whether the account may take payments already.
    pub charges_enabled: bool,
}

impl Read for Account {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let name = object.words("/business_profile/name");
        Ok(Self {
            id: object.id()?,
            name: name.or_else(|| object.words("/settings/dashboard/display_name")),
            email: object.words("/email"),
            country: object.words("/country"),
            default_currency: object.words("/default_currency"),
            charges_enabled: object.flag("/charges_enabled"),
        })
    }
}

impl Stripe {
    /// Whose the secret key is; so it is known whether it is good.
    pub async fn account(&self) -> Result<Account, StripeError> {
        self.get("/v1/account", Form::new()).await
    }
}
