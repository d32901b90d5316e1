//! What an invoice would be: `POST /v1/invoices/create_preview`, and the one that a week's notice tells of.
//!
//! The change is really carried out, the invoice read, and all of it undone; so that what is previewed is what comes.

use serde_json::{Value, json};

use super::super::discounts;
use super::super::fields::Fields;
use super::super::invoice_items;
use super::super::params::Params;
use super::super::payment_intents::Owner;
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::super::subscriptions::start::{FirstPayment, Start};
use super::super::subscriptions::{change, cycle, items, settings, start, update};
use super::super::work::Work;
use super::drafts;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let mark = work.mark();
    let preview = preview(work, &request.params);
    work.undo_since(mark);
    let mut preview = preview?;
    let id = format!("upcoming_{}", work.id("in"));
    preview["id"] = json!(id);
    for line in preview["lines"]["data"].as_array_mut().expect("an invoice has lines") {
        line["invoice"] = json!(id);
    }
    Ok(preview)
}

fn preview(work: &mut Work, params: &Params) -> Result<Value, Refusal> {
    let Some(subscription) = params.text("subscription") else { return without_subscription(work, params) };
    let mut before = work.find("subscription", subscription, "subscription")?;
    if params.text("customer").is_some_and(|customer| customer != before.text("customer")) {
        return Err(Refusal::no_such("subscription", subscription, "subscription"));
    }
    let customer = work.known("customer", before.text("customer"));
    work.live_by(&customer);
    if let Some(enabled) = params.flag("automatic_tax.enabled")? {
        before["automatic_tax"]["enabled"] = json!(enabled);
    }
    if params.is_given("discounts") {
        let named = discounts::named(work, params, customer.text("id"))?;
        before["discounts"] = named.iter().map(|discount| discount["id"].clone()).collect();
    }
    work.put("subscription", before.clone());
    let details = params.below("subscription_details");
    if let Some(date) = details.moment("proration_date")?.filter(|date| *date > work.now) {
        // A preview for later is what the change would be then.
        work.now = date;
    }
    let change = update::wanted_change(work, &details, &before)?;
    if details.flag("cancel_now")? == Some(true) {
        return Ok(of_cancellation(work, &before, &details));
    }
    match change {
        Some(change) => match change::carry_out(work, &before, &change) {
            Some(invoice) => Ok(invoice),
            None => Ok(next(work, &work.known("subscription", subscription))),
        },
        None if ends_at_period_end(&before, &details)? => {
            let message = format!("No upcoming invoices for customer: {}", before.text("customer"));
            let refusal = Refusal::invalid(message).code("invoice_upcoming_none");
            Err(Refusal { status: 404, ..refusal })
        }
        None => Ok(next(work, &before)),
    }
}

fn ends_at_period_end(subscription: &Value, details: &Params) -> Result<bool, Refusal> {
    let ends = subscription.opt_whole("cancel_at").is_some_and(|at| at <= items::period(subscription).1);
    Ok(details.flag("cancel_at_period_end")?.unwrap_or(ends)
        || super::super::subscriptions::cancel::has_ended(subscription))
}

fn of_cancellation(work: &mut Work, before: &Value, details: &Params) -> Value {
    if details.text("proration_behavior") != Some("none") && before.text("status") != "trialing" {
        for credit in super::super::subscriptions::proration::credits(work, before, work.now) {
            invoice_items::put(work, credit);
        }
    }
    let lines = invoice_items::take_pending(work, before);
    let customer = work.known("customer", before.text("customer"));
    assembled(work, &customer, before, "upcoming", items::period(before), lines)
}

/// The invoice that the next renewal would bring.
fn next(work: &mut Work, subscription: &Value) -> Value {
    let (start, end) = items::period(subscription);
    let mut then = subscription.clone();
    let usage = cycle::usage_lines(work, subscription);
    work.now = end;
    let following = items::interval(&then).next_boundary(then.whole("billing_cycle_anchor"), end);
    items::set_period(&mut then, (end, following));
    then["status"] = json!("active");
    let mut lines = invoice_items::take_pending(work, &then);
    lines.extend(cycle::period_lines(work, &then));
    lines.extend(usage);
    let customer = work.known("customer", subscription.text("customer"));
    let mut invoice = assembled(work, &customer, &then, "upcoming", (start, end), lines);
    invoice["next_payment_attempt"] = json!(end + 3600);
    invoice
}

fn assembled(
    work: &mut Work,
    customer: &Value,
    subscription: &Value,
    reason: &str,
    period: (i64, i64),
    lines: Vec<Value>,
) -> Value {
    let draft = drafts::Draft {
        customer,
        subscription,
        reason,
        currency: subscription.text("currency"),
        period,
        lines,
        discounts: discounts::of_subscription(work, subscription, work.now),
        has_automatic_tax: subscription.is("automatic_tax.enabled"),
    };
    drafts::assemble(work, draft)
}

/// The next invoice, for those who are told of it a week before. It has no id.
pub fn upcoming(work: &mut Work, subscription: &Value) -> Value {
    let (mark, now) = (work.mark(), work.now);
    let invoice = next(work, subscription);
    work.undo_since(mark);
    work.now = now;
    invoice
}

/// A subscription that is yet to be made.
fn without_subscription(work: &mut Work, params: &Params) -> Result<Value, Refusal> {
    let customer = match params.text("customer") {
        Some(id) => work.find("customer", id, "customer")?,
        None => json!({ "tax_exempt": "none", "balance": 0, "id": null }),
    };
    work.live_by(&customer);
    let details = params.below("subscription_details");
    let wanted = items::wanted(work, &details)?;
    let Some(first) = wanted.first() else {
        return Err(Refusal::invalid("You must specify a subscription, or subscription_details[items].")
            .code("invoice_upcoming_none"));
    };
    let currency = params.text("currency").unwrap_or(first.price.text("currency")).to_lowercase();
    let named = discounts::named(work, params, customer.text("id"))?;
    let plan = Start {
        customer: customer.clone(),
        items: wanted,
        currency,
        metadata: details.metadata(&json!({})),
        description: None,
        trial_end: settings::trial_end(work, &details)?,
        missing_payment_method: "create_invoice".to_owned(),
        default_payment_method: None,
        has_automatic_tax: params.flag("automatic_tax.enabled")?.unwrap_or(false),
        discounts: named,
        billing_cycle_anchor: None,
        prorates: true,
        cancel_at: None,
        cancel_at_period_end: false,
        collection_method: "charge_automatically".to_owned(),
        days_until_due: None,
        saves_method: false,
        billing_mode: "flexible".to_owned(),
        payment: FirstPayment::Default,
        owner: Owner::Present,
        extra_lines: Vec::new(),
        intent: None,
    };
    Ok(first_invoice(work, &plan))
}

/// The first invoice of a subscription that is yet to be made.
pub fn first_invoice(work: &mut Work, plan: &Start) -> Value {
    let subscription = start::blank(work, plan);
    let mut lines = start::first_lines(work, plan, &subscription);
    lines.extend(plan.extra_lines.iter().cloned());
    let draft = drafts::Draft {
        customer: &plan.customer,
        subscription: &subscription,
        reason: "upcoming",
        currency: &plan.currency,
        period: (work.now, work.now),
        lines,
        discounts: plan.discounts.clone(),
        has_automatic_tax: plan.has_automatic_tax,
    };
    let mut invoice = drafts::assemble(work, draft);
    invoice["parent"]["subscription_details"]["subscription"] = Value::Null;
    invoice
}
