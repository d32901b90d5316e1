//! What a customer pays for again and again.

use domain::time::Timestamp;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::subscription_requests::cancellation;
use super::{
    BillingCycleAnchor, Metadata, NewSubscription, PauseCollection, Price, Stripe, StripeError, SubscriptionChange,
};
use crate::secret::SecretText;

/// The answer is not needed: the subscription tells the rest.
struct Released;

/// What tells whether the customer has something to confirm.
const WITH_SECRETS: [&str; 2] = ["latest_invoice.confirmation_secret", "pending_setup_intent"];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    pub id: String,
    pub customer: String,
    /// `incomplete`, `incomplete_expired`, `trialing`, `active`, `past_due`, `unpaid`, `paused`, `canceled`, or another
    /// word of Stripe's.
    pub status: String,
    pub items: Vec<SubscriptionItem>,
    /// Of the first item that has one, else of the whole, as it was before 2025-03-31.
    pub current_period_start: Option<Timestamp>,
    pub current_period_end: Option<Timestamp>,
    pub billing_cycle_anchor: Option<Timestamp>,
    pub created: Timestamp,
    pub start_date: Option<Timestamp>,
    pub trial_start: Option<Timestamp>,
    pub trial_end: Option<Timestamp>,
    pub cancel_at: Option<Timestamp>,
    pub cancel_at_period_end: bool,
    /// When the cancellation was asked for.
    pub canceled_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    pub pause_collection: Option<PauseCollection>,
    /// What a customer has put off to the period's end on the portal. While there is one, Stripe refuses to set or take
    /// back an end; see [`Stripe::release_subscription_schedule`].
    pub schedule: Option<String>,
    pub currency: Option<String>,
    pub latest_invoice: Option<String>,
    /// With it the customer's browser pays the first invoice, or confirms a card.
    pub client_secret: Option<SecretText>,
    pub default_payment_method: Option<String>,
    pub metadata: Metadata,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubscriptionItem {
    pub id: String,
    pub price: Price,
    /// `None`: counted by a meter.
    pub quantity: Option<i64>,
    pub current_period_start: Option<Timestamp>,
    pub current_period_end: Option<Timestamp>,
}

impl Subscription {
    /// The one that is paid ahead: what was bought. What meters count is beside it.
    pub fn bought_item(&self) -> Option<&SubscriptionItem> {
        self.items.iter().find(|item| !item.price.is_metered)
    }
}

impl Read for SubscriptionItem {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let price = object.at("/price").ok_or_else(|| Unreadable("subscription_item without price".to_owned()))?;
        Ok(Self {
            id: object.id()?,
            price: Price::read(price)?,
            quantity: object.integer("/quantity"),
            current_period_start: object.time("/current_period_start"),
            current_period_end: object.time("/current_period_end"),
        })
    }
}

impl Read for Subscription {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let items: Vec<SubscriptionItem> = object.list("/items")?;
        let first = |of: fn(&SubscriptionItem) -> Option<Timestamp>| items.iter().find_map(of);
        let secret = ["/latest_invoice/confirmation_secret", "/latest_invoice/payment_intent", "/pending_setup_intent"]
            .into_iter()
            .find_map(|place| object.words(&format!("{place}/client_secret")));
        Ok(Self {
            id: object.id()?,
            customer: object
                .reference("/customer")
                .ok_or_else(|| Unreadable("subscription without customer".into()))?,
            status: object.need_text("/status")?,
            current_period_start: first(|item| item.current_period_start)
                .or_else(|| object.time("/current_period_start")),
            current_period_end: first(|item| item.current_period_end).or_else(|| object.time("/current_period_end")),
            items,
            billing_cycle_anchor: object.time("/billing_cycle_anchor"),
            created: object.need_time("/created")?,
            start_date: object.time("/start_date"),
            trial_start: object.time("/trial_start"),
            trial_end: object.time("/trial_end"),
            cancel_at: object.time("/cancel_at"),
            cancel_at_period_end: object.flag("/cancel_at_period_end"),
            canceled_at: object.time("/canceled_at"),
            ended_at: object.time("/ended_at"),
            pause_collection: object.at("/pause_collection").map(PauseCollection::read),
            schedule: object.reference("/schedule"),
            currency: object.words("/currency"),
            latest_invoice: object.reference("/latest_invoice"),
            client_secret: secret.map(SecretText::new),
            default_payment_method: object.reference("/default_payment_method"),
            metadata: object.metadata("/metadata"),
        })
    }
}

impl Read for Released {
    fn read(_: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self)
    }
}

impl Stripe {
    pub async fn create_subscription(&self, new: &NewSubscription, key: &str) -> Result<Subscription, StripeError> {
        self.post("/v1/subscriptions", new.form().expand(&WITH_SECRETS), key).await
    }

    pub async fn get_subscription(&self, id: &str) -> Result<Subscription, StripeError> {
        self.get(&path_to("subscriptions", id, "")?, Form::new().expand(&WITH_SECRETS)).await
    }

    /// All that a customer has had, the ended ones too.
    pub async fn subscriptions_of(&self, customer: &str) -> Result<Vec<Subscription>, StripeError> {
        self.all("/v1/subscriptions", Form::new().put("customer", customer).put("status", "all")).await
    }

    /// Every subscription that is not over.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, StripeError> {
        self.all("/v1/subscriptions", Form::new()).await
    }

    pub async fn change_subscription(
        &self,
        id: &str,
        change: &SubscriptionChange,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        self.post(&path_to("subscriptions", id, "")?, change.form().expand(&WITH_SECRETS), key).await
    }

    /// Ends it now. `invoice_now`: what is still to be billed is billed; `prorate`: unused time is credited.
    pub async fn cancel_subscription(
        &self,
        id: &str,
        invoice_now: bool,
        prorate: bool,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        self.delete(&path_to("subscriptions", id, "")?, cancellation(invoice_now, prorate), key).await
    }

    /// Goes on with one that is `paused`: its trial ended without a card.
    pub async fn resume_subscription(
        &self,
        id: &str,
        anchor: Option<BillingCycleAnchor>,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        let form = Form::new().maybe("billing_cycle_anchor[type]", anchor.map(BillingCycleAnchor::word));
        self.post(&path_to("subscriptions", id, "resume")?, form.expand(&WITH_SECRETS), key).await
    }

    /// Gives a change up that was put off by a schedule. The subscription stays as it is now.
    pub async fn release_subscription_schedule(&self, schedule: &str, key: &str) -> Result<(), StripeError> {
        let Released = self.post(&path_to("subscription_schedules", schedule, "release")?, Form::new(), key).await?;
        Ok(())
    }
}
