//! Charges, their refunds' effect on them, and disputes: `/v1/charges`, `/v1/disputes`.

use serde_json::{Value, json};

use super::cards::Decline;
use super::fields::Fields;
use super::lists;
use super::periods::DAY;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

/// Puts a charge of an intent; with a decline, a failed one. The caller tells of it.
pub fn make(work: &mut Work, intent: &str, method: &Value, decline: Option<Decline>) -> Value {
    let intent = work.known("payment_intent", intent);
    let id = work.id("ch");
    let transaction = work.id("txn");
    let amount = intent.whole("amount");
    let paid = decline.is_none();
    let outcome = match decline {
        None => json!({
            "advice_code": null, "network_advice_code": null, "network_decline_code": null,
            "network_status": "approved_by_network", "reason": null,
            "seller_message": "Payment complete.", "type": "authorized",
        }),
        Some(decline) => json!({
            "advice_code": "try_again_later", "network_advice_code": null, "network_decline_code": "01",
            "network_status": "declined_by_network", "reason": decline.decline_code,
            "seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined",
        }),
    };
    let charge = json!({
        "id": id,
        "object": "charge",
        "amount": amount,
        "amount_captured": if paid { amount } else { 0 },
        "amount_refunded": 0,
        "application": null,
        "application_fee": null,
        "application_fee_amount": null,
        "balance_transaction": paid.then_some(transaction),
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "SANDBOX",
        "captured": paid,
        "created": work.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": false,
        "failure_balance_transaction": null,
        "failure_code": decline.map(|decline| decline.code),
        "failure_message": decline.map(|decline| decline.message),
        "fraud_details": {},
        "livemode": false,
        "metadata": intent["metadata"],
        "on_behalf_of": null,
        "outcome": outcome,
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": method_details(method),
        "receipt_email": null,
        "receipt_number": null,
        "receipt_url": paid.then(|| format!("{}/receipt/{id}", work.public_url)),
        "refunded": false,
        "review": null,
        "shipping": null,
        "source": null,
        "source_transfer": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": if paid { "succeeded" } else { "failed" },
        "transfer_data": null,
        "transfer_group": null,
        "_invoice": intent["_invoice"],
    });
    work.put("charge", charge.clone());
    charge
}

fn method_details(method: &Value) -> Value {
    if method.text("type") == "us_bank_account" {
        return json!({ "type": "us_bank_account", "us_bank_account": method["us_bank_account"] });
    }
    let card = &method["card"];
    json!({
        "type": "card",
        "card": {
            "amount_authorized": null,
            "authorization_code": "123456",
            "brand": card["brand"],
            "checks": card["checks"],
            "country": card["country"],
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "extended_authorization": { "status": "disabled" },
            "fingerprint": card["fingerprint"],
            "funding": card["funding"],
            "incremental_authorization": { "status": "unavailable" },
            "installments": null,
            "last4": card["last4"],
            "mandate": null,
            "multicapture": { "status": "unavailable" },
            "network": card["brand"],
            "network_token": { "used": false },
            "network_transaction_id": null,
            "overcapture": { "maximum_amount_capturable": 0, "status": "unavailable" },
            "regulated_status": card["regulated_status"],
            "three_d_secure": null,
            "transaction_link_id": null,
            "wallet": null,
        },
    })
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("charge", &request.id, "charge")
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = work.find("charge", &request.id, "charge")?;
    let mut charge = before.clone();
    if request.params.is_given("description") {
        charge["description"] = json!(request.params.text("description"));
    }
    charge["metadata"] = request.params.metadata(charge.at("metadata"));
    work.put("charge", charge.clone());
    work.tell_change("charge.updated", &before, &charge);
    Ok(charge)
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, "charge", "/v1/charges", |charge| {
        let matches = |name: &str| params.text(name).is_none_or(|wanted| charge.text(name) == wanted);
        Ok(matches("customer") && matches("payment_intent") && params.is_within("created", charge.whole("created"))?)
    })
}

/// The owner of the card disputes the charge that was just made.
pub fn dispute_latest(work: &mut Work, intent: &str) {
    let intent = work.known("payment_intent", intent);
    let before = work.known("charge", intent.text("latest_charge"));
    let charge = work.set("charge", before.text("id"), json!({ "disputed": true }));
    let id = work.id("dp");
    let dispute = json!({
        "id": id,
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": work.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": evidence(),
        "evidence_details": {
            "due_by": work.now + 9 * DAY, "enhanced_eligibility": {}, "has_evidence": false, "past_due": false, "submission_method": "not_submitted",
            "submission_count": 0,
        },
        "is_charge_refundable": false,
        "livemode": false,
        "metadata": {},
        "payment_intent": intent["id"],
        "payment_method_details": {
            "card": { "brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4" },
            "type": "card",
        },
        "reason": "fraudulent",
        "status": "needs_response",
    });
    work.put("dispute", dispute.clone());
    work.tell("charge.dispute.created", &dispute);
    work.tell("charge.dispute.funds_withdrawn", &dispute);
    work.tell_change("charge.updated", &before, &charge);
}

/// Every piece of evidence that could be sent in, none of them sent.
fn evidence() -> Value {
    const NAMES: [&str; 27] = [
        "access_activity_log",
        "billing_address",
        "cancellation_policy",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "customer_communication",
        "customer_email_address",
        "customer_name",
        "customer_purchase_ip",
        "customer_signature",
        "duplicate_charge_documentation",
        "duplicate_charge_explanation",
        "duplicate_charge_id",
        "product_description",
        "receipt",
        "refund_policy",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "service_date",
        "service_documentation",
        "shipping_address",
        "shipping_carrier",
        "shipping_date",
        "shipping_documentation",
        "shipping_tracking_number",
        "uncategorized_file",
        "uncategorized_text",
    ];
    let mut evidence = json!({ "enhanced_evidence": {} });
    for name in NAMES {
        evidence[name] = Value::Null;
    }
    evidence
}

pub fn read_dispute(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("dispute", &request.id, "dispute")
}

pub fn list_disputes(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, "dispute", "/v1/disputes", |dispute| {
        let matches = |name: &str| params.text(name).is_none_or(|wanted| dispute.text(name) == wanted);
        Ok(matches("charge") && matches("payment_intent") && params.is_within("created", dispute.whole("created"))?)
    })
}

/// Accepting a dispute: it is lost.
pub fn close_dispute(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let dispute = work.find("dispute", &request.id, "dispute")?;
    if dispute.text("status") == "lost" {
        return Err(Refusal::invalid("This dispute is already closed."));
    }
    let dispute = work.set("dispute", &request.id, json!({ "status": "lost" }));
    work.tell("charge.dispute.closed", &dispute);
    Ok(dispute)
}
