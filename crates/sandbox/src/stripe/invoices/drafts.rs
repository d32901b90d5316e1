//! Invoices before they are finalized: what they say, and how their lines add up with discounts and tax.

use serde_json::{Value, json};

use super::super::discounts;
use super::super::fields::Fields;
use super::super::money;
use super::super::work::Work;

/// Tax on everything, where tax is automatic, in percent.
const TAX_PERCENT: i64 = 10;
/// Below this Stripe does not charge; the amount goes on the customer's balance.
const LEAST_CHARGE: i64 = 50;

/// What a new invoice is made of.
pub struct Draft<'a> {
    pub customer: &'a Value,
    /// Null for an invoice of its own.
    pub subscription: &'a Value,
    pub reason: &'a str,
    pub currency: &'a str,
    pub period: (i64, i64),
    pub lines: Vec<Value>,
    pub discounts: Vec<Value>,
    pub has_automatic_tax: bool,
}

/// Puts a new draft and tells of it.
pub fn make(work: &mut Work, draft: Draft) -> Value {
    let id = work.id("in");
    let discounts = draft.discounts.clone();
    let mut invoice = assemble(work, draft);
    invoice["id"] = json!(id);
    invoice["lines"]["url"] = json!(format!("/v1/invoices/{id}/lines"));
    for line in invoice["lines"]["data"].as_array_mut().expect("an invoice has lines") {
        line["invoice"] = json!(id);
    }
    work.put("invoice", invoice.clone());
    if let Some(subscription) = invoice.opt_text("parent.subscription_details.subscription") {
        work.set("subscription", subscription, json!({ "latest_invoice": id }));
    }
    discounts::note_use(work, &discounts);
    work.tell("invoice.created", &invoice);
    invoice
}

/// The invoice as it would be, without an id.
pub fn assemble(work: &mut Work, draft: Draft) -> Value {
    let lines = draft.lines.clone();
    let discounts = draft.discounts.clone();
    let mut invoice = blank(work, &draft);
    invoice["lines"]["data"] = Value::Array(lines);
    add_up(&mut invoice, &discounts, draft.customer);
    invoice
}

fn blank(work: &Work, draft: &Draft) -> Value {
    let subscription = draft.subscription;
    let status = if draft.has_automatic_tax { json!("complete") } else { Value::Null };
    let liability = if draft.has_automatic_tax { json!({ "type": "self" }) } else { Value::Null };
    let mut invoice = json!({
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        "account_tax_ids": null,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "application": null,
        "attempt_count": 0,
        "attempted": false,
        "auto_advance": true,
        "automatic_tax": {
            "disabled_reason": null, "enabled": draft.has_automatic_tax, "liability": liability, "provider": null, "status": status,
        },
        "automatically_finalizes_at": null,
        "billing_reason": draft.reason,
        "collection_method": subscription.opt_text("collection_method").unwrap_or("charge_automatically"),
        "created": work.now,
        "currency": draft.currency,
        "custom_fields": null,
        "default_payment_method": null,
        "default_source": null,
        "default_tax_rates": [],
        "description": null,
        "due_date": null,
        "effective_at": null,
        "ending_balance": null,
        "from_invoice": null,
        "hosted_invoice_url": null,
        "invoice_pdf": null,
        "issuer": { "type": "self" },
        "last_finalization_error": null,
        "latest_revision": null,
        "lines": { "object": "list", "data": [], "has_more": false, "total_count": draft.lines.len(), "url": "/v1/invoices/upcoming/lines" },
        "livemode": false,
        "metadata": {},
        "next_payment_attempt": null,
        "number": null,
        "on_behalf_of": null,
        "parent": parent(subscription),
        "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
        "period_start": draft.period.0,
        "period_end": draft.period.1,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": null,
        "shipping_cost": null,
        "shipping_details": null,
        "statement_descriptor": null,
        "status": "draft",
        "webhooks_delivered_at": null,
    });
    super::super::work::merge(&mut invoice, of_customer(draft.customer));
    invoice["rendering"] = Value::Null;
    invoice["status_transitions"] =
        json!({ "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null });
    invoice
}

/// What an invoice says of its subscription.
fn parent(subscription: &Value) -> Value {
    match subscription.is_null() {
        true => Value::Null,
        false => json!({
            "type": "subscription_details",
            "quote_details": null,
            "subscription_details": { "metadata": subscription["metadata"], "subscription": subscription["id"] },
        }),
    }
}

/// What an invoice says of its customer.
fn of_customer(customer: &Value) -> Value {
    json!({
        "customer": customer["id"],
        "customer_account": null,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "footer": customer["invoice_settings"]["footer"],
        "starting_balance": customer.whole("balance"),
        "test_clock": customer["test_clock"],
    })
}

/// Lines, discounts, tax, total, and what is due after the customer's balance.
pub fn add_up(invoice: &mut Value, discounts: &[Value], customer: &Value) {
    let is_taxed = invoice.is("automatic_tax.enabled") && customer.opt_text("tax_exempt").unwrap_or("none") == "none";
    let mut lines = invoice["lines"]["data"].take();
    let lines_data = lines.as_array_mut().expect("an invoice has lines");
    let per_discount = discounts::spread(lines_data, discounts);
    let mut tax = 0;
    for line in lines_data.iter_mut() {
        let discounted: i64 = line.list("discount_amounts").iter().map(|discount| discount.whole("amount")).sum();
        let taxable = line.whole("amount") - discounted;
        let line_tax = money::share(taxable, TAX_PERCENT, 100);
        line["taxes"] = if is_taxed { json!([tax_of(line_tax, taxable)]) } else { json!([]) };
        tax += if is_taxed { line_tax } else { 0 };
    }
    let subtotal: i64 = lines_data.iter().map(|line| line.whole("amount")).sum();
    let discount: i64 = per_discount.iter().map(|discount| discount.whole("amount")).sum();
    invoice["lines"]["total_count"] = json!(lines_data.len());
    invoice["lines"]["data"] = lines;
    let untaxed = subtotal - discount;
    let fields = json!({
        "discounts": discounts.iter().map(|discount| discount["id"].clone()).collect::<Vec<_>>(),
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": untaxed + tax,
        "total_discount_amounts": per_discount,
        "total_excluding_tax": untaxed,
        "total_pretax_credit_amounts": [],
        "total_taxes": if is_taxed { json!([tax_of(tax, untaxed)]) } else { json!([]) },
    });
    super::super::work::merge(invoice, fields);
    apply_balance(invoice, customer);
}

fn tax_of(amount: i64, taxable: i64) -> Value {
    json!({
        "amount": amount,
        "tax_behavior": "exclusive",
        "tax_rate_details": { "tax_rate": "txr_1Sandbox00000000000000" },
        "taxability_reason": "standard_rated",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    })
}

/// What is due: the total and what the customer owes, less what the customer has. Gives the balance afterwards.
pub fn apply_balance(invoice: &mut Value, customer: &Value) -> i64 {
    let starting = customer.whole("balance");
    let owed = invoice.whole("total") + starting;
    let due = if owed < LEAST_CHARGE { 0 } else { owed };
    invoice["starting_balance"] = json!(starting);
    invoice["amount_due"] = json!(due);
    invoice["amount_remaining"] = json!(due - invoice.whole("amount_paid"));
    owed - due
}
