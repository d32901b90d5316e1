//! How an object leaves: the stand-in's own fields are taken out, ids that `expand[]` names become objects, and callers
//! of a version before basil get the older shape.
//!
//! Start with [`show`].

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::old_shape;
use super::refusal::Refusal;
use super::state::State;

const DEEPEST_EXPANSION: usize = 4;
const MOST_LINES_SHOWN: usize = 10;

/// The object as this version of the API shows it, with what was asked to be expanded.
pub fn show(state: &State, mut object: Value, expand: &[String], api_version: &str) -> Result<Value, Refusal> {
    for path in expand {
        let parts: Vec<&str> = path.split('.').collect();
        if parts.len() > DEEPEST_EXPANSION {
            let message =
                format!("You cannot expand more than {DEEPEST_EXPANSION} levels of a property. Property: {path}");
            return Err(Refusal::invalid(message).param("expand"));
        }
        expand_path(state, &mut object, &parts, path)?;
    }
    if old_shape::is_old(api_version) {
        old_shape::reshape(state, &mut object);
    }
    hide_own_fields(&mut object);
    Ok(object)
}

/// The object without what is never shown, and with the first lines of long invoices alone.
pub fn hide_own_fields(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !key.starts_with('_'));
            if map.get("object").is_some_and(|object| object == "invoice") {
                show_first_lines(map);
            }
            map.values_mut().for_each(hide_own_fields);
        }
        Value::Array(list) => list.iter_mut().for_each(hide_own_fields),
        _ => {}
    }
}

/// The rest of a long invoice's lines is asked for by the list of its lines.
fn show_first_lines(invoice: &mut Map<String, Value>) {
    let Some(lines) = invoice.get_mut("lines") else { return };
    if let Some(data) = lines["data"].as_array_mut().filter(|data| data.len() > MOST_LINES_SHOWN) {
        data.truncate(MOST_LINES_SHOWN);
        lines["has_more"] = json!(true);
    }
}

fn expand_path(state: &State, value: &mut Value, parts: &[&str], path: &str) -> Result<(), Refusal> {
    let Some((first, rest)) = parts.split_first() else { return Ok(()) };
    if let Value::Array(list) = value {
        return list.iter_mut().try_for_each(|value| expand_path(state, value, parts, path));
    }
    if value.get(*first).is_none() {
        let included = included(state, value, first);
        match (value.as_object_mut(), included) {
            (Some(map), Some(included)) => drop(map.insert((*first).to_owned(), included)),
            (Some(map), None) if is_field_of(map, first) => return Ok(()),
            _ => {
                let message = format!("This property cannot be expanded ({path}).");
                return Err(Refusal::invalid(message).param("expand"));
            }
        }
    }
    let field = &mut value[*first];
    resolve(state, field);
    expand_path(state, field, rest, path)
}

/// A payment names one of several things; what it does not name is not an error.
fn is_field_of(map: &Map<String, Value>, name: &str) -> bool {
    let is_of = |object: &str, names: &[&str]| {
        map.get("object").and_then(Value::as_str) == Some(object) && names.contains(&name)
    };
    map.get("type").is_some_and(|kind| kind == "payment_intent") && name == "charge"
        || is_of("customer", &["tax", "sources", "cash_balance", "invoice_credit_balance"])
}

/// An id becomes its object; of a list each does.
fn resolve(state: &State, field: &mut Value) {
    match field {
        Value::String(id) => {
            let found = kind_of(id).and_then(|kind| state.get(kind, id));
            if let Some(object) = found {
                *field = object.clone();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| resolve(state, value)),
        _ => {}
    }
}

/// Fields that are only there when asked for.
fn included(state: &State, object: &Value, field: &str) -> Option<Value> {
    let id = object.text("id");
    match (object.text("object"), field) {
        ("invoice", "payments") => {
            let payments: Vec<Value> = state.owned("invoice_payment", id).cloned().collect();
            Some(list_of(payments, "/v1/invoice_payments"))
        }
        ("invoice", "confirmation_secret") => {
            let secret = state
                .get("payment_intent", object.text("_payment_intent"))
                .map(|intent| json!({ "client_secret": intent.text("client_secret"), "type": "payment_intent" }));
            Some(secret.unwrap_or(Value::Null))
        }
        ("checkout.session", "line_items") => {
            let url = format!("/v1/checkout/sessions/{id}/line_items");
            Some(list_of(object.list("_line_items").to_vec(), &url))
        }
        ("price", "currency_options") => Some(object.at("_currency_options").clone()),
        ("price", "tiers") => Some(Value::Null),
        ("customer", "subscriptions") => {
            let ongoing =
                |subscription: &&Value| !["canceled", "incomplete_expired"].contains(&subscription.text("status"));
            let subscriptions = state.owned("subscription", id).filter(ongoing).rev().cloned().collect();
            Some(list_of(subscriptions, &format!("/v1/customers/{id}/subscriptions")))
        }
        ("customer", "tax_ids") => Some(list_of(Vec::new(), &format!("/v1/customers/{id}/tax_ids"))),
        ("charge", "refunds") => {
            let refunds = state.owned("refund", id).rev().cloned().collect();
            Some(list_of(refunds, &format!("/v1/charges/{id}/refunds")))
        }
        ("coupon", "applies_to") => Some(Value::Null),
        _ => None,
    }
}

pub fn list_of(data: Vec<Value>, url: &str) -> Value {
    json!({ "object": "list", "data": data, "has_more": false, "url": url })
}

/// The kind that an id's beginning tells.
pub fn kind_of(id: &str) -> Option<&'static str> {
    let kinds = [
        ("cus_", "customer"),
        ("prod_", "product"),
        ("price_", "price"),
        ("pm_", "payment_method"),
        ("cs_test_", "checkout.session"),
        ("sub_sched_", "subscription_schedule"),
        ("sub_", "subscription"),
        ("in_", "invoice"),
        ("ii_", "invoiceitem"),
        ("inpay_", "invoice_payment"),
        ("pi_", "payment_intent"),
        ("seti_", "setup_intent"),
        ("ch_", "charge"),
        ("re_", "refund"),
        ("dp_", "dispute"),
        ("di_", "discount"),
        ("promo_", "promotion_code"),
        ("bpc_", "billing_portal.configuration"),
        ("clock_", "test_helpers.test_clock"),
        ("mtr_", "billing.meter"),
    ];
    match kinds.iter().find(|(prefix, _)| id.starts_with(prefix)) {
        Some((_, kind)) => Some(kind),
        // A coupon's id is what its maker called it.
        None => Some("coupon"),
    }
}
