//! What Stripe tells has happened. Start at [`Event::read`].
//!
//! An event has the shape of the endpoint's version, not of the call's: both are read.

use domain::time::Timestamp;
use serde_json::Value;

use super::form::Form;
use super::invoices::subscription;
use super::object::{Object, Read};
use super::subscriptions::Subscription;
use super::{Stripe, StripeError, Unreadable};

/// Everything that billing follows: what an endpoint is to be sent.
pub const FOLLOWED: [&str; 22] = [
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.voided",
    "charge.succeeded",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.closed",
];

/// More types than this are refused in one question.
const MOST_TYPES: usize = 20;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub id: String,
    /// `customer.subscription.updated`.
    pub kind: String,
    pub api_version: Option<String>,
    pub created: Timestamp,
    /// Whether it is about real money.
    pub livemode: bool,
    /// What it is about. `None`: a thing without an id.
    pub object_id: Option<String>,
    /// `subscription`, `invoice`, `checkout.session`, …
    pub object_type: Option<String>,
    pub customer: Option<String>,
    pub subscription: Option<String>,
    pub invoice: Option<String>,
    pub payment_intent: Option<String>,
    /// As it was then. What it is now, Stripe tells when asked.
    pub object: Value,
}

impl Event {
    /// Reads a webhook's body, after its signature was found good.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let value: Value = serde_json::from_slice(body).map_err(|_| Unreadable("the event is not JSON".to_owned()))?;
        <Self as Read>::read(Object::of(&value))
    }
}

impl Event {
    /// Of a subscription: Stripe's id of the price that was bought then.
    pub fn bought_price(&self) -> Option<String> {
        let is_subscription = self.object_type.as_deref() == Some("subscription");
        let then = is_subscription.then(|| Subscription::read(Object::of(&self.object)).ok())??;
        then.bought_item().map(|item| item.price.id.clone())
    }
}

impl Read for Event {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let kind = object.need_text("/type")?;
        let about = object.at("/data/object").ok_or_else(|| Unreadable(format!("{kind} without an object")))?;
        let (object_id, object_type) = (about.words("/id"), about.words("/object"));
        let own = |wanted: &str| object_id.clone().filter(|_| object_type.as_deref() == Some(wanted));
        Ok(Self {
            id: object.id()?,
            kind,
            api_version: object.words("/api_version"),
            created: object.need_time("/created")?,
            livemode: object.flag("/livemode"),
            customer: own("customer").or_else(|| about.reference("/customer")),
            subscription: own("subscription").or_else(|| subscription(about)),
            invoice: own("invoice").or_else(|| about.reference("/invoice")),
            payment_intent: own("payment_intent").or_else(|| about.reference("/payment_intent")),
            object: about.value().clone(),
            object_id,
            object_type,
        })
    }
}

pub(super) fn since(created: Timestamp, types: &[&str]) -> Form {
    Form::new().time("created[gte]", Some(created)).list("types", types)
}

impl Stripe {
    /// Oldest first. Stripe keeps them for 30 days, in the shape of the account's own version.
    pub async fn events_since(&self, created: Timestamp, types: &[&str]) -> Result<Vec<Event>, StripeError> {
        let mut events: Vec<Event> = Vec::new();
        for some in types.chunks(MOST_TYPES) {
            events.extend(self.all("/v1/events", since(created, some)).await?);
        }
        // Each list is newest first, and so stays the order within one second.
        events.reverse();
        events.sort_by_key(|event| event.created);
        Ok(events)
    }
}
