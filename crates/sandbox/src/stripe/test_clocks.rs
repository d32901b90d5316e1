//! Test clocks: `/v1/test_helpers/test_clocks`. A customer made with one lives by its time, and all that is the
//! customer's does.

use serde_json::{Value, json};

use super::fields::Fields;
use super::lists;
use super::periods::Interval;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

const KIND: &str = "test_helpers.test_clock";

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    params.required("frozen_time")?;
    let clock = json!({
        "id": work.id("clock"),
        "object": KIND,
        "created": work.now,
        "deletes_after": work.now + 30 * 86_400,
        "frozen_time": params.moment("frozen_time")?,
        "livemode": false,
        "name": params.text("name"),
        "status": "ready",
        "status_details": {},
    });
    work.put(KIND, clock.clone());
    work.tell("test_helpers.test_clock.created", &clock);
    Ok(clock)
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find(KIND, &request.id, "test_clock")
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    lists::list(work, &request.params, KIND, "/v1/test_helpers/test_clocks", |_| Ok(true))
}

/// Sets the clock ahead; all that falls due on the way is played at once. See [`super::play`].
pub fn advance(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let clock = work.find(KIND, &request.id, "test_clock")?;
    let from = clock.whole("frozen_time");
    request.params.required("frozen_time")?;
    let until = request.params.moment("frozen_time")?.unwrap_or(from);
    if until <= from {
        let message = format!("Test clock frozen time must be in the future. Current frozen time: {from}");
        return Err(Refusal::invalid(message).param("frozen_time"));
    }
    if until > furthest(work, &request.id, from) {
        let message = "You can only advance a test clock up to two intervals of its shortest subscription at a time.";
        return Err(Refusal::invalid(message).param("frozen_time"));
    }
    super::play::play_clock(work, &request.id, until);
    Ok(work.known(KIND, &request.id))
}

/// Two intervals of the shortest subscription; two years without one.
fn furthest(work: &Work, clock: &str, from: i64) -> i64 {
    let on_it = work.state.all("subscription").filter(|subscription| subscription.text("test_clock") == clock);
    let going_on = on_it.filter(|subscription| !super::subscriptions::cancel::has_ended(subscription));
    let year = Interval::of(&json!({ "recurring": { "interval": "year", "interval_count": 1 } }));
    let each = going_on.map(|subscription| super::subscriptions::items::interval(subscription).after(from, 2));
    each.min().unwrap_or_else(|| year.after(from, 2))
}

pub fn delete(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let clock = work.find(KIND, &request.id, "test_clock")?;
    let customers: Vec<String> = work
        .state
        .all("customer")
        .filter(|customer| customer.text("test_clock") == request.id)
        .map(|customer| customer.text("id").to_owned())
        .collect();
    for customer in customers {
        let request = Request { id: customer, params: request.params.clone() };
        super::customers::delete(work, &request)?;
    }
    work.state.forget_clock(&request.id);
    work.remove(KIND, &request.id);
    work.tell("test_helpers.test_clock.deleted", &clock);
    Ok(json!({ "id": request.id, "object": KIND, "deleted": true }))
}
