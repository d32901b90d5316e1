//! Requests about invoices.

use serde_json::{Value, json};

use super::super::discounts;
use super::super::fields::Fields;
use super::super::invoice_items;
use super::super::lists;
use super::super::payment_intents::{self, Owner};
use super::super::payment_methods;
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::super::subscriptions::cycle;
use super::super::work::Work;
use super::{drafts, finalizing, paying};

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let subscription = match params.text("subscription") {
        Some(id) => work.find("subscription", id, "subscription")?,
        None => Value::Null,
    };
    let customer = params.text("customer").or(subscription.opt_text("customer"));
    let customer = work.find("customer", customer.ok_or_else(|| Refusal::missing("customer"))?, "customer")?;
    work.live_by(&customer);
    let id = customer.text("id").to_owned();
    let known = params.text("currency").or(subscription.opt_text("currency")).or(customer.opt_text("currency"));
    let currency = known.unwrap_or("usd").to_lowercase();
    let includes = params.one_of("pending_invoice_items_behavior", &["exclude", "include"])? == Some("include");
    let lines = match (includes || !subscription.is_null(), subscription.is_null()) {
        (false, _) => Vec::new(),
        (true, true) => invoice_items::take_pending_of_customer(work, &id, &currency),
        (true, false) => invoice_items::take_pending(work, &subscription),
    };
    if !subscription.is_null() && lines.is_empty() {
        return Err(Refusal::invalid("Nothing to invoice for subscription").code("invoice_no_subscription_line_items"));
    }
    let draft = drafts::Draft {
        customer: &customer,
        subscription: &subscription,
        reason: "manual",
        currency: &currency,
        period: (work.now, work.now),
        lines,
        discounts: discounts::named(work, params, &id)?,
        has_automatic_tax: params.flag("automatic_tax.enabled")?.unwrap_or(subscription.is("automatic_tax.enabled")),
    };
    let before = subscription.clone();
    let invoice = drafts::make(work, draft);
    if !before.is_null() {
        // An invoice of its own is not the subscription's latest.
        work.set("subscription", before.text("id"), json!({ "latest_invoice": before["latest_invoice"] }));
    }
    invoice_items::now_on(work, invoice.text("id"));
    let advances = params.flag("auto_advance")?.unwrap_or(false);
    take(work, request, invoice.text("id"))?;
    work.set("invoice", invoice.text("id"), json!({ "auto_advance": advances }));
    if advances {
        cycle::finalize_in_an_hour(work, invoice.text("id"));
    }
    Ok(work.known("invoice", invoice.text("id")))
}

/// Fields that creating and updating share.
fn take(work: &mut Work, request: &Request, id: &str) -> Result<(), Refusal> {
    let params = &request.params;
    let mut invoice = work.known("invoice", id);
    for name in ["description", "footer", "statement_descriptor", "number"] {
        if params.is_given(name) {
            invoice[name] = json!(params.text(name));
        }
    }
    if let Some(method) = params.one_of("collection_method", &["charge_automatically", "send_invoice"])? {
        invoice["collection_method"] = json!(method);
    }
    if let Some(days) = params.whole("days_until_due")? {
        invoice["_days_until_due"] = json!(days);
    }
    if let Some(method) = params.text("default_payment_method") {
        let method = work.find("payment_method", method, "default_payment_method")?;
        invoice["default_payment_method"] = method["id"].clone();
    }
    invoice["metadata"] = params.metadata(invoice.at("metadata"));
    work.put("invoice", invoice);
    Ok(())
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = find(work, &request.id)?;
    take(work, request, &request.id)?;
    if let Some(advances) = request.params.flag("auto_advance")? {
        work.set("invoice", &request.id, json!({ "auto_advance": advances }));
        if advances && before.text("status") == "draft" {
            cycle::finalize_in_an_hour(work, &request.id);
        }
    }
    let after = work.known("invoice", &request.id);
    work.tell_change("invoice.updated", &before, &after);
    Ok(after)
}

/// The invoice, whose customer's time this work has from here on.
fn find(work: &mut Work, id: &str) -> Result<Value, Refusal> {
    let invoice = work.find("invoice", id, "invoice")?;
    let customer = work.known("customer", invoice.text("customer"));
    work.live_by(&customer);
    Ok(invoice)
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("invoice", &request.id, "invoice")
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    params.one_of("status", &["draft", "open", "paid", "uncollectible", "void"])?;
    lists::list(work, params, "invoice", "/v1/invoices", |invoice| {
        let matches = |name: &str| params.text(name).is_none_or(|wanted| invoice.text(name) == wanted);
        let of = invoice.text("parent.subscription_details.subscription");
        Ok(matches("customer")
            && matches("status")
            && matches("collection_method")
            && params.text("subscription").is_none_or(|wanted| of == wanted)
            && params.is_within("created", invoice.whole("created"))?)
    })
}

/// `/v1/invoices/{id}/lines`.
pub fn list_lines(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let invoice = work.find("invoice", &request.id, "invoice")?;
    lists::page(invoice.list("lines.data"), &request.params, &format!("/v1/invoices/{}/lines", request.id))
}

pub fn delete(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let invoice = find(work, &request.id)?;
    if invoice.text("status") != "draft" || !invoice["parent"].is_null() {
        return Err(Refusal::invalid("You can only delete draft invoices that are not of a subscription."));
    }
    work.remove("invoice", &request.id);
    work.tell("invoice.deleted", &invoice);
    Ok(json!({ "id": request.id, "object": "invoice", "deleted": true }))
}

pub fn finalize(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let invoice = find(work, &request.id)?;
    if invoice.text("status") != "draft" {
        let message = "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return Err(Refusal::invalid(message).code("invoice_not_editable"));
    }
    let advances = request.params.flag("auto_advance")?;
    let invoice = finalizing::finalize(work, &request.id, None);
    if invoice.text("status") == "open" && advances.unwrap_or(invoice.is("auto_advance")) {
        work.set("invoice", &request.id, json!({ "auto_advance": true }));
        if invoice.text("collection_method") == "charge_automatically" {
            paying::collect(work, &request.id, None, Owner::Away, paying::Cause::Schedule);
        }
    }
    Ok(work.known("invoice", &request.id))
}

pub fn pay(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let mut invoice = find(work, &request.id)?;
    match invoice.text("status") {
        "paid" => return Err(Refusal::invalid("Invoice is already paid").code("invoice_already_paid")),
        "draft" => invoice = finalizing::finalize(work, &request.id, None),
        "open" | "uncollectible" => {}
        status => return Err(Refusal::invalid(format!("Invoice can't be paid: its status is {status}."))),
    }
    if invoice.text("status") == "paid" {
        return Ok(invoice);
    }
    if params.flag("paid_out_of_band")? == Some(true) {
        payment_intents::cancel(work, invoice.text("_payment_intent"), "void_invoice");
        work.set(
            "invoice",
            &request.id,
            json!({ "_is_paid_out_of_band": true, "amount_paid_off_stripe": invoice["amount_due"] }),
        );
        paying::mark_paid(work, &request.id);
        return Ok(work.known("invoice", &request.id));
    }
    let method = match params.text("payment_method") {
        Some(method) => Some(payment_methods::find(work, method, "payment_method")?),
        None => paying::default_method(work, &invoice),
    };
    let Some(method) = method else {
        let message = "There is no `default_payment_method` set on this Customer or Invoice. Please create a new PaymentMethod \
                       or Source and try again.";
        return Err(Refusal::invalid(message).code("invoice_payment_intent_requires_action").param("payment_method"));
    };
    let owner = if params.flag("off_session")? == Some(false) { Owner::Present } else { Owner::Away };
    let outcome = paying::collect(work, &request.id, Some(method), owner, paying::Cause::Request);
    match payment_intents::refusal(work, invoice.text("_payment_intent"), outcome) {
        Some(refusal) => Err(refusal.keeping_work()),
        None => Ok(work.known("invoice", &request.id)),
    }
}

pub fn void(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    close(work, request, "void", "invoice.voided")
}

pub fn mark_uncollectible(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    close(work, request, "uncollectible", "invoice.marked_uncollectible")
}

fn close(work: &mut Work, request: &Request, status: &str, event: &str) -> Result<Value, Refusal> {
    let before = find(work, &request.id)?;
    if !["open", "uncollectible"].contains(&before.text("status")) {
        let message = format!(
            "You can only pass in open invoices. This invoice isn't open: its status is {}.",
            before.text("status")
        );
        return Err(Refusal::invalid(message));
    }
    let after = paying::close(work, &request.id, status, event);
    work.tell_change("invoice.updated", &before, &after);
    Ok(after)
}
