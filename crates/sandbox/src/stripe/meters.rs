//! Billing meters, the events reported to them, and their corrections: `/v1/billing/meters`, `/v1/billing/meter_events`,
//! `/v1/billing/meter_event_adjustments`.

use serde_json::{Value, json};

use super::fields::Fields;
use super::lists;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

const OLDEST_SECONDS: i64 = 35 * 86_400;
const FURTHEST_SECONDS: i64 = 300;
/// An event can be canceled for so long, and its identifier is its own for at least as long.
const CANCEL_SECONDS: i64 = 86_400;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let event_name = params.required("event_name")?;
    if active(work, event_name).is_some() {
        let message = format!("An active meter with event name `{event_name}` already exists.");
        return Err(Refusal::invalid(message).code("resource_already_exists").param("event_name"));
    }
    params.required("default_aggregation.formula")?;
    let formula = params.one_of("default_aggregation.formula", &["count", "last", "sum"])?;
    let meter = json!({
        "id": work.id("mtr_test"),
        "object": "billing.meter",
        "created": work.now,
        "customer_mapping": {
            "event_payload_key": params.text("customer_mapping.event_payload_key").unwrap_or("stripe_customer_id"),
            "type": "by_id",
        },
        "default_aggregation": { "formula": formula },
        "display_name": params.required("display_name")?,
        "event_name": event_name,
        "event_time_window": params.text("event_time_window"),
        "livemode": false,
        "status": "active",
        "status_transitions": { "deactivated_at": null },
        "updated": work.now,
        "value_settings": { "event_payload_key": params.text("value_settings.event_payload_key").unwrap_or("value") },
    });
    work.put("billing.meter", meter.clone());
    work.tell("billing.meter.created", &meter);
    Ok(meter)
}

fn active(work: &Work, event_name: &str) -> Option<Value> {
    let fits = |meter: &&Value| meter.text("event_name") == event_name && meter.text("status") == "active";
    work.state.all("billing.meter").find(fits).cloned()
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("billing.meter", &request.id, "id")
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, "billing.meter", "/v1/billing/meters", |meter| {
        Ok(params.text("status").is_none_or(|status| meter.text("status") == status))
    })
}

pub fn create_event(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let event_name = params.required("event_name")?;
    let meter = active(work, event_name).ok_or_else(|| {
        Refusal::invalid(format!("No active meter found for event name: {event_name}"))
            .code("no_meter")
            .param("event_name")
    })?;
    if !params.is_given("payload") {
        return Err(Refusal::missing("payload"));
    }
    let customer_key = format!("payload.{}", meter.text("customer_mapping.event_payload_key"));
    let customer = work.find("customer", params.required(&customer_key)?, &params.name(&customer_key))?;
    work.live_by(&customer);
    let at = params.moment("timestamp")?.unwrap_or(work.now);
    if at < work.now - OLDEST_SECONDS || at > work.now + FURTHEST_SECONDS {
        let message = "The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.";
        return Err(Refusal::invalid(message).code("timestamp_out_of_range").param("timestamp"));
    }
    let value = params.text(&format!("payload.{}", meter.text("value_settings.event_payload_key"))).map(str::to_owned);
    if value.as_ref().is_some_and(|value| value.parse::<i64>().is_err())
        || (value.is_none() && meter.text("default_aggregation.formula") != "count")
    {
        return Err(Refusal::invalid("The payload's value must be a whole number.")
            .code("meter_event_invalid_value")
            .param("payload[value]"));
    }
    let identifier = params.text("identifier").map(str::to_owned).unwrap_or_else(|| work.id("mevt"));
    let is_known =
        work.get("_meter_value", &identifier).is_some_and(|known| known.whole("created") > work.now - CANCEL_SECONDS);
    if is_known {
        let message = format!("An event already exists with identifier {identifier}.");
        return Err(Refusal::invalid(message).code("resource_already_exists").param("identifier"));
    }
    let known = json!({
        "id": identifier, "meter": meter["id"], "customer": customer["id"], "at": at, "created": work.now,
        "value": value.and_then(|value| value.parse::<i64>().ok()).unwrap_or(1), "is_canceled": false,
    });
    work.put("_meter_value", known);
    Ok(json!({
        "object": "billing.meter_event",
        "created": work.now,
        "event_name": event_name,
        "identifier": identifier,
        "livemode": false,
        "payload": params.raw("payload"),
        "timestamp": at,
    }))
}

pub fn adjust(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let event_name = params.required("event_name")?;
    params.required("type")?;
    params.one_of("type", &["cancel"])?;
    let identifier = params.required("cancel.identifier")?;
    let known = work.find("_meter_value", identifier, "cancel[identifier]")?;
    let customer = work.known("customer", known.text("customer"));
    work.live_by(&customer);
    if known.whole("created") <= work.now - CANCEL_SECONDS {
        return Err(Refusal::invalid("Only events of the last 24 hours can be canceled.").param("cancel[identifier]"));
    }
    work.set("_meter_value", identifier, json!({ "is_canceled": true }));
    Ok(json!({
        "object": "billing.meter_event_adjustment",
        "cancel": { "identifier": identifier },
        "event_name": event_name,
        "livemode": false,
        "status": "complete",
        "type": "cancel",
    }))
}

/// What a customer used by a meter in a period: never below 0.
pub fn total(work: &Work, meter: &Value, customer: &str, (start, end): (i64, i64)) -> i64 {
    let counts = |known: &&Value| {
        known["meter"] == meter["id"]
            && known.text("customer") == customer
            && !known.is("is_canceled")
            && (start..end).contains(&known.whole("at"))
    };
    let values: Vec<&Value> = work.state.all("_meter_value").filter(counts).collect();
    let total = match meter.text("default_aggregation.formula") {
        "count" => i64::try_from(values.len()).unwrap_or(i64::MAX),
        "last" => values.iter().max_by_key(|known| known.whole("at")).map_or(0, |known| known.whole("value")),
        _ => values.iter().map(|known| known.whole("value")).sum(),
    };
    total.max(0)
}

/// `/v1/billing/meters/{id}/event_summaries`: one summary of the whole range.
pub fn summaries(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let meter = work.find("billing.meter", &request.id, "id")?;
    for name in ["customer", "start_time", "end_time"] {
        params.required(name)?;
    }
    let customer = work.find("customer", params.required("customer")?, "customer")?;
    let range = (params.moment("start_time")?.unwrap_or_default(), params.moment("end_time")?.unwrap_or_default());
    let value = total(work, &meter, customer.text("id"), range);
    let summary = json!({
        "id": format!("mtrusg_{}", range.0), "object": "billing.meter_event_summary", "aggregated_value": value,
        "start_time": range.0, "end_time": range.1, "livemode": false, "meter": meter["id"],
    });
    lists::page(&[summary], params, &format!("/v1/billing/meters/{}/event_summaries", request.id))
}
