//! What is asked of a subscription: a new one, a change, its end.

use domain::time::Timestamp;

use super::form::Form;
use super::object::Object;
use super::{Metadata, Setting};

/// A subscription without Stripe's own page.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewSubscription {
    pub customer: String,
    pub price: String,
    pub quantity: Option<u32>,
    /// Prices of what meters count.
    pub metered: Vec<String>,
    /// It waits for the customer, who pays the first invoice with the client secret.
    pub default_incomplete: bool,
    pub trial_days: Option<u32>,
    pub missing_payment_method: Option<MissingPaymentMethod>,
    pub default_payment_method: Option<String>,
    pub automatic_tax: bool,
    pub promotion_code: Option<String>,
    pub currency: Option<String>,
    pub metadata: Metadata,
}

/// What changes of a subscription; all else stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubscriptionChange {
    /// The item that gets another price or quantity.
    pub item: Option<String>,
    pub price: Option<String>,
    pub quantity: Option<u32>,
    /// What meters count from now on, and what not any more.
    pub metered: Vec<MeteredChange>,
    pub proration_behavior: Option<ProrationBehavior>,
    /// As of when time is credited and charged: the date of the preview that was shown.
    pub proration_date: Option<Timestamp>,
    pub payment_behavior: Option<PaymentBehavior>,
    pub billing_cycle_anchor: Option<BillingCycleAnchor>,
    pub cancel_at_period_end: Option<bool>,
    pub cancel_at: Setting<Timestamp>,
    pub trial_end: Option<TrialEnd>,
    pub pause_collection: Setting<PauseCollection>,
    pub default_payment_method: Option<String>,
    pub metadata: Metadata,
}

/// A price of what a meter counts comes to a subscription, or goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MeteredChange {
    /// By the price's id.
    Add(String),
    /// By the item's id. What was counted and is not billed yet is not billed any more.
    Remove(String),
}

impl MeteredChange {
    /// As items of a request, after the one that is paid ahead.
    pub(super) fn put_all(all: &[Self], form: Form, items: &str) -> Form {
        all.iter().enumerate().fold(form, |form, (index, change)| {
            let place = format!("{items}[{}]", index + 1);
            match change {
                Self::Add(price) => form.put(&format!("{place}[price]"), price),
                Self::Remove(item) => form.put(&format!("{place}[id]"), item).put(&format!("{place}[deleted]"), true),
            }
        })
    }
}

/// What happens when a trial ends and there is nothing to charge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MissingPaymentMethod {
    Cancel,
    CreateInvoice,
    Pause,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProrationBehavior {
    /// On the next invoice.
    CreateProrations,
    /// On an invoice of their own, now.
    AlwaysInvoice,
    None,
}

/// What happens to a change when its invoice is not paid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PaymentBehavior {
    AllowIncomplete,
    DefaultIncomplete,
    ErrorIfIncomplete,
    PendingIfIncomplete,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BillingCycleAnchor {
    Now,
    Unchanged,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrialEnd {
    Now,
    At(Timestamp),
}

/// Invoices are not collected for a while; the subscription goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PauseCollection {
    /// `keep_as_draft`, `mark_uncollectible`, `void`.
    pub behavior: String,
    pub resumes_at: Option<Timestamp>,
}

impl NewSubscription {
    pub(super) fn form(&self) -> Form {
        let missing = self.missing_payment_method.filter(|_| self.trial_days.is_some());
        let metered: Vec<MeteredChange> = self.metered.iter().cloned().map(MeteredChange::Add).collect();
        let form = Form::new()
            .put("customer", &self.customer)
            .put("items[0][price]", &self.price)
            .maybe("items[0][quantity]", self.quantity);
        MeteredChange::put_all(&metered, form, "items")
            .maybe("payment_behavior", self.default_incomplete.then_some(PaymentBehavior::DefaultIncomplete.word()))
            .maybe(
                "payment_settings[save_default_payment_method]",
                self.default_incomplete.then_some("on_subscription"),
            )
            .maybe("trial_period_days", self.trial_days)
            .maybe("trial_settings[end_behavior][missing_payment_method]", missing.map(MissingPaymentMethod::word))
            .maybe("default_payment_method", self.default_payment_method.as_deref())
            .flag("automatic_tax[enabled]", self.automatic_tax)
            .maybe("discounts[0][promotion_code]", self.promotion_code.as_deref())
            .maybe("currency", self.currency.as_ref().map(|currency| currency.to_ascii_lowercase()))
            .metadata("metadata", &self.metadata)
    }
}

impl SubscriptionChange {
    pub(super) fn form(&self) -> Form {
        let form = Form::new()
            .maybe("items[0][id]", self.item.as_deref())
            .maybe("items[0][price]", self.price.as_deref())
            .maybe("items[0][quantity]", self.quantity);
        let form = MeteredChange::put_all(&self.metered, form, "items")
            .maybe("proration_behavior", self.proration_behavior.map(ProrationBehavior::word))
            .time("proration_date", self.proration_date)
            .maybe("payment_behavior", self.payment_behavior.map(PaymentBehavior::word))
            .maybe("billing_cycle_anchor[type]", self.billing_cycle_anchor.map(BillingCycleAnchor::word))
            .maybe("cancel_at_period_end", self.cancel_at_period_end)
            .maybe("trial_end", self.trial_end.map(TrialEnd::word))
            .maybe("default_payment_method", self.default_payment_method.as_deref())
            .metadata("metadata", &self.metadata);
        let form = match self.cancel_at {
            Setting::Keep => form,
            Setting::Clear => form.put("cancel_at", ""),
            Setting::Set(at) => form.time("cancel_at", Some(at)),
        };
        match &self.pause_collection {
            Setting::Keep => form,
            Setting::Clear => form.put("pause_collection", ""),
            Setting::Set(pause) => form
                .put("pause_collection[behavior]", &pause.behavior)
                .time("pause_collection[resumes_at]", pause.resumes_at),
        }
    }
}

pub(super) fn cancellation(invoice_now: bool, prorate: bool) -> Form {
    Form::new().flag("invoice_now", invoice_now).flag("prorate", prorate)
}

impl PauseCollection {
    pub(super) fn read(object: Object<'_>) -> Self {
        Self { behavior: object.text("/behavior").unwrap_or_default(), resumes_at: object.time("/resumes_at") }
    }
}

impl MissingPaymentMethod {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::CreateInvoice => "create_invoice",
            Self::Pause => "pause",
        }
    }
}

impl ProrationBehavior {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::CreateProrations => "create_prorations",
            Self::AlwaysInvoice => "always_invoice",
            Self::None => "none",
        }
    }
}

impl PaymentBehavior {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::AllowIncomplete => "allow_incomplete",
            Self::DefaultIncomplete => "default_incomplete",
            Self::ErrorIfIncomplete => "error_if_incomplete",
            Self::PendingIfIncomplete => "pending_if_incomplete",
        }
    }
}

impl BillingCycleAnchor {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Unchanged => "unchanged",
        }
    }
}

impl TrialEnd {
    pub(super) fn word(self) -> String {
        match self {
            Self::Now => "now".to_owned(),
            Self::At(at) => at.seconds().to_string(),
        }
    }
}
