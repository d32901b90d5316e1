//! `/v1/subscription_items`: one item of a subscription at a time. A change is the change of its subscription.

use serde_json::{Map, Value, json};

use super::super::fields::Fields;
use super::super::lists;
use super::super::params::Params;
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::super::work::Work;
use super::update;

/// Parameters that are the subscription's; the others are the item's.
const OF_SUBSCRIPTION: [&str; 4] = ["payment_behavior", "proration_behavior", "proration_date", "off_session"];

fn owner(work: &Work, id: &str) -> Result<(Value, Value), Refusal> {
    for subscription in work.state.all("subscription") {
        if let Some(item) = subscription.list("items.data").iter().find(|item| item.text("id") == id) {
            return Ok((subscription.clone(), item.clone()));
        }
    }
    Err(Refusal::no_such("subscription_item", id, "item"))
}

fn as_change_of_subscription(params: &Params, id: Option<&str>) -> Params {
    let mut item = Map::new();
    let mut all = Map::new();
    for (key, value) in params.tree().as_object().cloned().unwrap_or_default() {
        match OF_SUBSCRIPTION.contains(&key.as_str()) {
            true => drop(all.insert(key, value)),
            false if key == "expand" || key == "subscription" => {}
            false => drop(item.insert(key, value)),
        }
    }
    if let Some(id) = id {
        item.insert("id".to_owned(), json!(id));
    }
    all.insert("items".to_owned(), json!([item]));
    Params::new(Value::Object(all))
}

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = work.find("subscription", request.params.required("subscription")?, "subscription")?;
    let after = update::change_by(work, &before, &as_change_of_subscription(&request.params, None))?;
    Ok(after.list("items.data").last().cloned().unwrap_or_default())
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    Ok(owner(work, &request.id)?.1)
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let (before, _) = owner(work, &request.id)?;
    update::change_by(work, &before, &as_change_of_subscription(&request.params, Some(&request.id)))?;
    Ok(owner(work, &request.id)?.1)
}

pub fn delete(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let (before, _) = owner(work, &request.id)?;
    let mut change = request.params.tree().as_object().cloned().unwrap_or_default();
    change.insert("items".to_owned(), json!([{ "id": request.id, "deleted": "true" }]));
    update::change_by(work, &before, &Params::new(Value::Object(change)))?;
    Ok(json!({ "id": request.id, "object": "subscription_item", "deleted": true }))
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let subscription = work.find("subscription", request.params.required("subscription")?, "subscription")?;
    lists::page(subscription.list("items.data"), &request.params, "/v1/subscription_items")
}
