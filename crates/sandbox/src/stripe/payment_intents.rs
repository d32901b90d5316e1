//! Payment intents: one attempt after another to be paid an amount. `/v1/payment_intents`.
//!
//! [`attempt`] charges a payment method; what follows for the invoice or the session that wants the money is theirs, see
//! [`settled`].

use serde_json::{Value, json};

use super::cards::{self, Behaviour, Decline};
use super::charges;
use super::checkout;
use super::fields::Fields;
use super::invoices::paying;
use super::lists;
use super::payment_methods::{self, card_of};
use super::periods::DAY;
use super::refusal::Refusal;
use super::request::Request;
use super::setup_intents;
use super::state::Task;
use super::work::Work;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Declined(Decline),
    RequiresAction,
    /// A delayed method: it is known later.
    Processing,
}

/// Whether the card's owner is there to confirm a charge, or has just done so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Away,
    Present,
    HasConfirmed,
}

const AUTHENTICATION_REQUIRED: Decline = Decline {
    code: "authentication_required",
    decline_code: "authentication_required",
    message: "Your card was declined. This transaction requires authentication.",
};
pub const AUTHENTICATION_FAILED: Decline = Decline {
    code: "payment_intent_authentication_failure",
    decline_code: "generic_decline",
    message: "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
};
pub const ACCOUNT_CLOSED: Decline = Decline {
    code: "payment_method_microdeposit_failed",
    decline_code: "generic_decline",
    message: "The customer's bank account has been closed.",
};

/// What a new intent is for.
pub struct Purpose<'a> {
    pub amount: i64,
    pub currency: &'a str,
    pub customer: Option<&'a str>,
    pub description: &'a str,
    pub invoice: Option<&'a str>,
    pub session: Option<&'a str>,
    pub metadata: Value,
}

/// Puts a new intent that waits for a payment method.
pub fn make(work: &mut Work, purpose: &Purpose) -> Value {
    let id = work.id("pi");
    let secret = work.id("secret");
    let intent = json!({
        "id": id,
        "object": "payment_intent",
        "amount": purpose.amount,
        "amount_capturable": 0,
        "amount_details": { "tip": {} },
        "amount_received": 0,
        "application": null,
        "application_fee_amount": null,
        "automatic_payment_methods": null,
        "canceled_at": null,
        "cancellation_reason": null,
        "capture_method": "automatic",
        "client_secret": format!("{id}_{secret}"),
        "confirmation_method": "automatic",
        "created": work.now,
        "currency": purpose.currency,
        "customer": purpose.customer,
        "customer_account": null,
        "description": purpose.description,
        "excluded_payment_method_types": null,
        "last_payment_error": null,
        "latest_charge": null,
        "livemode": false,
        "managed_payments": null,
        "metadata": purpose.metadata,
        "next_action": null,
        "on_behalf_of": null,
        "payment_method": null,
        "payment_method_configuration_details": null,
        "payment_method_options": { "card": { "installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic" } },
        "payment_method_types": ["card"],
        "processing": null,
        "receipt_email": null,
        "review": null,
        "setup_future_usage": null,
        "shipping": null,
        "source": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": "requires_payment_method",
        "transfer_data": null,
        "transfer_group": null,
        "_invoice": purpose.invoice,
        "_session": purpose.session,
    });
    work.put("payment_intent", intent.clone());
    work.tell("payment_intent.created", &intent);
    intent
}

/// Charges a payment method. The intent, its charge and their events are told; who wants the money is not.
pub fn attempt(work: &mut Work, intent: &str, method: &Value, owner: Owner) -> Outcome {
    let card = card_of(method);
    work.set("payment_intent", intent, json!({ "payment_method": method["id"] }));
    match card.behaviour {
        Behaviour::Works => succeed(work, intent, method),
        Behaviour::Disputed => {
            let outcome = succeed(work, intent, method);
            charges::dispute_latest(work, intent);
            outcome
        }
        Behaviour::Declined(decline) => decline_with(work, intent, method, decline),
        Behaviour::FailsOnCharge => decline_with(work, intent, method, cards::GENERIC),
        Behaviour::NeedsAuthentication if owner == Owner::HasConfirmed || method.is("_is_set_up") => {
            // One card need not be confirmed again once it was; the other each time.
            if card.number == "4000002500003155" {
                work.set("payment_method", method.text("id"), json!({ "_is_set_up": true }));
            }
            succeed(work, intent, method)
        }
        Behaviour::NeedsAuthentication => require_action(work, intent),
        Behaviour::Delayed { .. } => process(work, intent),
    }
}

pub fn succeed(work: &mut Work, intent: &str, method: &Value) -> Outcome {
    let charge = charges::make(work, intent, method, None);
    let amount = charge.whole("amount");
    let intent = work.set(
        "payment_intent",
        intent,
        json!({
            "status": "succeeded", "amount_received": amount, "latest_charge": charge["id"],
            "last_payment_error": null, "next_action": null, "processing": null,
        }),
    );
    work.tell("charge.succeeded", &charge);
    work.tell("payment_intent.succeeded", &intent);
    Outcome::Succeeded
}

pub fn decline_with(work: &mut Work, intent: &str, method: &Value, decline: Decline) -> Outcome {
    let charge = charges::make(work, intent, method, Some(decline));
    let mut error = decline.refusal().body()["error"].take();
    error["charge"] = charge["id"].clone();
    error["payment_method"] = method.clone();
    let intent = work.set(
        "payment_intent",
        intent,
        json!({
            "status": "requires_payment_method", "payment_method": null, "latest_charge": charge["id"],
            "last_payment_error": error, "next_action": null, "processing": null,
        }),
    );
    work.tell("charge.failed", &charge);
    work.tell("payment_intent.payment_failed", &intent);
    Outcome::Declined(decline)
}

fn require_action(work: &mut Work, intent: &str) -> Outcome {
    let url = format!("{}/3ds/{intent}", work.public_url);
    let intent = work.set(
        "payment_intent",
        intent,
        json!({
            "status": "requires_action",
            "next_action": { "type": "redirect_to_url", "redirect_to_url": { "url": url, "return_url": null } },
        }),
    );
    work.tell("payment_intent.requires_action", &intent);
    Outcome::RequiresAction
}

fn process(work: &mut Work, intent: &str) -> Outcome {
    let id = intent.to_owned();
    let fields = json!({ "status": "processing", "payment_method_types": ["us_bank_account"] });
    let intent = work.set("payment_intent", intent, fields);
    work.tell("payment_intent.processing", &intent);
    work.remind(work.now + DAY, Task::SettlePayment, &id);
    Outcome::Processing
}

/// A delayed payment becomes known.
pub fn settle_delayed(work: &mut Work, id: &str) {
    let intent = work.known("payment_intent", id);
    if intent.text("status") != "processing" {
        return;
    }
    let method = work.known("payment_method", intent.text("payment_method"));
    let outcome = match card_of(&method).behaviour {
        Behaviour::Delayed { succeeds: false } => decline_with(work, id, &method, ACCOUNT_CLOSED),
        _ => succeed(work, id, &method),
    };
    settled(work, id, outcome);
}

/// Tells whoever wants the money how an attempt ended that they did not begin themselves.
pub fn settled(work: &mut Work, id: &str, outcome: Outcome) {
    let intent = work.known("payment_intent", id);
    if let Some(invoice) = intent.opt_text("_invoice") {
        paying::settled(work, invoice, outcome);
    }
    if let Some(session) = intent.opt_text("_session") {
        checkout::paying::settled(work, session, outcome);
    }
}

/// The error that an attempt ends in, with the intent as it is now.
pub fn refusal(work: &Work, intent: &str, outcome: Outcome) -> Option<Refusal> {
    let refusal = match outcome {
        Outcome::Succeeded | Outcome::Processing => return None,
        Outcome::Declined(decline) => decline.refusal(),
        Outcome::RequiresAction => AUTHENTICATION_REQUIRED.refusal(),
    };
    let intent = work.known("payment_intent", intent);
    let charge = intent["latest_charge"].clone();
    let refusal = refusal.with("payment_intent", intent);
    Some(if charge.is_null() { refusal } else { refusal.with("charge", charge) })
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let intent = work.find("payment_intent", &request.id, "intent")?;
    if request.params.text("client_secret").is_some_and(|secret| secret != intent.text("client_secret")) {
        return Err(Refusal::invalid(
            "The client_secret provided does not match the client_secret of the PaymentIntent.",
        ));
    }
    Ok(intent)
}

/// What the payment elements do in a browser: the customer chooses a payment method and is there.
pub fn confirm(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let intent = read(work, request)?;
    let status = intent.text("status");
    if !["requires_payment_method", "requires_confirmation", "requires_action"].contains(&status) {
        let message = format!("You cannot confirm this PaymentIntent because it has a status of {status}.");
        return Err(Refusal::invalid(message).code("payment_intent_unexpected_state"));
    }
    if let Some(customer) = intent.opt_text("customer") {
        let customer = work.known("customer", customer);
        work.live_by(&customer);
    }
    let method = match request.params.text("payment_method").or(intent.opt_text("payment_method")) {
        Some(method) => payment_methods::find(work, method, "payment_method")?,
        None => {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method.";
            return Err(Refusal::invalid(message).code("payment_intent_unexpected_state"));
        }
    };
    let owner = if request.params.flag("off_session")? == Some(true) { Owner::Away } else { Owner::Present };
    let outcome = attempt(work, &request.id, &method, owner);
    keep_method(work, &intent, &method, outcome);
    settled(work, &request.id, outcome);
    match (outcome, refusal(work, &request.id, outcome)) {
        (Outcome::Declined(_), Some(refusal)) => Err(refusal.keeping_work()),
        _ => Ok(work.known("payment_intent", &request.id)),
    }
}

/// A method that paid for a subscription is its customer's from then on.
pub fn keep_method(work: &mut Work, intent: &Value, method: &Value, outcome: Outcome) {
    let (Some(customer), None) = (intent.opt_text("customer"), method.opt_text("customer")) else { return };
    if intent.opt_text("_invoice").is_some() && !matches!(outcome, Outcome::Declined(_)) {
        payment_methods::give(work, method.text("id"), customer);
    }
}

/// The owner answers the question that the page at `/3ds/{intent}` asks.
pub fn authenticate(work: &mut Work, id: &str, is_confirmed: bool) -> Result<Value, Refusal> {
    if id.starts_with("seti_") {
        return setup_intents::authenticate(work, id, is_confirmed);
    }
    let intent = work.find("payment_intent", id, "payment_intent")?;
    if intent.text("status") != "requires_action" {
        return Err(Refusal::invalid("This payment does not wait for a confirmation."));
    }
    if let Some(customer) = intent.opt_text("customer") {
        let customer = work.known("customer", customer);
        work.live_by(&customer);
    }
    let method = work.known("payment_method", intent.text("payment_method"));
    let outcome = match is_confirmed {
        true => attempt(work, id, &method, Owner::HasConfirmed),
        false => decline_with(work, id, &method, AUTHENTICATION_FAILED),
    };
    settled(work, id, outcome);
    Ok(work.known("payment_intent", id))
}

/// An intent that is no longer wanted.
pub fn cancel(work: &mut Work, id: &str, reason: &str) {
    let intent = work.known("payment_intent", id);
    if ["succeeded", "canceled"].contains(&intent.text("status")) || intent.is_null() {
        return;
    }
    let fields =
        json!({ "status": "canceled", "canceled_at": work.now, "cancellation_reason": reason, "next_action": null });
    let intent = work.set("payment_intent", id, fields);
    work.tell("payment_intent.canceled", &intent);
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, "payment_intent", "/v1/payment_intents", |intent| {
        Ok(params.text("customer").is_none_or(|customer| intent.text("customer") == customer)
            && params.is_within("created", intent.whole("created"))?)
    })
}
