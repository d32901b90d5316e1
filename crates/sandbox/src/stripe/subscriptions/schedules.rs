//! Subscription schedules: `/v1/subscription_schedules`. Changes that are kept for the end of the present period.
//!
//! A schedule is made of a subscription, and its phases begin where periods end; what else Stripe's schedules do is
//! refused by its name.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::lists;
use super::super::params::Params;
use super::super::periods::Interval;
use super::super::prices;
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::super::work::Work;
use super::{cancel as ending, items};

const KIND: &str = "subscription_schedule";

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let subscription = work.find("subscription", params.required("from_subscription")?, "from_subscription")?;
    let customer = work.known("customer", subscription.text("customer"));
    work.live_by(&customer);
    if !subscription["schedule"].is_null() {
        let message = "You cannot migrate a subscription that is already attached to a schedule.";
        return Err(Refusal::invalid(message).param("from_subscription"));
    }
    let (start, end) = items::period(&subscription);
    let id = work.id("sub_sched");
    let schedule = json!({
        "id": id,
        "object": KIND,
        "application": null,
        "billing_mode": subscription["billing_mode"],
        "canceled_at": null,
        "completed_at": null,
        "created": work.now,
        "current_phase": { "start_date": start, "end_date": end },
        "customer": subscription["customer"],
        "customer_account": null,
        "default_settings": {
            "application_fee_percent": null,
            "automatic_tax": subscription["automatic_tax"],
            "billing_cycle_anchor": "automatic",
            "billing_thresholds": null,
            "collection_method": subscription["collection_method"],
            "default_payment_method": subscription["default_payment_method"],
            "description": null,
            "invoice_settings": { "account_tax_ids": null, "custom_fields": null, "days_until_due": null, "description": null, "footer": null, "issuer": { "type": "self" } },
            "on_behalf_of": null,
            "transfer_data": null,
        },
        "end_behavior": "release",
        "livemode": false,
        "metadata": params.metadata(&json!({})),
        "pause_schedules": [],
        "phases": [phase(&subscription, (start, end), phase_items(&subscription), "create_prorations")],
        "released_at": null,
        "released_subscription": null,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": subscription["test_clock"],
    });
    work.put(KIND, schedule.clone());
    let after = work.set("subscription", subscription.text("id"), json!({ "schedule": id }));
    work.tell("subscription_schedule.created", &schedule);
    work.tell_change("customer.subscription.updated", &subscription, &after);
    Ok(schedule)
}

fn phase_items(subscription: &Value) -> Vec<Value> {
    let all = subscription.list("items.data").iter();
    all.map(|item| phase_item(&item["price"], item.opt_whole("quantity"), item["metadata"].clone())).collect()
}

fn phase_item(price: &Value, quantity: Option<i64>, metadata: Value) -> Value {
    let mut item = json!({
        "billing_thresholds": null, "discounts": [], "metadata": metadata, "plan": price["id"], "price": price["id"], "tax_rates": [],
    });
    if let Some(quantity) = quantity {
        item["quantity"] = json!(quantity);
    }
    item
}

fn phase(subscription: &Value, (start, end): (i64, i64), items: Vec<Value>, prorations: &str) -> Value {
    json!({
        "add_invoice_items": [],
        "application_fee_percent": null,
        "billing_cycle_anchor": null,
        "billing_thresholds": null,
        "collection_method": null,
        "currency": subscription["currency"],
        "default_payment_method": null,
        "default_tax_rates": [],
        "description": null,
        "discounts": [],
        "end_date": end,
        "invoice_settings": null,
        "items": items,
        "metadata": {},
        "on_behalf_of": null,
        "proration_behavior": prorations,
        "start_date": start,
        "transfer_data": null,
        "trial_end": null,
    })
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find(KIND, &request.id, "schedule")
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, KIND, "/v1/subscription_schedules", |schedule| {
        Ok(params.text("customer").is_none_or(|customer| schedule.text("customer") == customer)
            && params.is_within("created", schedule.whole("created"))?)
    })
}

/// The schedule, if it still runs, and its customer's time.
fn find_active(work: &mut Work, id: &str) -> Result<Value, Refusal> {
    let schedule = work.find(KIND, id, "schedule")?;
    let customer = work.known("customer", schedule.text("customer"));
    work.live_by(&customer);
    match schedule.text("status") {
        "active" => Ok(schedule),
        status => Err(Refusal::invalid(format!(
            "You cannot change a subscription schedule that is in the `{status}` status."
        ))),
    }
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let before = find_active(work, &request.id)?;
    let mut schedule = before.clone();
    if let Some(behavior) = params.one_of("end_behavior", &["cancel", "release"])? {
        schedule["end_behavior"] = json!(behavior);
    }
    if params.is_given("phases") {
        schedule["phases"] = Value::Array(phases(work, params, &before)?);
    }
    schedule["metadata"] = params.metadata(schedule.at("metadata"));
    work.put(KIND, schedule.clone());
    work.tell_change("subscription_schedule.updated", &before, &schedule);
    Ok(schedule)
}

/// The phases of an update: the present one as it is, then others, each from the end of the one before.
fn phases(work: &mut Work, params: &Params, schedule: &Value) -> Result<Vec<Value>, Refusal> {
    let subscription = work.known("subscription", schedule.text("subscription"));
    let (mut start, present_end) = items::period(&subscription);
    let mut made = Vec::new();
    for (place, given) in params.each("phases").iter().enumerate() {
        if given.moment("start_date")?.is_some_and(|moment| moment != start) && place > 0 {
            let message = "A phase must begin where the one before it ends.";
            return Err(Refusal::invalid(message).param(&given.name("start_date")));
        }
        let mut wanted = Vec::new();
        let mut interval = items::interval(&subscription);
        for item in given.each("items") {
            let price = work.find("price", item.required("price")?, &item.name("price"))?;
            interval = Interval::of(&price);
            let quantity =
                Some(items::quantity(&item)?.unwrap_or(1)).filter(|_| price.text("recurring.usage_type") != "metered");
            wanted.push(phase_item(&price, quantity, item.metadata(&json!({}))));
        }
        let count = given.whole("duration.interval_count")?.unwrap_or(1);
        let end = match (given.moment("end_date")?, given.text("duration.interval")) {
            (Some(end), _) => end,
            (None, Some(unit)) => {
                Interval::of(&json!({ "recurring": { "interval": unit, "interval_count": count } })).after(start, 1)
            }
            (None, None) => interval.after(start, 1),
        };
        if place == 0 && end != present_end {
            let message = "A first phase that does not end with the present period is not supported by the sandbox.";
            return Err(Refusal::invalid(message).param(&given.name("end_date")));
        }
        let prorations = given.one_of("proration_behavior", &["always_invoice", "create_prorations", "none"])?;
        let mut next = phase(&subscription, (start, end), wanted, prorations.unwrap_or("create_prorations"));
        next["metadata"] = given.metadata(&json!({}));
        made.push(next);
        start = end;
    }
    match made.is_empty() {
        true => Err(Refusal::missing("phases")),
        false => Ok(made),
    }
}

/// The present period is over: the items of the phase that begins now, if one does. A schedule with none left ends.
pub fn enter_next_phase(work: &mut Work, subscription: &Value) -> Option<Value> {
    let before = work.get(KIND, subscription.opt_text("schedule")?)?.clone();
    let next = before.list("phases").iter().find(|phase| phase.whole("start_date") == work.now).cloned();
    let Some(phase) = next else {
        let is_over = before.list("phases").last().is_some_and(|last| last.whole("end_date") <= work.now);
        if is_over {
            finish(work, &before, subscription);
        }
        return None;
    };
    let mut changed = subscription.clone();
    let period = items::period(subscription);
    let mut after = Vec::new();
    for (place, wanted) in phase.list("items").iter().enumerate() {
        let price = work.known("price", wanted.text("price"));
        let fresh = items::Wanted { quantity: wanted.whole("quantity"), metadata: wanted["metadata"].clone(), price };
        let mut item = items::make(work, subscription.text("id"), &fresh, period);
        // An item whose place stays keeps its id.
        if let Some(known) = subscription.list("items.data").get(place) {
            item["id"] = known["id"].clone();
            item["created"] = known["created"].clone();
            item["plan"] = prices::plan(&fresh.price);
        }
        after.push(item);
    }
    changed["items"]["total_count"] = json!(after.len());
    changed["items"]["data"] = Value::Array(after);
    let present = json!({ "start_date": phase["start_date"], "end_date": phase["end_date"] });
    let schedule = work.set(KIND, before.text("id"), json!({ "current_phase": present }));
    work.tell_change("subscription_schedule.updated", &before, &schedule);
    Some(changed)
}

/// The last phase is over: the subscription goes on by itself, or ends.
fn finish(work: &mut Work, before: &Value, subscription: &Value) {
    let id = subscription.text("id");
    if before.text("end_behavior") == "cancel" {
        let fields = json!({ "status": "completed", "completed_at": work.now, "current_phase": null });
        let schedule = work.set(KIND, before.text("id"), fields);
        work.tell("subscription_schedule.completed", &schedule);
        ending::end(work, id, ending::Reason::Requested);
        return;
    }
    let_go(work, before);
}

fn let_go(work: &mut Work, before: &Value) -> Value {
    let subscription = before.text("subscription");
    let fields = json!({
        "status": "released", "released_at": work.now, "released_subscription": subscription, "subscription": null,
        "current_phase": null,
    });
    let schedule = work.set(KIND, before.text("id"), fields);
    let known = work.known("subscription", subscription);
    let after = work.set("subscription", subscription, json!({ "schedule": null }));
    work.tell("subscription_schedule.released", &schedule);
    work.tell_change("customer.subscription.updated", &known, &after);
    schedule
}

pub fn release(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = find_active(work, &request.id)?;
    Ok(let_go(work, &before))
}

/// Ends the schedule and its subscription.
pub fn cancel(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = find_active(work, &request.id)?;
    let id = before.text("subscription").to_owned();
    ending::request(work, &Request { id, params: request.params.clone() })?;
    let fields = json!({ "status": "canceled", "canceled_at": work.now, "current_phase": null });
    let schedule = work.set(KIND, &request.id, fields);
    work.tell("subscription_schedule.canceled", &schedule);
    Ok(schedule)
}
