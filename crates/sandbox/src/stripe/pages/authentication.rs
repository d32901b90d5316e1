//! `/3ds/{payment_intent}`: the bank's question to the card's owner.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::super::control::by_a_person;
use super::super::fields::Fields;
use super::super::money::readable;
use super::super::payment_intents;
use super::super::sandbox::Stripe;
use super::{go_to, message, page, refused, sent};

#[derive(Template)]
#[template(path = "stripe/authentication.html")]
struct Authentication {
    question: String,
}

pub async fn show(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>) -> Response {
    let kind = if id.starts_with("seti_") { "setup_intent" } else { "payment_intent" };
    let found = stripe.work(by_a_person(), |work| work.find(kind, &id, "intent"));
    match found {
        Ok(intent) if intent.text("status") == "requires_action" => {
            let question = match kind {
                "setup_intent" => "keep this card for later payments".to_owned(),
                _ => format!("pay {}", readable(intent.whole("amount"), intent.text("currency"))),
            };
            page(StatusCode::OK, &Authentication { question })
        }
        Ok(_) => message(StatusCode::OK, "Nothing to confirm", "This payment does not wait for a confirmation."),
        Err(refusal) => refused(&refusal),
    }
}

pub async fn send(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>, body: String) -> Response {
    let confirms = sent(&body).text("answer") == Some("confirm");
    let done = stripe.work(by_a_person(), |work| {
        let intent = payment_intents::authenticate(work, &id, confirms)?;
        Ok(next_page(&intent))
    });
    if let Err(text) = stripe.save().await {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "Not saved", &text);
    }
    match done {
        Ok(Some(url)) => go_to(&url),
        Ok(None) => message(StatusCode::OK, "Done", "You may close this page."),
        Err(refusal) => refused(&refusal),
    }
}

/// Back to what the payment is for: a session that is complete leads on to the shop.
fn next_page(intent: &Value) -> Option<String> {
    if let Some(session) = intent.opt_text("_session") {
        return Some(format!("/checkout/{session}"));
    }
    intent.opt_text("_invoice").map(|invoice| format!("/invoice/{invoice}"))
}
