//! Payment methods: `/v1/payment_methods`. They are made of test cards alone.

use serde_json::{Value, json};

use super::cards::{self, Behaviour, TestCard};
use super::fields::Fields;
use super::lists;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let card = match (params.text("card.token"), params.text("card.number")) {
        (Some(token), _) => named(token, "card[token]")?,
        (None, Some(number)) => cards::by_number(number)?,
        (None, None) => return Err(Refusal::missing("card")),
    };
    let mut method = make(work, card);
    for name in ["email", "name", "phone"] {
        method["billing_details"][name] = json!(params.text(&format!("billing_details.{name}")));
    }
    method["metadata"] = params.metadata(&json!({}));
    work.put("payment_method", method.clone());
    Ok(method)
}

fn named(token: &str, param: &str) -> Result<&'static TestCard, Refusal> {
    cards::by_token(token).ok_or_else(|| Refusal::no_such("PaymentMethod", token, param))
}

/// Puts a new payment method of a test card, of no customer yet.
pub fn make(work: &mut Work, card: &TestCard) -> Value {
    let id = work.id("pm");
    let mut method = json!({
        "id": id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null },
            "email": null, "name": null, "phone": null, "tax_id": null,
        },
        "created": work.now,
        "customer": null,
        "customer_account": null,
        "livemode": false,
        "metadata": {},
        "type": if card.is_bank_account() { "us_bank_account" } else { "card" },
        "_card": card.number,
    });
    match card.is_bank_account() {
        true => method["us_bank_account"] = bank_account(card),
        false => method["card"] = card_details(card),
    }
    work.put("payment_method", method.clone());
    method
}

fn card_details(card: &TestCard) -> Value {
    json!({
        "brand": card.brand,
        "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": format!("sandbox{}", card.last4()),
        "funding": "credit",
        "generated_from": null,
        "last4": card.last4(),
        "networks": { "available": [card.brand], "preferred": null },
        "regulated_status": "unregulated",
        "three_d_secure_usage": { "supported": true },
        "wallet": null,
    })
}

fn bank_account(card: &TestCard) -> Value {
    json!({
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "SANDBOX BANK",
        "financial_connections_account": null,
        "fingerprint": format!("sandbox{}", card.last4()),
        "last4": card.last4(),
        "networks": { "preferred": "ach", "supported": ["ach"] },
        "routing_number": "110000000",
        "status_details": {},
    })
}

/// The payment method that a request names: one of its own, or a new one of the test card that it names.
pub fn find(work: &mut Work, id: &str, param: &str) -> Result<Value, Refusal> {
    match cards::by_token(id) {
        Some(card) => Ok(make(work, card)),
        None => work.find("payment_method", id, param),
    }
}

pub fn card_of(method: &Value) -> &'static TestCard {
    cards::by_number(method.text("_card")).unwrap_or(&cards::CARDS[0])
}

/// Gives the named payment method to a customer.
pub fn attach_named(work: &mut Work, id: &str, customer: &str) -> Result<Value, Refusal> {
    let method = find(work, id, "payment_method")?;
    if method.opt_text("customer") == Some(customer) {
        return Ok(method);
    }
    if method.opt_text("customer").is_some() {
        let message = "The payment method you provided has already been attached to a customer.";
        return Err(Refusal::invalid(message));
    }
    if let Behaviour::Declined(decline) = card_of(&method).behaviour {
        return Err(decline.refusal());
    }
    Ok(give(work, method.text("id"), customer))
}

/// Gives a payment method to a customer without asking its bank.
pub fn give(work: &mut Work, id: &str, customer: &str) -> Value {
    let method = work.set("payment_method", id, json!({ "customer": customer }));
    work.tell("payment_method.attached", &method);
    method
}

pub fn attach(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let customer = work.find("customer", request.params.required("customer")?, "customer")?;
    work.live_by(&customer);
    attach_named(work, &request.id, customer.text("id"))
}

pub fn detach(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = work.find("payment_method", &request.id, "payment_method")?;
    let Some(customer) = before.opt_text("customer").map(str::to_owned) else {
        return Err(Refusal::invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
        ));
    };
    let method = work.set("payment_method", &request.id, json!({ "customer": null }));
    let mut owner = work.known("customer", &customer);
    if owner.text("invoice_settings.default_payment_method") == request.id {
        owner["invoice_settings"]["default_payment_method"] = Value::Null;
        work.put("customer", owner);
    }
    work.tell("payment_method.detached", &method);
    Ok(method)
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("payment_method", &request.id, "payment_method")
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let mut method = work.find("payment_method", &request.id, "payment_method")?;
    method["metadata"] = request.params.metadata(method.at("metadata"));
    work.put("payment_method", method.clone());
    Ok(method)
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let customer = params.text("customer").map(str::to_owned);
    list_for(work, request, customer.as_deref(), "/v1/payment_methods")
}

/// `/v1/customers/{id}/payment_methods`.
pub fn list_of_customer(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("customer", &request.id, "customer")?;
    let url = format!("/v1/customers/{}/payment_methods", request.id);
    list_for(work, request, Some(&request.id), &url)
}

fn list_for(work: &Work, request: &Request, customer: Option<&str>, url: &str) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, "payment_method", url, |method| {
        Ok(method.opt_text("customer") == customer
            && params.text("type").is_none_or(|kind| method.text("type") == kind))
    })
}
