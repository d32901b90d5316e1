//! What customers may do on Stripe's portal.

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Metadata, Stripe, StripeError};

/// When a change waits for the period's end: less is paid, or the interval is shorter.
const AT_PERIOD_END: [&str; 2] = ["decreasing_item_amount", "shortening_interval"];
/// The products that can be switched to are told only when asked for.
const PRODUCTS: &str = "features.subscription_update.products";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortalConfiguration {
    pub id: String,
    pub active: bool,
    /// Used where no other is named.
    pub is_default: bool,
    /// Whether a customer may switch between the products.
    pub switching: bool,
    /// In what order is Stripe's affair.
    pub products: Vec<PortalProduct>,
    /// Which changes wait for the period's end.
    pub at_period_end: Vec<String>,
    /// Whether a customer may cancel, and that is at the period's end.
    pub cancels_at_period_end: bool,
    pub payment_method_update: bool,
    pub invoice_history: bool,
    pub metadata: Metadata,
}

/// A product and those of its prices that a customer may switch to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortalProduct {
    pub product: String,
    pub prices: Vec<String>,
}

/// Switching between products (a lower price or a shorter interval at the period's end), cancelling at the period's end,
/// cards, addresses and invoices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewPortalConfiguration {
    /// None of them: no switching.
    pub products: Vec<PortalProduct>,
    pub default_return_url: Option<String>,
    pub metadata: Metadata,
}

impl NewPortalConfiguration {
    pub(super) fn form(&self) -> Form {
        let form = Form::new()
            .maybe("default_return_url", self.default_return_url.as_deref())
            .put("features[customer_update][enabled]", true)
            .list("features[customer_update][allowed_updates]", ["name", "address", "tax_id"])
            .put("features[invoice_history][enabled]", true)
            .put("features[payment_method_update][enabled]", true)
            .put("features[subscription_cancel][enabled]", true)
            .put("features[subscription_cancel][mode]", "at_period_end")
            .put("features[subscription_update][enabled]", !self.products.is_empty())
            .metadata("metadata", &self.metadata)
            .expand(&[PRODUCTS]);
        if self.products.is_empty() { form } else { self.switching(form) }
    }

    fn switching(&self, form: Form) -> Form {
        let form = form
            .list("features[subscription_update][default_allowed_updates]", ["price"])
            .put("features[subscription_update][proration_behavior]", "always_invoice");
        let form = AT_PERIOD_END.iter().enumerate().fold(form, |form, (index, condition)| {
            let place = format!("features[subscription_update][schedule_at_period_end][conditions][{index}][type]");
            form.put(&place, condition)
        });
        self.products.iter().enumerate().fold(form, |form, (index, offered)| {
            let place = format!("features[subscription_update][products][{index}]");
            form.put(&format!("{place}[product]"), &offered.product).list(&format!("{place}[prices]"), &offered.prices)
        })
    }

    /// Whether a configuration lets customers do the same, apart from where they come back to.
    pub fn is_met_by(&self, there: &PortalConfiguration) -> bool {
        let sorted = |products: &[PortalProduct]| {
            let mut products: Vec<(String, Vec<String>)> =
                products.iter().map(|offered| (offered.product.clone(), offered.prices.clone())).collect();
            products.iter_mut().for_each(|(_, prices)| prices.sort());
            products.sort();
            products
        };
        let waits = AT_PERIOD_END.iter().all(|condition| there.at_period_end.iter().any(|other| other == condition));
        let switches = match self.products.is_empty() {
            true => !there.switching,
            false => there.switching && waits && sorted(&self.products) == sorted(&there.products),
        };
        there.active && switches && there.cancels_at_period_end && there.payment_method_update && there.invoice_history
    }
}

impl Read for PortalProduct {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let product = object.reference("/product").ok_or_else(|| Unreadable("product without id".to_owned()))?;
        Ok(Self { product, prices: object.texts("/prices") })
    }
}

impl Read for PortalConfiguration {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let conditions = object.entries("/features/subscription_update/schedule_at_period_end/conditions");
        Ok(Self {
            id: object.id()?,
            active: object.flag("/active"),
            is_default: object.flag("/is_default"),
            switching: object.flag("/features/subscription_update/enabled"),
            products: object.list("/features/subscription_update/products")?,
            at_period_end: conditions.filter_map(|condition| condition.text("/type")).collect(),
            cancels_at_period_end: object.flag("/features/subscription_cancel/enabled")
                && object.text("/features/subscription_cancel/mode").as_deref() == Some("at_period_end"),
            payment_method_update: object.flag("/features/payment_method_update/enabled"),
            invoice_history: object.flag("/features/invoice_history/enabled"),
            metadata: object.metadata("/metadata"),
        })
    }
}

impl Stripe {
    pub async fn create_portal_configuration(
        &self,
        new: &NewPortalConfiguration,
        key: &str,
    ) -> Result<PortalConfiguration, StripeError> {
        self.post("/v1/billing_portal/configurations", new.form(), key).await
    }

    pub async fn get_portal_configuration(&self, id: &str) -> Result<PortalConfiguration, StripeError> {
        self.get(&path_to("billing_portal/configurations", id, "")?, Form::new().expand(&[PRODUCTS])).await
    }

    pub async fn list_portal_configurations(&self) -> Result<Vec<PortalConfiguration>, StripeError> {
        let products = format!("data.{PRODUCTS}");
        self.all("/v1/billing_portal/configurations", Form::new().expand(&[&products])).await
    }

    pub async fn update_portal_configuration(
        &self,
        id: &str,
        new: &NewPortalConfiguration,
        key: &str,
    ) -> Result<PortalConfiguration, StripeError> {
        self.post(&path_to("billing_portal/configurations", id, "")?, new.form(), key).await
    }
}
