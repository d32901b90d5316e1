//! `/portal/{session}`: a customer's plan, card and invoices.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::super::cards::TestCard;
use super::super::control::by_a_person;
use super::super::fields::Fields;
use super::super::invoices::lines::unit_price;
use super::super::money::readable;
use super::super::params::Params;
use super::super::periods::day;
use super::super::portal_actions::{self, Visit};
use super::super::refusal::Refusal;
use super::super::sandbox::Stripe;
use super::super::work::Work;
use super::{Row, card, go_to, message, page, refused, sent, test_cards};

#[derive(Template)]
#[template(path = "stripe/portal.html")]
struct Portal {
    error: String,
    change: Option<Change>,
    plans: Vec<Plan>,
    takes_cards: bool,
    card: String,
    cards: Vec<&'static TestCard>,
    shows_invoices: bool,
    invoices: Vec<Row>,
    return_url: String,
}

struct Plan {
    id: String,
    name: String,
    price: String,
    status: String,
    until: String,
    can_cancel: bool,
    can_resume: bool,
    choices: Vec<Row>,
}

struct Change {
    subscription: String,
    price: String,
    name: String,
    lines: Vec<Row>,
    when: String,
    due: String,
}

pub async fn show(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    render(&stripe, &id, StatusCode::OK, &sent(query.as_deref().unwrap_or_default()), "")
}

fn render(stripe: &Stripe, id: &str, status: StatusCode, query: &Params, error: &str) -> Response {
    match stripe.work(by_a_person(), |work| view(work, id, query, error)) {
        Ok(portal) => page(status, &portal),
        Err(refusal) => refused(&refusal),
    }
}

fn view(work: &mut Work, id: &str, query: &Params, error: &str) -> Result<Portal, Refusal> {
    let visit = portal_actions::enter(work, id)?;
    let subscriptions = visit.subscriptions(work);
    let mut error = error.to_owned();
    let change = match wanted_change(&visit, query) {
        None => None,
        Some((subscription, price)) => match previewed(work, id, &subscription, &price) {
            Ok(change) => Some(change),
            Err(refusal) => {
                error = refusal.message;
                None
            }
        },
    };
    let has = |feature: &str| visit.configuration.is(&format!("features.{feature}.enabled"));
    Ok(Portal {
        error,
        change,
        plans: subscriptions.iter().map(|subscription| plan(work, &visit, subscription)).collect(),
        takes_cards: has("payment_method_update"),
        card: present_card(work, &visit),
        cards: test_cards(),
        shows_invoices: has("invoice_history"),
        invoices: invoices(work, &visit),
        return_url: visit.session.text("return_url").to_owned(),
    })
}

/// The change that the address asks for, or that the session was opened for.
fn wanted_change(visit: &Visit, query: &Params) -> Option<(String, String)> {
    if let (Some(subscription), Some(price)) = (query.text("subscription"), query.text("price")) {
        return Some((subscription.to_owned(), price.to_owned()));
    }
    if query.is_given("done") {
        return None;
    }
    let flow = visit.session.at("flow.subscription_update_confirm");
    Some((flow.opt_text("subscription")?.to_owned(), flow.opt_text("items.0.price")?.to_owned()))
}

fn previewed(work: &mut Work, id: &str, subscription: &str, price: &str) -> Result<Change, Refusal> {
    let invoice = portal_actions::preview_change(work, id, subscription, price)?;
    let currency = invoice.text("currency");
    let row = |line: &Value| Row::new(line.text("description"), readable(line.whole("amount"), currency));
    let is_now = invoice.text("billing_reason") == "subscription_update";
    Ok(Change {
        subscription: subscription.to_owned(),
        price: price.to_owned(),
        name: name_of(work, &work.known("price", price), currency),
        lines: invoice.list("lines.data").iter().map(row).collect(),
        when: if is_now { "Due now".to_owned() } else { "On the next invoice".to_owned() },
        due: readable(invoice.whole("amount_due"), currency),
    })
}

fn name_of(work: &Work, price: &Value, currency: &str) -> String {
    let product = work.known("product", price.text("product"));
    let (_, unit) = unit_price(price, currency);
    format!("{}, {unit} / {}", product.text("name"), price.text("recurring.interval"))
}

fn plan(work: &Work, visit: &Visit, subscription: &Value) -> Plan {
    let price = &subscription["items"]["data"][0]["price"];
    let currency = subscription.text("currency");
    let (_, unit) = unit_price(price, currency);
    let end = day(subscription.whole("_period.end"));
    let is_ending = subscription.is("cancel_at_period_end");
    let choices = visit.choices(work);
    let others = choices.iter().filter(|choice| choice["id"] != price["id"]);
    Plan {
        id: subscription.text("id").to_owned(),
        name: work.known("product", price.text("product")).text("name").to_owned(),
        price: format!("{unit} / {}", price.text("recurring.interval")),
        status: subscription.text("status").replace('_', " "),
        until: if is_ending { format!("Ends on {end}.") } else { format!("Renews on {end}.") },
        can_cancel: !is_ending && visit.configuration.is("features.subscription_cancel.enabled"),
        can_resume: is_ending,
        choices: others.map(|choice| Row::new(name_of(work, choice, currency), choice.text("id"))).collect(),
    }
}

fn present_card(work: &Work, visit: &Visit) -> String {
    let method = work.known("payment_method", visit.customer.text("invoice_settings.default_payment_method"));
    let own = visit
        .subscriptions(work)
        .into_iter()
        .find_map(|subscription| work.get("payment_method", subscription.text("default_payment_method")).cloned());
    match own.unwrap_or(method) {
        Value::Null => "There is no card.".to_owned(),
        method => format!("{} ending in {}", method.text("card.brand"), method.text("card.last4")),
    }
}

fn invoices(work: &Work, visit: &Visit) -> Vec<Row> {
    let theirs = work.state.owned("invoice", visit.customer.text("id")).rev();
    let opened = theirs.filter(|invoice| invoice.text("status") != "draft");
    let row = |invoice: &Value| Row {
        name: format!("{} {} ({})", day(invoice.whole("created")), invoice.text("number"), invoice.text("status")),
        detail: format!("/invoice/{}", invoice.text("id")),
        amount: readable(invoice.whole("total"), invoice.text("currency")),
    };
    opened.map(row).collect()
}

pub async fn send(State(stripe): State<Arc<Stripe>>, Path(id): Path<String>, body: String) -> Response {
    let sent = sent(&body);
    let subscription = sent.text("subscription").unwrap_or_default();
    let done = stripe.work(by_a_person(), |work| match sent.text("action") {
        Some("change") => portal_actions::change(work, &id, subscription, sent.text("price").unwrap_or_default()),
        Some("cancel") => portal_actions::cancel(work, &id, subscription),
        Some("resume") => portal_actions::resume(work, &id, subscription),
        _ => portal_actions::use_card(work, &id, &card(&sent).unwrap_or_default()),
    });
    if let Err(text) = stripe.save().await {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "Not saved", &text);
    }
    match done {
        // The flow of the session is done: its question is not asked again.
        Ok(_) => go_to(&format!("/portal/{id}?done=1")),
        Err(refusal) => render(&stripe, &id, StatusCode::PAYMENT_REQUIRED, &Params::new(Value::Null), &refusal.message),
    }
}
