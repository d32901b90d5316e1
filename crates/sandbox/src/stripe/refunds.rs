//! Refunds: `/v1/refunds`, whole or in part, by payment intent or by charge.

use serde_json::{Value, json};

use super::fields::Fields;
use super::lists;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let charge = match (params.text("charge"), params.text("payment_intent")) {
        (Some(charge), _) => work.find("charge", charge, "charge")?,
        (None, Some(intent)) => {
            let intent = work.find("payment_intent", intent, "payment_intent")?;
            let charge = work.get("charge", intent.text("latest_charge")).cloned();
            charge.filter(|charge| charge.is("paid")).ok_or_else(|| {
                let message =
                    format!("This PaymentIntent ({}) does not have a successful charge to refund.", intent.text("id"));
                Refusal::invalid(message)
            })?
        }
        (None, None) => {
            return Err(Refusal::invalid(
                "One of the following params should be provided for this request: payment_intent or charge.",
            ));
        }
    };
    let customer = work.known("customer", charge.text("customer"));
    work.live_by(&customer);
    let amount = amount(request, &charge)?;
    let reason = params.one_of("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
    let refund = make(work, &charge, amount, reason, params.metadata(&json!({})));
    Ok(refund)
}

fn amount(request: &Request, charge: &Value) -> Result<i64, Refusal> {
    let id = charge.text("id");
    if charge.is("disputed") {
        let message = format!("Charge {id} has been charged back; cannot issue a refund.");
        return Err(Refusal::invalid(message).code("charge_disputed"));
    }
    if !charge.is("paid") {
        return Err(Refusal::invalid(format!("Charge {id} did not succeed; cannot issue a refund.")));
    }
    let left = charge.whole("amount") - charge.whole("amount_refunded");
    if left == 0 {
        let message = format!("Charge {id} has already been refunded.");
        return Err(Refusal::invalid(message).code("charge_already_refunded"));
    }
    match request.params.whole("amount")? {
        None => Ok(left),
        Some(amount) if amount <= 0 => {
            Err(Refusal::invalid("Invalid positive integer").code("parameter_invalid_integer").param("amount"))
        }
        Some(amount) if amount > left => {
            let message = format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
            Err(Refusal::invalid(message).param("amount"))
        }
        Some(amount) => Ok(amount),
    }
}

fn make(work: &mut Work, charge: &Value, amount: i64, reason: Option<&str>, metadata: Value) -> Value {
    let id = work.id("re");
    let transaction = work.id("txn");
    let refund = json!({
        "id": id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": transaction,
        "charge": charge["id"],
        "created": work.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": null,
        "destination_details": {
            "card": { "reference": null, "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" },
            "type": "card",
        },
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    });
    work.put("refund", refund.clone());
    let refunded = charge.whole("amount_refunded") + amount;
    let fields = json!({ "amount_refunded": refunded, "refunded": refunded == charge.whole("amount") });
    let after = work.set("charge", charge.text("id"), fields);
    work.tell("refund.created", &refund);
    work.tell_change("charge.refunded", charge, &after);
    refund
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("refund", &request.id, "refund")
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = work.find("refund", &request.id, "refund")?;
    let after = work.set("refund", &request.id, json!({ "metadata": request.params.metadata(before.at("metadata")) }));
    work.tell_change("refund.updated", &before, &after);
    Ok(after)
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, "refund", "/v1/refunds", |refund| {
        let matches = |name: &str| params.text(name).is_none_or(|wanted| refund.text(name) == wanted);
        Ok(matches("charge") && matches("payment_intent") && params.is_within("created", refund.whole("created"))?)
    })
}
