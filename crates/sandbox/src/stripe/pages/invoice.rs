//! `/invoice/{id}`: the hosted invoice, to be read, paid, and taken away as a PDF.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::super::cards::{self, TestCard};
use super::super::control::by_a_person;
use super::super::fields::Fields;
use super::super::invoices::paying::{self, Cause};
use super::super::money::readable;
use super::super::payment_intents::{self, Outcome, Owner};
use super::super::payment_methods;
use super::super::periods::day;
use super::super::refusal::Refusal;
use super::super::sandbox::Stripe;
use super::super::work::Work;
use super::{Row, card, go_to, message, page, refused, sent, test_cards};

#[derive(Template)]
#[template(path = "stripe/invoice.html")]
struct Invoice {
    number: String,
    status: String,
    error: String,
    lines: Vec<Row>,
    sums: Vec<Row>,
    due: String,
    can_pay: bool,
    cards: Vec<&'static TestCard>,
    pdf: String,
}

pub async fn show(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>) -> Response {
    render(&stripe, &id, StatusCode::OK, "")
}

fn render(stripe: &Stripe, id: &str, status: StatusCode, error: &str) -> Response {
    match stripe.work(by_a_person(), |work| work.find("invoice", id, "invoice")) {
        Ok(invoice) => page(status, &view(&invoice, error)),
        Err(refusal) => refused(&refusal),
    }
}

fn view(invoice: &Value, error: &str) -> Invoice {
    let currency = invoice.text("currency");
    let amount = |path: &str| readable(invoice.whole(path), currency);
    let mut sums = vec![Row::new("Subtotal", amount("subtotal"))];
    let sum = |path: &str| -> i64 { invoice.list(path).iter().map(|entry| entry.whole("amount")).sum() };
    let (discount, tax) = (sum("total_discount_amounts"), sum("total_taxes"));
    if discount != 0 {
        sums.push(Row::new("Discount", readable(-discount, currency)));
    }
    if tax != 0 {
        sums.push(Row::new("Tax", readable(tax, currency)));
    }
    sums.push(Row::new("Total", amount("total")));
    if invoice.whole("starting_balance") != 0 {
        sums.push(Row::new("Balance before", amount("starting_balance")));
    }
    Invoice {
        number: invoice.opt_text("number").unwrap_or("(draft)").to_owned(),
        status: format!("{}, of {}", invoice.text("status"), day(invoice.whole("created"))),
        error: error.to_owned(),
        lines: invoice.list("lines.data").iter().map(line).collect(),
        sums,
        due: amount("amount_remaining"),
        can_pay: invoice.text("status") == "open",
        cards: test_cards(),
        pdf: format!("/invoice/{}/pdf", invoice.text("id")),
    }
}

fn line(line: &Value) -> Row {
    Row {
        name: line.text("description").to_owned(),
        detail: format!("{} to {}", day(line.whole("period.start")), day(line.whole("period.end"))),
        amount: readable(line.whole("amount"), line.text("currency")),
    }
}

pub async fn send(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>, body: String) -> Response {
    let number = card(&sent(&body)).unwrap_or_default();
    let paid = stripe.work(by_a_person(), |work| pay(work, &id, &number));
    if let Err(text) = stripe.save().await {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "Not saved", &text);
    }
    match paid {
        Ok(None) => go_to(&format!("/invoice/{id}")),
        Ok(Some(url)) => go_to(&url),
        Err(refusal) => render(&stripe, &id, StatusCode::PAYMENT_REQUIRED, &refusal.message),
    }
}

/// Pays an open invoice with a test card. Gives the address of 3-D Secure where the owner must confirm.
pub fn pay(work: &mut Work, id: &str, number: &str) -> Result<Option<String>, Refusal> {
    let invoice = work.find("invoice", id, "invoice")?;
    let customer = work.known("customer", invoice.text("customer"));
    work.live_by(&customer);
    if invoice.text("status") != "open" {
        return Err(Refusal::invalid("This invoice is not open."));
    }
    let method = payment_methods::make(work, cards::by_number(number)?);
    let outcome = paying::collect(work, id, Some(method.clone()), Owner::Present, Cause::Request);
    let intent = work.known("payment_intent", invoice.text("_payment_intent"));
    payment_intents::keep_method(work, &intent, &method, outcome);
    match (outcome, payment_intents::refusal(work, intent.text("id"), outcome)) {
        (Outcome::RequiresAction, _) => Ok(Some(format!("{}/3ds/{}", work.public_url, intent.text("id")))),
        (_, Some(refusal)) => Err(refusal.keeping_work()),
        (_, None) => Ok(None),
    }
}

pub async fn pdf(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>) -> Response {
    let invoice = match stripe.work(by_a_person(), |work| work.find("invoice", &id, "invoice")) {
        Ok(invoice) => view(&invoice, ""),
        Err(refusal) => return refused(&refusal),
    };
    let mut text = vec![
        format!("Invoice {}", invoice.number),
        invoice.status,
        "Test document: no money moved.".to_owned(),
        String::new(),
    ];
    text.extend(invoice.lines.iter().chain(&invoice.sums).map(|row| format!("{}  {}", row.name, row.amount)));
    text.push(format!("Amount due  {}", invoice.due));
    ([(header::CONTENT_TYPE, "application/pdf")], super::pdf::write(&text)).into_response()
}
