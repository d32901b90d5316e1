//! What is sold: one product a plan.

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Metadata, Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    pub id: String,
    pub name: String,
    pub active: bool,
    pub metadata: Metadata,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewProduct {
    /// `None`: Stripe makes one up.
    pub id: Option<String>,
    pub name: String,
    pub description: Option<String>,
    pub metadata: Metadata,
}

impl NewProduct {
    pub(super) fn form(&self) -> Form {
        Form::new()
            .maybe("id", self.id.as_deref())
            .put("name", &self.name)
            .maybe("description", self.description.as_deref())
            .metadata("metadata", &self.metadata)
    }
}

impl Read for Product {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: object.id()?,
            name: object.text("/name").unwrap_or_default(),
            active: object.flag("/active"),
            metadata: object.metadata("/metadata"),
        })
    }
}

impl Stripe {
    pub async fn create_product(&self, new: &NewProduct, key: &str) -> Result<Product, StripeError> {
        self.post("/v1/products", new.form(), key).await
    }

    pub async fn get_product(&self, id: &str) -> Result<Product, StripeError> {
        self.get(&path_to("products", id, "")?, Form::new()).await
    }

    /// Every product there is, also those no longer sold.
    pub async fn products(&self) -> Result<Vec<Product>, StripeError> {
        self.all("/v1/products", Form::new()).await
    }
}
