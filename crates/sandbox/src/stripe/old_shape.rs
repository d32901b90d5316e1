//! Subscriptions and invoices as versions before basil (2025-03-31) showed them: the period on the subscription, and the
//! payment, the subscription and the tax on the invoice itself.
//!
//! Start with [`reshape`].

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::state::State;

/// The first version with the newer shape.
const BASIL: &str = "2025-03-31";

pub fn is_old(api_version: &str) -> bool {
    !api_version.is_empty() && api_version < BASIL
}

/// Gives an object, and all that is in it, the older shape.
pub fn reshape(state: &State, value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(|value| reshape(state, value));
            let object = Value::Object(map.clone());
            match object.text("object") {
                "subscription" => old_subscription(map, &object),
                "subscription_item" => {
                    remove(map, &["current_period_start", "current_period_end", "billed_until", "current_trial"])
                }
                "invoice" => old_invoice(state, map, &object),
                "line_item" => old_line(state, map, &object),
                "invoiceitem" => old_invoice_item(map, &object),
                "payment_intent" | "charge" => drop(map.insert("invoice".to_owned(), object.at("_invoice").clone())),
                _ => {}
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| reshape(state, value)),
        _ => {}
    }
}

fn remove(map: &mut Map<String, Value>, names: &[&str]) {
    for name in names {
        map.remove(*name);
    }
}

fn add(map: &mut Map<String, Value>, fields: Value) {
    if let Value::Object(fields) = fields {
        map.extend(fields);
    }
}

fn old_subscription(map: &mut Map<String, Value>, object: &Value) {
    remove(map, &["billing_mode", "billing_schedules", "customer_account", "managed_payments", "status_details"]);
    add(
        map,
        json!({
            "current_period_start": object.at("_period.start"),
            "current_period_end": object.at("_period.end"),
            "discount": null,
            "plan": object.at("items.data.0.plan"),
            "quantity": object.at("items.data.0.quantity"),
        }),
    );
}

fn old_invoice(state: &State, map: &mut Map<String, Value>, object: &Value) {
    remove(
        map,
        &[
            "amount_overpaid",
            "confirmation_secret",
            "customer_account",
            "parent",
            "payments",
            "status_details",
            "total_taxes",
            "amount_paid_off_stripe",
        ],
    );
    let intent = state.get("payment_intent", object.text("_payment_intent"));
    let tax: i64 = object.list("total_taxes").iter().map(|tax| tax.whole("amount")).sum();
    add(
        map,
        json!({
            "application_fee_amount": null,
            "charge": intent.map(|intent| intent.at("latest_charge")),
            "discount": null,
            "paid": object.text("status") == "paid",
            "paid_out_of_band": object.is("_is_paid_out_of_band"),
            "payment_intent": object.at("_payment_intent"),
            "quote": null,
            "subscription": object.at("parent.subscription_details.subscription"),
            "subscription_details": { "metadata": object.at("parent.subscription_details.metadata") },
            "tax": if object.list("total_taxes").is_empty() { Value::Null } else { json!(tax) },
            "total_tax_amounts": [],
            "transfer_data": null,
        }),
    );
}

fn old_line(state: &State, map: &mut Map<String, Value>, object: &Value) {
    remove(map, &["parent", "pricing", "taxes", "quantity_decimal", "subtotal"]);
    let price = state.get("price", object.text("pricing.price_details.price"));
    let is_of_item = object.text("parent.type") == "invoice_item_details";
    let details = if is_of_item { "parent.invoice_item_details" } else { "parent.subscription_item_details" };
    let mut fields = json!({
        "amount_excluding_tax": object.at("amount"),
        "plan": null,
        "price": price,
        "proration": object.is(&format!("{details}.proration")),
        "proration_details": { "credited_items": null },
        "subscription": object.at(&format!("{details}.subscription")),
        "tax_amounts": [],
        "tax_rates": [],
        "type": if is_of_item { "invoiceitem" } else { "subscription" },
        "unit_amount_excluding_tax": object.at("pricing.unit_amount_decimal"),
    });
    let name = if is_of_item { "invoice_item" } else { "subscription_item" };
    fields[name] = object.at(&format!("{details}.{name}")).clone();
    add(map, fields);
}

fn old_invoice_item(map: &mut Map<String, Value>, object: &Value) {
    remove(map, &["customer_account", "net_amount", "parent", "pricing", "quantity_decimal", "proration_details"]);
    let unit = object.text("pricing.unit_amount_decimal");
    add(
        map,
        json!({
            "plan": null,
            "price": null,
            "subscription": object.at("parent.subscription_details.subscription"),
            "unit_amount": unit.parse::<i64>().ok(),
            "unit_amount_decimal": unit,
        }),
    );
}
