//! Single lines that wait for an invoice, or are put on one.

use domain::time::Timestamp;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Metadata, Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceItem {
    pub id: String,
    pub customer: Option<String>,
    /// `None`: it waits for the next one.
    pub invoice: Option<String>,
    pub subscription: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    pub description: Option<String>,
    pub quantity: Option<i64>,
    pub period_start: Option<Timestamp>,
    pub period_end: Option<Timestamp>,
    pub proration: bool,
    pub metadata: Metadata,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewInvoiceItem {
    pub customer: String,
    /// The item then goes on an invoice of this subscription alone.
    pub subscription: Option<String>,
    /// A draft to put it on. `None`: it waits for the next invoice.
    pub invoice: Option<String>,
    pub amount: InvoiceItemAmount,
    pub description: Option<String>,
    pub period: Option<(Timestamp, Timestamp)>,
    pub metadata: Metadata,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InvoiceItemAmount {
    /// Minor units; below zero it is a credit.
    Total { amount: i64, currency: String },
    /// A price for one, which may be smaller than a minor unit, as decimal text of minor units. With a `product`, its tax
    /// code and name hold.
    Each { unit_amount_decimal: String, currency: String, quantity: u64, product: Option<String> },
    /// The id of a price that is paid once.
    Listed { price: String, quantity: u64 },
}

/// Which items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvoiceItemsOf<'i> {
    Customer(&'i str),
    /// Those of a customer that wait for an invoice.
    Waiting(&'i str),
    Invoice(&'i str),
}

impl NewInvoiceItem {
    pub(super) fn form(&self) -> Form {
        let form = Form::new()
            .put("customer", &self.customer)
            .maybe("subscription", self.subscription.as_deref())
            .maybe("invoice", self.invoice.as_deref())
            .maybe("description", self.description.as_deref())
            .time("period[start]", self.period.map(|period| period.0))
            .time("period[end]", self.period.map(|period| period.1))
            .metadata("metadata", &self.metadata);
        self.amount.put_into(form)
    }
}

impl InvoiceItemAmount {
    fn put_into(&self, form: Form) -> Form {
        match self {
            Self::Total { amount, currency } => {
                form.put("amount", amount).put("currency", currency.to_ascii_lowercase())
            }
            Self::Each { unit_amount_decimal, currency, quantity, product: None } => form
                .put("unit_amount_decimal", unit_amount_decimal)
                .put("currency", currency.to_ascii_lowercase())
                .put("quantity", quantity),
            Self::Each { unit_amount_decimal, currency, quantity, product: Some(product) } => form
                .put("price_data[product]", product)
                .put("price_data[currency]", currency.to_ascii_lowercase())
                .put("price_data[unit_amount_decimal]", unit_amount_decimal)
                .put("quantity", quantity),
            Self::Listed { price, quantity } => form.put("pricing[price]", price).put("quantity", quantity),
        }
    }
}

impl InvoiceItemsOf<'_> {
    pub(super) fn form(self) -> Form {
        match self {
            Self::Customer(id) => Form::new().put("customer", id),
            Self::Waiting(id) => Form::new().put("customer", id).put("pending", true),
            Self::Invoice(id) => Form::new().put("invoice", id),
        }
    }
}

impl Read for InvoiceItem {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let subscription = object.reference("/parent/subscription_details/subscription");
        Ok(Self {
            id: object.id()?,
            customer: object.reference("/customer"),
            invoice: object.reference("/invoice"),
            subscription: subscription.or_else(|| object.reference("/subscription")),
            amount: object.need_integer("/amount")?,
            currency: object.need_text("/currency")?,
            description: object.words("/description"),
            quantity: object.integer("/quantity"),
            period_start: object.time("/period/start"),
            period_end: object.time("/period/end"),
            proration: object.flag("/proration"),
            metadata: object.metadata("/metadata"),
        })
    }
}

/// What is left of an item.
struct Deleted;

impl Read for Deleted {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        object.id().map(|_| Self)
    }
}

impl Stripe {
    pub async fn create_invoice_item(&self, new: &NewInvoiceItem, key: &str) -> Result<InvoiceItem, StripeError> {
        self.post("/v1/invoiceitems", new.form(), key).await
    }

    /// Not possible any more once it is on an invoice that is final.
    pub async fn delete_invoice_item(&self, id: &str, key: &str) -> Result<(), StripeError> {
        let Deleted = self.delete(&path_to("invoiceitems", id, "")?, Form::new(), key).await?;
        Ok(())
    }

    /// Newest first.
    pub async fn invoice_items_of(&self, of: InvoiceItemsOf<'_>) -> Result<Vec<InvoiceItem>, StripeError> {
        self.all("/v1/invoiceitems", of.form()).await
    }
}
