//! What is asked of a page to buy on.

use domain::time::Timestamp;

use super::form::Form;
use super::{Metadata, MissingPaymentMethod};

/// A page for one customer. The ways of paying are those that the operator has switched on at Stripe.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewCheckout {
    pub mode: CheckoutMode,
    /// `None`: Stripe makes one, which is seldom wanted.
    pub customer: Option<String>,
    pub lines: Vec<CheckoutLine>,
    /// `{CHECKOUT_SESSION_ID}` in it is replaced by Stripe.
    pub success_url: String,
    pub cancel_url: Option<String>,
    pub client_reference_id: Option<String>,
    /// On the session and on what comes of it: the subscription, or the payment and its invoice.
    pub metadata: Metadata,
    pub trial_days: Option<u32>,
    /// What happens at the trial's end without a card.
    pub missing_payment_method: Option<MissingPaymentMethod>,
    /// Asks for a card only when something is to be paid now.
    pub card_only_if_required: bool,
    pub allow_promotion_codes: bool,
    pub automatic_tax: bool,
    pub tax_id_collection: bool,
    pub billing_address_required: bool,
    /// Keeps the address and name that the customer gives. With taxes and tax ids they are kept anyhow: Stripe wants it so.
    pub update_customer: bool,
    /// Of a price that is sold in several.
    pub currency: Option<String>,
    /// Half an hour to a day from now.
    pub expires_at: Option<Timestamp>,
    /// For what is bought once: an invoice, too.
    pub invoice_creation: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CheckoutMode {
    #[default]
    Subscription,
    Payment,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckoutLine {
    pub price: CheckoutPrice,
    /// `None`: counted by a meter.
    pub quantity: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CheckoutPrice {
    /// The id of a price.
    Listed(String),
    /// A price for this once, in minor units.
    Once { name: String, currency: String, unit_amount: i64 },
}

impl NewCheckout {
    pub(super) fn form(&self) -> Form {
        let form = Form::new()
            .put("mode", self.mode.word())
            .maybe("customer", self.customer.as_deref())
            .put("success_url", &self.success_url)
            .maybe("cancel_url", self.cancel_url.as_deref())
            .maybe("client_reference_id", self.client_reference_id.as_deref())
            .flag("allow_promotion_codes", self.allow_promotion_codes)
            .flag("automatic_tax[enabled]", self.automatic_tax)
            .flag("tax_id_collection[enabled]", self.tax_id_collection)
            .maybe("billing_address_collection", self.billing_address_required.then_some("required"))
            .maybe("currency", self.currency.as_ref().map(|currency| currency.to_ascii_lowercase()))
            .time("expires_at", self.expires_at)
            .metadata("metadata", &self.metadata);
        let updates = self.update_customer || self.automatic_tax || self.tax_id_collection;
        let updates = updates && self.customer.is_some();
        let form = form
            .maybe("customer_update[address]", updates.then_some("auto"))
            .maybe("customer_update[name]", updates.then_some("auto"));
        let form = self.lines.iter().enumerate().fold(form, |form, (index, line)| line.put_into(form, index));
        match self.mode {
            CheckoutMode::Subscription => self.subscription(form),
            CheckoutMode::Payment => self.payment(form),
        }
    }

    fn subscription(&self, form: Form) -> Form {
        let missing = self.missing_payment_method.filter(|_| self.trial_days.is_some());
        form.metadata("subscription_data[metadata]", &self.metadata)
            .maybe("subscription_data[trial_period_days]", self.trial_days)
            .maybe(
                "subscription_data[trial_settings][end_behavior][missing_payment_method]",
                missing.map(MissingPaymentMethod::word),
            )
            .maybe("payment_method_collection", self.card_only_if_required.then_some("if_required"))
    }

    fn payment(&self, form: Form) -> Form {
        let form = form.metadata("payment_intent_data[metadata]", &self.metadata);
        match self.invoice_creation {
            true => form
                .put("invoice_creation[enabled]", true)
                .metadata("invoice_creation[invoice_data][metadata]", &self.metadata),
            false => form,
        }
    }
}

impl CheckoutLine {
    fn put_into(&self, form: Form, index: usize) -> Form {
        let place = format!("line_items[{index}]");
        let form = match &self.price {
            CheckoutPrice::Listed(id) => form.put(&format!("{place}[price]"), id),
            CheckoutPrice::Once { name, currency, unit_amount } => form
                .put(&format!("{place}[price_data][currency]"), currency.to_ascii_lowercase())
                .put(&format!("{place}[price_data][unit_amount]"), unit_amount)
                .put(&format!("{place}[price_data][product_data][name]"), name),
        };
        form.maybe(&format!("{place}[quantity]"), self.quantity)
    }
}

impl CheckoutMode {
    fn word(self) -> &'static str {
        match self {
            Self::Subscription => "subscription",
            Self::Payment => "payment",
        }
    }
}
