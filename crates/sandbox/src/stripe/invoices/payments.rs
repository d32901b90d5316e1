//! Invoice payments: which payment pays which invoice. `/v1/invoice_payments`.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::lists;
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::super::work::Work;

pub fn make(work: &mut Work, invoice: &Value, intent: &str) {
    let payment = json!({
        "id": work.id("inpay"),
        "object": "invoice_payment",
        "amount_paid": null,
        "amount_requested": invoice["amount_due"],
        "created": work.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": true,
        "livemode": false,
        "payment": { "type": "payment_intent", "payment_intent": intent },
        "status": "open",
        "status_transitions": { "canceled_at": null, "paid_at": null },
    });
    work.put("invoice_payment", payment);
}

fn of_invoice(work: &Work, invoice: &str) -> Option<Value> {
    work.state.owned("invoice_payment", invoice).next_back().cloned()
}

pub fn mark_paid(work: &mut Work, invoice: &str) {
    let Some(payment) = of_invoice(work, invoice) else { return };
    let fields = json!({
        "status": "paid",
        "amount_paid": payment["amount_requested"],
        "status_transitions": { "canceled_at": null, "paid_at": work.now },
    });
    let payment = work.set("invoice_payment", payment.text("id"), fields);
    work.tell("invoice_payment.paid", &payment);
}

pub fn mark_canceled(work: &mut Work, invoice: &str) {
    let Some(payment) = of_invoice(work, invoice).filter(|payment| payment.text("status") == "open") else { return };
    let transitions = json!({ "canceled_at": work.now, "paid_at": null });
    work.set("invoice_payment", payment.text("id"), json!({ "status": "canceled", "status_transitions": transitions }));
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("invoice_payment", &request.id, "invoice_payment")
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let matches = |payment: &Value, name: &str| params.text(name).is_none_or(|wanted| payment.text(name) == wanted);
    lists::list(work, params, "invoice_payment", "/v1/invoice_payments", |payment| {
        Ok(matches(payment, "invoice") && matches(payment, "status") && matches(payment, "payment.payment_intent"))
    })
}
