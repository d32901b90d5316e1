//! A draft becomes an open invoice: it gets its number, its addresses and what is due. Nothing due: it is paid.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::invoice_items;
use super::super::payment_intents::{self, Purpose};
use super::super::periods::DAY;
use super::super::work::Work;
use super::{drafts, lines, paying, payments};

/// Finalizes a draft. `intent`: a payment that has begun already and pays this invoice.
pub fn finalize(work: &mut Work, id: &str, intent: Option<&str>) -> Value {
    count_usage(work, id);
    let before = work.known("invoice", id);
    let mut invoice = before.clone();
    let customer_before = work.known("customer", invoice.text("customer"));
    let mut customer = customer_before.clone();
    let balance = drafts::apply_balance(&mut invoice, &customer);
    let sequence = customer.whole("next_invoice_sequence");
    let number = format!("{}-{sequence:04}", customer.text("invoice_prefix"));
    customer["next_invoice_sequence"] = json!(sequence + 1);
    customer["balance"] = json!(balance);
    if customer["currency"].is_null() {
        customer["currency"] = invoice["currency"].clone();
    }
    work.put("customer", customer.clone());
    if customer["balance"] != customer_before["balance"] {
        work.tell_change("customer.updated", &customer_before, &customer);
    }
    let url = work.public_url;
    let is_sent = invoice.text("collection_method") == "send_invoice";
    let due_days = invoice.opt_whole("_days_until_due").unwrap_or(30);
    let fields = json!({
        "status": "open",
        "number": invoice.opt_text("number").unwrap_or(&number),
        "ending_balance": balance,
        "effective_at": work.now,
        "automatically_finalizes_at": null,
        "next_payment_attempt": null,
        "hosted_invoice_url": format!("{url}/invoice/{id}"),
        "invoice_pdf": format!("{url}/invoice/{id}/pdf"),
        "due_date": is_sent.then_some(work.now + due_days * DAY),
        "webhooks_delivered_at": work.now,
    });
    super::super::work::merge(&mut invoice, fields);
    invoice["status_transitions"]["finalized_at"] = json!(work.now);
    work.put("invoice", invoice.clone());
    if invoice.whole("amount_due") > 0 {
        want_payment(work, &invoice, intent);
    }
    let invoice = work.known("invoice", id);
    work.tell("invoice.finalized", &invoice);
    if invoice.whole("amount_due") == 0 {
        paying::mark_paid(work, id);
    }
    work.known("invoice", id)
}

/// docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period: an invoice that is finalized shows the latest
/// quantities of its period.
fn count_usage(work: &mut Work, id: &str) {
    let before = work.known("invoice", id);
    let mut after = before.clone();
    if lines::count_usage_again(work, &mut after) {
        invoice_items::add_up_again(work, &before, after);
    }
}

fn want_payment(work: &mut Work, invoice: &Value, intent: Option<&str>) {
    let id = invoice.text("id");
    let intent = match intent {
        Some(intent) => work.set("payment_intent", intent, json!({ "_invoice": id, "amount": invoice["amount_due"] })),
        None => {
            let purpose = Purpose {
                amount: invoice.whole("amount_due"),
                currency: invoice.text("currency"),
                customer: invoice.opt_text("customer"),
                description: description(invoice),
                invoice: Some(id),
                session: None,
                metadata: json!({}),
            };
            payment_intents::make(work, &purpose)
        }
    };
    if let Some(charge) = intent.opt_text("latest_charge") {
        work.set("charge", charge, json!({ "_invoice": id }));
    }
    work.set("invoice", id, json!({ "_payment_intent": intent["id"] }));
    payments::make(work, invoice, intent.text("id"));
}

fn description(invoice: &Value) -> &'static str {
    match invoice.text("billing_reason") {
        "subscription_create" => "Subscription creation",
        "subscription_cycle" | "subscription_update" => "Subscription update",
        _ => "Payment for Invoice",
    }
}
