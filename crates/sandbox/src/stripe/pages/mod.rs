//! Pages that a person clicks through: checkout, portal, invoice, 3-D Secure. Rendered here, without scripts, in light
//! and dark, on a phone. What a person does is done by the same functions that tests call.

mod authentication;
mod checkout;
mod invoice;
mod pdf;
mod portal;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::cards::{CARDS, TestCard};
use super::control::by_a_person;
use super::fields::Fields;
use super::params::Params;
use super::refusal::Refusal;
use super::sandbox::Stripe;
use super::{form, money, periods};

/// A row of a table: what, more about it, how much.
pub struct Row {
    pub name: String,
    pub detail: String,
    pub amount: String,
}

impl Row {
    pub fn new(name: impl Into<String>, amount: impl Into<String>) -> Row {
        Row { name: name.into(), detail: String::new(), amount: amount.into() }
    }
}

#[derive(Template)]
#[template(path = "stripe/message.html")]
struct Message {
    title: String,
    text: String,
}

/// Every page.
pub fn routes() -> Router<Arc<Stripe>> {
    Router::new()
        .route("/checkout/{session}", get(checkout::show).post(checkout::send))
        .route("/portal/{session}", get(portal::show).post(portal::send))
        .route("/invoice/{id}", get(invoice::show).post(invoice::send))
        .route("/invoice/{id}/pdf", get(invoice::pdf))
        .route("/3ds/{intent}", get(authentication::show).post(authentication::send))
        .route("/receipt/{charge}", get(receipt))
        .route("/sandbox/style.css", get(style))
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../../templates/stripe/style.css"))
        .into_response()
}

/// `/receipt/{charge}`: that a charge was paid.
async fn receipt(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>) -> Response {
    match stripe.work(by_a_person(), |work| work.find("charge", &id, "charge")) {
        Ok(charge) => {
            let amount = money::readable(charge.whole("amount"), charge.text("currency"));
            let text = format!("{amount}, {}, on {}.", charge.text("status"), periods::day(charge.whole("created")));
            message(StatusCode::OK, "Receipt", &text)
        }
        Err(refusal) => refused(&refusal),
    }
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, &Message { title: title.to_owned(), text: text.to_owned() })
}

/// What is shown where a page cannot be.
fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    message(status, "This page cannot be shown", &refusal.message)
}

/// On to another address, by GET.
fn go_to(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(url) => (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response(),
        Err(_) => message(StatusCode::OK, "Done", "The address to go on to cannot be opened."),
    }
}

fn sent(body: &str) -> Params {
    Params::new(form::parse(body))
}

/// The card that was typed, or the test card that was chosen.
fn card(sent: &Params) -> Option<String> {
    sent.text("test_card").or(sent.text("card")).map(str::to_owned)
}

fn test_cards() -> Vec<&'static TestCard> {
    CARDS.iter().collect()
}
