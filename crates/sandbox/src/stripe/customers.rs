//! Customers: `/v1/customers`. A deleted one's subscriptions end at once.

use serde_json::{Value, json};

use super::fields::Fields;
use super::lists;
use super::params::Params;
use super::payment_methods;
use super::refusal::Refusal;
use super::request::Request;
use super::subscriptions::cancel;
use super::work::Work;

const ADDRESS: [&str; 6] = ["city", "country", "line1", "line2", "postal_code", "state"];
const PLAIN: [&str; 6] = ["business_name", "individual_name", "description", "email", "name", "phone"];

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    if let Some(clock) = params.text("test_clock") {
        let clock = work.find("test_helpers.test_clock", clock, "test_clock")?;
        work.live_by(&json!({ "test_clock": clock["id"] }));
    }
    let id = work.id("cus");
    let prefix = id[id.len() - 8..].to_uppercase();
    let mut customer = json!({
        "id": id,
        "object": "customer",
        "address": null,
        "balance": 0,
        "created": work.now,
        "currency": null,
        "default_source": null,
        "delinquent": false,
        "description": null,
        "discount": null,
        "email": null,
        "invoice_prefix": prefix,
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": {},
        "name": null,
        "next_invoice_sequence": 1,
        "phone": null,
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": params.text("test_clock"),
    });
    take(work, params, &mut customer)?;
    work.put("customer", customer);
    if let Some(method) = params.text("payment_method") {
        let method = payment_methods::attach_named(work, method, &id)?;
        let named = params.text("invoice_settings.default_payment_method");
        if named.is_some_and(|named| named == params.text("payment_method").unwrap_or_default()) {
            set_default_method(work, &id, &method);
        }
    }
    let customer = work.known("customer", &id);
    work.tell("customer.created", &customer);
    Ok(customer)
}

/// Fields that creating and updating share.
fn take(work: &Work, params: &Params, customer: &mut Value) -> Result<(), Refusal> {
    for name in PLAIN {
        if params.is_given(name) {
            customer[name] = json!(params.text(name));
        }
    }
    if let Some(email) = params.text("email").filter(|email| !email.contains('@')) {
        return Err(Refusal::invalid(format!("Invalid email address: {email}")).code("email_invalid").param("email"));
    }
    if let Some(balance) = params.whole("balance")? {
        customer["balance"] = json!(balance);
    }
    if params.is_given("address") {
        customer["address"] = match params.is_unset("address") {
            true => Value::Null,
            false => address(&params.below("address")),
        };
    }
    if params.is_given("shipping") {
        let shipping = params.below("shipping");
        customer["shipping"] = json!({
            "address": address(&shipping.below("address")), "name": shipping.text("name"), "phone": shipping.text("phone"),
        });
    }
    if let Some(exempt) = params.one_of("tax_exempt", &["exempt", "none", "reverse"])? {
        customer["tax_exempt"] = json!(exempt);
    }
    if params.is_given("preferred_locales") {
        customer["preferred_locales"] = json!(params.texts("preferred_locales"));
    }
    if let Some(prefix) = params.text("invoice_prefix") {
        customer["invoice_prefix"] = json!(prefix);
    }
    if let Some(sequence) = params.whole("next_invoice_sequence")? {
        customer["next_invoice_sequence"] = json!(sequence);
    }
    if params.is_given("invoice_settings.footer") {
        customer["invoice_settings"]["footer"] = json!(params.text("invoice_settings.footer"));
    }
    if let Some(method) = params.text("invoice_settings.default_payment_method") {
        let attached = work.get("payment_method", method);
        if attached.is_some_and(|attached| attached.at("customer") == customer.at("id")) {
            customer["invoice_settings"]["default_payment_method"] = json!(method);
        } else if !params.is_given("payment_method") {
            return Err(not_attached(method));
        }
    }
    customer["metadata"] = params.metadata(customer.at("metadata"));
    Ok(())
}

fn not_attached(method: &str) -> Refusal {
    let message = format!(
        "No such PaymentMethod: '{method}'; the customer does not have a payment method with this ID. The payment method \
         must be attached to the customer."
    );
    Refusal::invalid(message).code("resource_missing").param("invoice_settings[default_payment_method]")
}

pub fn address(params: &Params) -> Value {
    let fields = ADDRESS.map(|name| (name.to_owned(), json!(params.text(name))));
    Value::Object(fields.into_iter().collect())
}

pub fn set_default_method(work: &mut Work, id: &str, method: &Value) {
    let mut customer = work.known("customer", id);
    customer["invoice_settings"]["default_payment_method"] = method["id"].clone();
    work.put("customer", customer);
}

/// The customer also when it is deleted, which is then all that is said.
pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let found = work.get("customer", &request.id).cloned();
    found.ok_or_else(|| Refusal::no_such("customer", &request.id, "id"))
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = work.find("customer", &request.id, "id")?;
    work.live_by(&before);
    let mut customer = before.clone();
    take(work, &request.params, &mut customer)?;
    work.put("customer", customer.clone());
    work.tell_change("customer.updated", &before, &customer);
    Ok(customer)
}

pub fn delete(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let customer = work.find("customer", &request.id, "id")?;
    work.live_by(&customer);
    for subscription in ongoing_subscriptions(work, &request.id) {
        cancel::end(work, &subscription, cancel::Reason::Requested);
    }
    let deleted = json!({ "id": request.id, "object": "customer", "deleted": true });
    work.put("customer", deleted.clone());
    work.tell("customer.deleted", &customer);
    Ok(deleted)
}

fn ongoing_subscriptions(work: &Work, customer: &str) -> Vec<String> {
    let all = work.state.owned("subscription", customer);
    let ongoing = all.filter(|subscription| !cancel::has_ended(subscription));
    ongoing.map(|subscription| subscription.text("id").to_owned()).collect()
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, "customer", "/v1/customers", |customer| {
        // Customers of a test clock are listed with it alone.
        Ok(params.text("email").is_none_or(|email| customer.text("email") == email)
            && customer.opt_text("test_clock") == params.text("test_clock")
            && params.is_within("created", customer.whole("created"))?)
    })
}
