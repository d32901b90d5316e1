//! `/checkout/{session}`: what is bought, and the card that pays for it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::super::cards::TestCard;
use super::super::checkout::paying::{self, Paid};
use super::super::control::by_a_person;
use super::super::fields::Fields;
use super::super::invoices::lines::unit_price;
use super::super::money::readable;
use super::super::periods::{DAY, day};
use super::super::refusal::Refusal;
use super::super::sandbox::Stripe;
use super::super::work::Work;
use super::{Row, card, go_to, message, page, refused, sent, test_cards};

#[derive(Template)]
#[template(path = "stripe/checkout.html")]
struct Checkout {
    lines: Vec<Row>,
    sums: Vec<Row>,
    due: String,
    trial: String,
    error: String,
    verb: String,
    code: String,
    wants_email: bool,
    takes_codes: bool,
    is_card_optional: bool,
    cards: Vec<&'static TestCard>,
    cancel_url: String,
}

pub async fn show(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>) -> Response {
    render(&stripe, &id, StatusCode::OK, "", "")
}

fn render(stripe: &Stripe, id: &str, status: StatusCode, error: &str, code: &str) -> Response {
    let viewed = stripe.work(by_a_person(), |work| view(work, id, error, code));
    match viewed {
        Ok((session, _)) if session.text("status") == "complete" => {
            go_to(&session.text("success_url").replace("{CHECKOUT_SESSION_ID}", id))
        }
        Ok((session, _)) if session.text("status") == "expired" => {
            message(StatusCode::OK, "This page has expired", "Go back to the shop and begin again.")
        }
        Ok((_, checkout)) => page(status, &checkout),
        Err(refusal) => refused(&refusal),
    }
}

fn view(work: &mut Work, id: &str, error: &str, code: &str) -> Result<(Value, Checkout), Refusal> {
    let session = work.find("checkout.session", id, "session")?;
    let customer = work.known("customer", session.text("customer"));
    work.live_by(&customer);
    let mut error = error.to_owned();
    let mut due = session.whole("amount_total");
    if session.text("status") == "open" {
        match paying::promotion(work, &session, Some(code)) {
            Ok(promotion) => due = paying::add_up(work, id, promotion.as_ref())?,
            Err(refusal) => {
                error = refusal.message;
                due = paying::add_up(work, id, None)?;
            }
        }
    }
    let session = work.known("checkout.session", id);
    let currency = session.text("currency");
    let total = |name: &str, path: &str| {
        (session.whole(path) != 0).then(|| Row::new(name, readable(session.whole(path), currency)))
    };
    let mut sums: Vec<Row> = total("Tax", "total_details.amount_tax").into_iter().collect();
    if let Some(discount) = total("Discount", "total_details.amount_discount") {
        sums.insert(0, Row { amount: format!("-{}", discount.amount), ..discount });
    }
    let trial = trial_text(&session, work.now);
    let checkout = Checkout {
        lines: session.list("_line_items").iter().map(|item| line(item, currency)).collect(),
        sums,
        due: readable(due, currency),
        verb: if due == 0 { "Start".to_owned() } else { format!("Pay {}", readable(due, currency)) },
        trial,
        error,
        code: code.to_owned(),
        wants_email: session["customer"].is_null() && session["customer_email"].is_null(),
        takes_codes: session.is("allow_promotion_codes"),
        is_card_optional: due == 0 && session.text("payment_method_collection") == "if_required",
        cards: test_cards(),
        cancel_url: session.text("cancel_url").to_owned(),
    };
    Ok((session, checkout))
}

fn line(item: &Value, currency: &str) -> Row {
    let price = &item["price"];
    let (_, unit) = unit_price(price, currency);
    let every = match (price.whole("recurring.interval_count"), price.text("recurring.interval")) {
        (_, "") => String::new(),
        (1, interval) => format!(" every {interval}"),
        (count, interval) => format!(" every {count} {interval}s"),
    };
    Row {
        name: item.text("description").to_owned(),
        detail: format!("{} × {unit}{every}", item.whole("quantity")),
        amount: readable(item.whole("amount_subtotal"), currency),
    }
}

fn trial_text(session: &Value, now: i64) -> String {
    let data = session.at("_subscription_data");
    let days = data.opt_whole("trial_period_days").filter(|days| *days > 0);
    match data.opt_whole("trial_end").or(days.map(|days| now + days * DAY)) {
        Some(end) => format!("Free until {}; then the price above.", day(end)),
        None => String::new(),
    }
}

pub async fn send(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>, body: String) -> Response {
    let sent = sent(&body);
    let code = sent.text("promotion_code").unwrap_or_default();
    if sent.text("action") == Some("code") {
        return render(&stripe, &id, StatusCode::OK, "", code);
    }
    let number = card(&sent).filter(|_| sent.text("action") != Some("without"));
    let paid =
        stripe.work(by_a_person(), |work| paying::pay(work, &id, number.as_deref(), Some(code), sent.text("email")));
    if let Err(message) = stripe.save().await {
        return super::message(StatusCode::INTERNAL_SERVER_ERROR, "Not saved", &message);
    }
    match paid {
        Ok(Paid::Complete { success_url }) => go_to(&success_url),
        Ok(Paid::RequiresAction { url }) => go_to(&url),
        Err(refusal) if refusal.status == 404 => refused(&refusal),
        Err(refusal) => render(&stripe, &id, StatusCode::PAYMENT_REQUIRED, &refusal.message, code),
    }
}
