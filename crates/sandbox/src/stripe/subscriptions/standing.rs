//! How a subscription stands, by its invoices: incomplete, active, past due, unpaid, canceled.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::state::AfterRetries;
use super::super::work::Work;
use super::{cancel, change, cycle};

fn subscription_of(work: &Work, invoice: &Value) -> Option<Value> {
    let id = invoice.opt_text("parent.subscription_details.subscription")?;
    work.get("subscription", id).cloned()
}

/// Sets the status, and tells of it unless the subscription is only being made.
fn stand(work: &mut Work, before: &Value, status: &str) -> Value {
    let after = work.set("subscription", before.text("id"), json!({ "status": status }));
    work.tell_change("customer.subscription.updated", before, &after);
    after
}

fn is_new(work: &Work, subscription: &Value) -> bool {
    // Nothing is told of a subscription before its creation is.
    let mut told = work.state.owned("event", subscription.text("id"));
    !told.any(|event| event.text("type") == "customer.subscription.created")
}

/// What paid becomes the default, where that was asked for.
fn save_method(work: &mut Work, invoice: &Value, before: &Value) {
    let intent = work.known("payment_intent", invoice.text("_payment_intent"));
    let saves = before.text("payment_settings.save_default_payment_method") == "on_subscription";
    if let (true, Some(method)) = (saves, intent.opt_text("payment_method")) {
        let after = work.set("subscription", before.text("id"), json!({ "default_payment_method": method }));
        if !is_new(work, before) {
            work.tell_change("customer.subscription.updated", before, &after);
        }
    }
}

pub fn invoice_is_paid(work: &mut Work, invoice: &Value) {
    let Some(before) = subscription_of(work, invoice) else { return };
    save_method(work, invoice, &before);
    let before = work.known("subscription", before.text("id"));
    if before.text("_pending_invoice") == invoice.text("id") {
        change::apply_pending(work, &before);
        return;
    }
    let is_latest = before.text("latest_invoice") == invoice.text("id");
    match before.text("status") {
        "incomplete" if is_new(work, &before) => {
            work.set("subscription", before.text("id"), json!({ "status": "active" }));
        }
        "incomplete" => drop(stand(work, &before, "active")),
        "past_due" | "unpaid" if is_latest => drop(stand(work, &before, "active")),
        "paused" if before.text("_resume_invoice") == invoice.text("id") => cycle::has_resumed(work, &before),
        _ => {}
    }
}

/// A delayed method pays: the subscription is active meanwhile.
pub fn payment_is_processing(work: &mut Work, invoice: &str) {
    let invoice = work.known("invoice", invoice);
    let Some(before) = subscription_of(work, &invoice) else { return };
    if before.text("status") == "incomplete" {
        match is_new(work, &before) {
            true => drop(work.set("subscription", before.text("id"), json!({ "status": "active" }))),
            false => drop(stand(work, &before, "active")),
        }
    }
}

pub fn invoice_has_failed(work: &mut Work, invoice: &Value, is_exhausted: bool) {
    let Some(before) = subscription_of(work, invoice) else { return };
    if before.text("_pending_invoice") == invoice.text("id") {
        return;
    }
    let mut subscription = before.clone();
    if ["active", "trialing"].contains(&before.text("status")) && before.text("latest_invoice") == invoice.text("id") {
        subscription = stand(work, &before, "past_due");
    }
    if !is_exhausted || cancel::has_ended(&subscription) || subscription.text("status") != "past_due" {
        return;
    }
    match work.state.after_retries {
        AfterRetries::Cancel => cancel::end(work, subscription.text("id"), cancel::Reason::PaymentFailed),
        AfterRetries::Unpaid => drop(stand(work, &subscription, "unpaid")),
        AfterRetries::PastDue => {}
    }
}
