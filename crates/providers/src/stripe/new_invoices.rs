//! What is asked of an invoice: one of its own, or a look at what one would say.

use domain::time::Timestamp;

use super::form::Form;
use super::{BillingCycleAnchor, Metadata, MeteredChange, ProrationBehavior, TrialEnd};

/// An invoice of its own, made as a draft.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewInvoice {
    pub customer: String,
    /// What it is charged to. `None`: the customer's default.
    pub default_payment_method: Option<String>,
    /// Then only items of this subscription are put on it.
    pub subscription: Option<String>,
    pub currency: Option<String>,
    /// Stripe finalizes and collects it by itself.
    pub auto_advance: bool,
    pub description: Option<String>,
    /// Takes up the customer's waiting items; otherwise it starts empty.
    pub with_pending_items: bool,
    pub automatic_tax: bool,
    pub metadata: Metadata,
}

/// The change of a subscription whose invoice is to be seen; without a subscription, a new one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Preview {
    pub customer: String,
    pub subscription: Option<String>,
    /// The item that would get the price.
    pub item: Option<String>,
    pub price: Option<String>,
    pub quantity: Option<u32>,
    pub metered: Vec<MeteredChange>,
    pub proration_behavior: Option<ProrationBehavior>,
    pub proration_date: Option<Timestamp>,
    pub billing_cycle_anchor: Option<BillingCycleAnchor>,
    pub trial_end: Option<TrialEnd>,
    pub cancel_at_period_end: Option<bool>,
    pub cancel_now: bool,
    pub automatic_tax: bool,
    pub currency: Option<String>,
}

impl NewInvoice {
    pub(super) fn form(&self) -> Form {
        Form::new()
            .put("customer", &self.customer)
            .maybe("default_payment_method", self.default_payment_method.as_deref())
            .maybe("subscription", self.subscription.as_deref())
            .maybe("currency", self.currency.as_ref().map(|currency| currency.to_ascii_lowercase()))
            .put("auto_advance", self.auto_advance)
            .maybe("description", self.description.as_deref())
            .put("pending_invoice_items_behavior", if self.with_pending_items { "include" } else { "exclude" })
            .flag("automatic_tax[enabled]", self.automatic_tax)
            .metadata("metadata", &self.metadata)
    }
}

impl Preview {
    pub(super) fn form(&self) -> Form {
        let behavior = self.proration_behavior.map(ProrationBehavior::word);
        let anchor = self.billing_cycle_anchor.map(BillingCycleAnchor::word);
        let form = Form::new()
            .put("customer", &self.customer)
            .maybe("subscription", self.subscription.as_deref())
            .maybe("currency", self.currency.as_ref().map(|currency| currency.to_ascii_lowercase()))
            .flag("automatic_tax[enabled]", self.automatic_tax)
            .maybe("subscription_details[items][0][id]", self.item.as_deref())
            .maybe("subscription_details[items][0][price]", self.price.as_deref())
            .maybe("subscription_details[items][0][quantity]", self.quantity);
        MeteredChange::put_all(&self.metered, form, "subscription_details[items]")
            .maybe("subscription_details[proration_behavior]", behavior)
            .time("subscription_details[proration_date]", self.proration_date)
            .maybe("subscription_details[billing_cycle_anchor][type]", anchor)
            .maybe("subscription_details[trial_end]", self.trial_end.map(TrialEnd::word))
            .maybe("subscription_details[cancel_at_period_end]", self.cancel_at_period_end)
            .flag("subscription_details[cancel_now]", self.cancel_now)
    }
}
