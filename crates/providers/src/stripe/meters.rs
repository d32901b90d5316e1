//! Usage that Stripe counts itself.

use domain::time::Timestamp;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meter {
    pub id: String,
    pub display_name: Option<String>,
    pub event_name: String,
    /// `active`, `inactive`.
    pub status: Option<String>,
}

/// A meter that sums what its events say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewMeter {
    pub display_name: String,
    pub event_name: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterEvent {
    pub event_name: String,
    pub customer: String,
    /// Decimal text; below zero it corrects.
    pub value: String,
    /// Counted once, however often it comes within a day.
    pub identifier: String,
    /// At most 35 days back and 5 minutes ahead. `None`: now.
    pub timestamp: Option<Timestamp>,
}

impl NewMeter {
    pub(super) fn form(&self) -> Form {
        Form::new()
            .put("display_name", &self.display_name)
            .put("event_name", &self.event_name)
            .put("default_aggregation[formula]", "sum")
            .put("customer_mapping[type]", "by_id")
            .put("customer_mapping[event_payload_key]", "stripe_customer_id")
            .put("value_settings[event_payload_key]", "value")
    }
}

impl MeterEvent {
    pub(super) fn form(&self) -> Form {
        Form::new()
            .put("event_name", &self.event_name)
            .put("payload[stripe_customer_id]", &self.customer)
            .put("payload[value]", &self.value)
            .put("identifier", &self.identifier)
            .time("timestamp", self.timestamp)
    }
}

impl Read for Meter {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: object.id()?,
            display_name: object.words("/display_name"),
            event_name: object.need_text("/event_name")?,
            status: object.words("/status"),
        })
    }
}

/// What a customer used in a time, as far as it is added up by now.
struct Summary {
    /// Whole units.
    total: i64,
}

impl Read for Summary {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let told = object.at("/aggregated_value").and_then(|at| at.value().as_f64());
        // Whole numbers alone are reported, and they are added up.
        told.map(|total| Self { total: total as i64 }).ok_or_else(|| Unreadable("summary without a value".to_owned()))
    }
}

/// Stripe only says that it has taken it.
pub(super) struct Taken;

impl Read for Taken {
    fn read(_: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self)
    }
}

/// Stripe sums whole minutes. What is reported just before a window's end counts with the minute in which it ends.
fn next_minute(at: Timestamp) -> Timestamp {
    let seconds = at.seconds();
    Timestamp::from_seconds(seconds + (-seconds).rem_euclid(60))
}

impl Stripe {
    pub async fn create_meter(&self, new: &NewMeter, key: &str) -> Result<Meter, StripeError> {
        self.post("/v1/billing/meters", new.form(), key).await
    }

    pub async fn list_meters(&self) -> Result<Vec<Meter>, StripeError> {
        self.all("/v1/billing/meters", Form::new()).await
    }

    /// Taken already by the same identifier, it is taken once.
    pub async fn create_meter_event(&self, event: &MeterEvent, key: &str) -> Result<(), StripeError> {
        match self.post("/v1/billing/meter_events", event.form(), key).await {
            Ok(Taken) => Ok(()),
            Err(StripeError::Invalid { message, .. }) if message.contains("already exists with identifier") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How many units a customer's events of a time report, from its first minute up to its last. Stripe adds up a little
    /// later than it takes events.
    pub async fn meter_total(
        &self,
        meter: &str,
        customer: &str,
        (start, end): (Timestamp, Timestamp),
    ) -> Result<i64, StripeError> {
        let form = Form::new()
            .put("customer", customer)
            .time("start_time", Some(next_minute(start)))
            .time("end_time", Some(next_minute(end)));
        let all: Vec<Summary> = self.all(&path_to("billing/meters", meter, "event_summaries")?, form).await?;
        Ok(all.iter().map(|summary| summary.total).sum())
    }
}
