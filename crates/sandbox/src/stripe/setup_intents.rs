//! Setup intents: a card is kept for later, and confirmed by its owner where it must be. `/v1/setup_intents`.

use serde_json::{Value, json};

use super::cards::Behaviour;
use super::fields::Fields;
use super::lists;
use super::payment_intents::AUTHENTICATION_FAILED;
use super::payment_methods::{self, card_of};
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let customer = match params.text("customer") {
        Some(id) => work.find("customer", id, "customer")?,
        None => Value::Null,
    };
    work.live_by(&customer);
    let usage = params.one_of("usage", &["off_session", "on_session"])?.unwrap_or("off_session");
    let intent = make(work, customer.opt_text("id"), None, usage);
    let mut intent = work.set("setup_intent", intent.text("id"), json!({ "metadata": params.metadata(&json!({})) }));
    if let Some(method) = params.text("payment_method") {
        let method = payment_methods::find(work, method, "payment_method")?;
        let fields = json!({ "payment_method": method["id"], "status": "requires_confirmation" });
        intent = work.set("setup_intent", intent.text("id"), fields);
        if params.flag("confirm")? == Some(true) {
            return attempt(work, intent.text("id"), &method);
        }
    }
    Ok(intent)
}

/// Puts a new intent that waits for a payment method.
pub fn make(work: &mut Work, customer: Option<&str>, session: Option<&str>, usage: &str) -> Value {
    let id = work.id("seti");
    let secret = work.id("secret");
    let intent = json!({
        "id": id,
        "object": "setup_intent",
        "application": null,
        "automatic_payment_methods": null,
        "cancellation_reason": null,
        "client_secret": format!("{id}_{secret}"),
        "created": work.now,
        "customer": customer,
        "customer_account": null,
        "description": null,
        "excluded_payment_method_types": null,
        "flow_directions": null,
        "last_setup_error": null,
        "latest_attempt": null,
        "livemode": false,
        "mandate": null,
        "metadata": {},
        "next_action": null,
        "on_behalf_of": null,
        "payment_method": null,
        "payment_method_configuration_details": null,
        "payment_method_options": { "card": { "mandate_options": null, "network": null, "request_three_d_secure": "automatic" } },
        "payment_method_types": ["card"],
        "single_use_mandate": null,
        "status": "requires_payment_method",
        "usage": usage,
        "_session": session,
    });
    work.put("setup_intent", intent.clone());
    work.tell("setup_intent.created", &intent);
    intent
}

/// Keeps a payment method, or asks its owner first.
pub fn attempt(work: &mut Work, id: &str, method: &Value) -> Result<Value, Refusal> {
    work.set("setup_intent", id, json!({ "payment_method": method["id"] }));
    match card_of(method).behaviour {
        Behaviour::Declined(decline) => {
            let refusal = decline.refusal();
            fail(work, id, &refusal);
            let intent = work.known("setup_intent", id);
            Err(refusal.with("setup_intent", intent).keeping_work())
        }
        Behaviour::NeedsAuthentication => {
            let url = format!("{}/3ds/{id}", work.public_url);
            let action = json!({ "type": "redirect_to_url", "redirect_to_url": { "url": url, "return_url": null } });
            let intent = work.set("setup_intent", id, json!({ "status": "requires_action", "next_action": action }));
            work.tell("setup_intent.requires_action", &intent);
            Ok(intent)
        }
        _ => Ok(succeed(work, id)),
    }
}

fn succeed(work: &mut Work, id: &str) -> Value {
    let fields = json!({ "status": "succeeded", "next_action": null, "last_setup_error": null });
    let intent = work.set("setup_intent", id, fields);
    let method = work.known("payment_method", intent.text("payment_method"));
    if let (Some(customer), None) = (intent.opt_text("customer"), method.opt_text("customer")) {
        payment_methods::give(work, method.text("id"), customer);
    }
    work.tell("setup_intent.succeeded", &intent);
    intent
}

fn fail(work: &mut Work, id: &str, refusal: &Refusal) {
    let error = refusal.body()["error"].take();
    let fields = json!({
        "status": "requires_payment_method", "payment_method": null, "next_action": null, "last_setup_error": error,
    });
    let intent = work.set("setup_intent", id, fields);
    work.tell("setup_intent.setup_failed", &intent);
}

/// The owner's answer on the page at `/3ds/{intent}`.
pub fn authenticate(work: &mut Work, id: &str, is_confirmed: bool) -> Result<Value, Refusal> {
    let intent = work.find("setup_intent", id, "setup_intent")?;
    if intent.text("status") != "requires_action" {
        return Err(Refusal::invalid("This card does not wait for a confirmation."));
    }
    let customer = work.known("customer", intent.text("customer"));
    work.live_by(&customer);
    if !is_confirmed {
        fail(work, id, &AUTHENTICATION_FAILED.refusal());
        return Ok(work.known("setup_intent", id));
    }
    if work.known("payment_method", intent.text("payment_method")).text("_card") == "4000002500003155" {
        work.set("payment_method", intent.text("payment_method"), json!({ "_is_set_up": true }));
    }
    let intent = succeed(work, id);
    if let Some(session) = intent.opt_text("_session") {
        super::checkout::paying::is_set_up(work, session)?;
    }
    Ok(intent)
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("setup_intent", &request.id, "intent")
}

pub fn confirm(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let intent = work.find("setup_intent", &request.id, "intent")?;
    let status = intent.text("status");
    if !["requires_payment_method", "requires_confirmation", "requires_action"].contains(&status) {
        let message = format!("You cannot confirm this SetupIntent because it has a status of {status}.");
        return Err(Refusal::invalid(message).code("setup_intent_unexpected_state"));
    }
    let customer = work.known("customer", intent.text("customer"));
    work.live_by(&customer);
    let named = request.params.text("payment_method").or(intent.opt_text("payment_method"));
    let method =
        payment_methods::find(work, named.ok_or_else(|| Refusal::missing("payment_method"))?, "payment_method")?;
    attempt(work, &request.id, &method)
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, "setup_intent", "/v1/setup_intents", |intent| {
        Ok(params.text("customer").is_none_or(|customer| intent.text("customer") == customer)
            && params.is_within("created", intent.whole("created"))?)
    })
}
