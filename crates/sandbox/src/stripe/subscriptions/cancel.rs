//! A subscription ends: `DELETE /v1/subscriptions/{id}`, at the end of its period, or for want of payment.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::invoice_items;
use super::super::invoices::{drafts, finalizing, paying};
use super::super::payment_intents::Owner;
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::super::work::Work;
use super::proration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Requested,
    PaymentFailed,
}

pub fn has_ended(subscription: &Value) -> bool {
    ["canceled", "incomplete_expired"].contains(&subscription.text("status"))
}

/// Ends it now. Open invoices of it are no longer collected by themselves.
pub fn end(work: &mut Work, id: &str, reason: Reason) {
    let mut subscription = work.known("subscription", id);
    if has_ended(&subscription) || subscription.is_null() {
        return;
    }
    let said = match reason {
        Reason::Requested => "cancellation_requested",
        Reason::PaymentFailed => "payment_failed",
    };
    if subscription["canceled_at"].is_null() || reason == Reason::PaymentFailed {
        subscription["canceled_at"] = json!(work.now);
    }
    if subscription["cancellation_details"]["reason"].is_null() || reason == Reason::PaymentFailed {
        subscription["cancellation_details"]["reason"] = json!(said);
    }
    subscription["status"] = json!("canceled");
    subscription["ended_at"] = json!(work.now);
    subscription["pending_update"] = Value::Null;
    work.put("subscription", subscription.clone());
    stop_collecting(work, &subscription);
    work.tell("customer.subscription.deleted", &subscription);
}

fn stop_collecting(work: &mut Work, subscription: &Value) {
    let path = "parent.subscription_details.subscription";
    let of_it = |invoice: &&Value| {
        invoice.text(path) == subscription.text("id")
            && ["draft", "open"].contains(&invoice.text("status"))
            && invoice.is("auto_advance")
    };
    let open: Vec<Value> = work.state.owned("invoice", subscription.text("customer")).filter(of_it).cloned().collect();
    for invoice in open {
        let fields = json!({ "auto_advance": false, "next_payment_attempt": null, "automatically_finalizes_at": null });
        work.set("invoice", invoice.text("id"), fields);
    }
}

/// An incomplete one whose first invoice was not paid in time.
pub fn expire_incomplete(work: &mut Work, id: &str) {
    let before = work.known("subscription", id);
    if before.text("status") != "incomplete" {
        return;
    }
    let fields = json!({ "status": "incomplete_expired", "ended_at": work.now });
    let after = work.set("subscription", id, fields);
    paying::close(work, after.text("latest_invoice"), "void", "invoice.voided");
    work.tell_change("customer.subscription.updated", &before, &after);
}

pub fn request(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let mut subscription = work.find("subscription", &request.id, "id")?;
    let customer = work.known("customer", subscription.text("customer"));
    work.live_by(&customer);
    if has_ended(&subscription) {
        return Err(Refusal::no_such("subscription", &request.id, "id"));
    }
    for name in ["comment", "feedback"] {
        if let Some(text) = params.text(&format!("cancellation_details.{name}")) {
            subscription["cancellation_details"][name] = json!(text);
        }
    }
    subscription["canceled_at"] = json!(work.now);
    work.put("subscription", subscription.clone());
    if params.flag("prorate")? == Some(true) && subscription.text("status") == "active" {
        for item in proration::credits(work, &subscription, work.now) {
            invoice_items::put(work, item);
        }
    }
    let bills = params.flag("invoice_now")? == Some(true);
    if subscription.text("status") == "incomplete" {
        paying::close(work, subscription.text("latest_invoice"), "void", "invoice.voided");
    }
    end(work, &request.id, Reason::Requested);
    if bills {
        bill_what_is_left(work, &request.id, true);
    }
    Ok(work.known("subscription", &request.id))
}

/// The closing invoice: pending items and what was metered. Without `at_once` it is collected an hour later.
pub fn bill_what_is_left(work: &mut Work, id: &str, at_once: bool) {
    let subscription = work.known("subscription", id);
    let customer = work.known("customer", subscription.text("customer"));
    let mut lines = super::cycle::usage_lines(work, &subscription);
    lines.extend(invoice_items::take_pending(work, &subscription));
    if lines.is_empty() {
        return;
    }
    let draft = drafts::Draft {
        customer: &customer,
        subscription: &subscription,
        reason: if at_once { "manual" } else { "subscription_cycle" },
        currency: subscription.text("currency"),
        period: super::items::period(&subscription),
        lines,
        discounts: Vec::new(),
        has_automatic_tax: subscription.is("automatic_tax.enabled"),
    };
    let invoice = drafts::make(work, draft);
    let invoice = invoice.text("id");
    invoice_items::now_on(work, invoice);
    if !at_once {
        super::cycle::finalize_in_an_hour(work, invoice);
    } else if finalizing::finalize(work, invoice, None).text("status") == "open" {
        paying::collect(work, invoice, None, Owner::Away, paying::Cause::Request);
    }
}
