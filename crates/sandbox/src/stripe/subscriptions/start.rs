//! A subscription begins: its first period or its trial, its first invoice, and how that is paid.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::invoices::{drafts, finalizing, lines, paying};
use super::super::money;
use super::super::payment_intents::{Outcome, Owner};
use super::super::periods::{DAY, Interval};
use super::super::refusal::Refusal;
use super::super::state::Task;
use super::super::work::Work;
use super::items::{self, Wanted};

/// An incomplete subscription that is not paid by then has expired.
const INCOMPLETE_SECONDS: i64 = 23 * 3600;

/// What becomes of a subscription whose first payment is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstPayment {
    /// Tried at once; the subscription stays incomplete when it fails.
    Allow,
    /// Not tried: the caller's customer pays later.
    Default,
    /// Tried at once; nothing is made when it fails.
    Error,
}

/// All that a new subscription is made of.
pub struct Start {
    pub customer: Value,
    pub items: Vec<Wanted>,
    pub currency: String,
    pub metadata: Value,
    pub description: Option<String>,
    pub trial_end: Option<i64>,
    pub missing_payment_method: String,
    pub default_payment_method: Option<String>,
    pub has_automatic_tax: bool,
    pub discounts: Vec<Value>,
    pub billing_cycle_anchor: Option<i64>,
    pub prorates: bool,
    pub cancel_at: Option<i64>,
    pub cancel_at_period_end: bool,
    pub collection_method: String,
    pub days_until_due: Option<i64>,
    /// Whether what pays an invoice becomes the subscription's default.
    pub saves_method: bool,
    pub billing_mode: String,
    pub payment: FirstPayment,
    pub owner: Owner,
    /// One-time prices on the first invoice.
    pub extra_lines: Vec<Value>,
    /// A payment that has begun already and pays the first invoice.
    pub intent: Option<String>,
}

/// Makes the subscription and its first invoice, and has it paid. Gives the subscription and how the payment ended.
pub fn start(work: &mut Work, start: Start) -> Result<(Value, Outcome), Refusal> {
    let subscription = blank(work, &start);
    let id = subscription.text("id").to_owned();
    work.put("subscription", subscription.clone());
    let mut invoice = first_invoice(work, &start, &subscription);
    let invoice_id = invoice.text("id").to_owned();
    invoice = finalizing::finalize(work, &invoice_id, start.intent.as_deref());
    let mut outcome = Outcome::Succeeded;
    if invoice.text("status") != "paid" {
        let begun =
            start.intent.as_deref().map(|intent| work.known("payment_intent", intent).text("status").to_owned());
        let can_try = start.payment != FirstPayment::Default && start.collection_method != "send_invoice";
        outcome = match can_try {
            true if begun.as_deref() == Some("succeeded") => Outcome::Succeeded,
            true if begun.as_deref() == Some("processing") => Outcome::Processing,
            true => paying::collect(work, &invoice_id, None, start.owner, paying::Cause::Request),
            false => Outcome::RequiresAction,
        };
        if begun.is_some() {
            work.set("invoice", &invoice_id, json!({ "attempted": true, "attempt_count": 1 }));
            paying::settled(work, &invoice_id, outcome);
        }
        if start.collection_method == "send_invoice" {
            work.set("subscription", &id, json!({ "status": "active" }));
            outcome = Outcome::Succeeded;
        }
    }
    let subscription = work.known("subscription", &id);
    if subscription.text("status") == "incomplete" {
        work.remind(work.now + INCOMPLETE_SECONDS, Task::ExpireIncomplete, &id);
    }
    remind_of_period(work, &subscription);
    work.tell("customer.subscription.created", &subscription);
    Ok((subscription, outcome))
}

/// The first period: the trial, or up to the anchor.
fn first_period(start: &Start, now: i64) -> (i64, (i64, i64)) {
    let interval = Interval::of(&start.items[0].price);
    match (start.trial_end, start.billing_cycle_anchor) {
        (Some(end), None) => (end, (now, end)),
        (Some(end), Some(_)) => (end, (now, end)),
        (None, Some(anchor)) => (anchor, (now, interval.next_boundary(anchor, now))),
        (None, None) => (now, (now, interval.after(now, 1))),
    }
}

pub fn blank(work: &mut Work, start: &Start) -> Value {
    let id = work.id("sub");
    let (anchor, period) = first_period(start, work.now);
    let made: Vec<Value> = start.items.iter().map(|wanted| items::make(work, &id, wanted, period)).collect();
    let discounts: Vec<Value> = start.discounts.iter().map(|discount| discount["id"].clone()).collect();
    let cancel_at = if start.cancel_at_period_end { Some(period.1) } else { start.cancel_at };
    json!({
        "id": id,
        "object": "subscription",
        "application": null,
        "application_fee_percent": null,
        "automatic_tax": {
            "disabled_reason": null, "enabled": start.has_automatic_tax,
            "liability": start.has_automatic_tax.then(|| json!({ "type": "self" })),
        },
        "billing_cycle_anchor": anchor,
        "billing_cycle_anchor_config": null,
        "billing_mode": billing_mode(&start.billing_mode),
        "billing_schedules": [],
        "billing_thresholds": null,
        "cancel_at": cancel_at,
        "cancel_at_period_end": start.cancel_at_period_end,
        "canceled_at": cancel_at.map(|_| work.now),
        "cancellation_details": { "comment": null, "feedback": null, "reason": cancel_at.map(|_| "cancellation_requested") },
        "collection_method": start.collection_method,
        "created": work.now,
        "currency": start.currency,
        "customer": start.customer["id"],
        "customer_account": null,
        "days_until_due": start.days_until_due,
        "default_payment_method": start.default_payment_method,
        "default_source": null,
        "default_tax_rates": [],
        "description": start.description,
        "discounts": discounts,
        "ended_at": null,
        "invoice_settings": {
            "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null, "issuer": { "type": "self" },
        },
        "items": {
            "object": "list", "data": made, "has_more": false, "total_count": start.items.len(),
            "url": format!("/v1/subscription_items?subscription={id}"),
        },
        "latest_invoice": null,
        "livemode": false,
        "managed_payments": { "enabled": false },
        "metadata": start.metadata,
        "next_pending_invoice_item_invoice": null,
        "on_behalf_of": null,
        "pause_collection": null,
        "payment_settings": {
            "payment_method_options": null, "payment_method_types": null,
            "save_default_payment_method": if start.saves_method { "on_subscription" } else { "off" },
        },
        "pending_invoice_item_interval": null,
        "pending_setup_intent": null,
        "pending_update": null,
        "schedule": null,
        "start_date": work.now,
        "status": if start.trial_end.is_some() { "trialing" } else { "incomplete" },
        "test_clock": work.test_clock(),
        "status_details": null,
        "transfer_data": null,
        "trial_end": start.trial_end,
        "trial_settings": { "end_behavior": { "missing_payment_method": start.missing_payment_method } },
        "trial_start": start.trial_end.map(|_| work.now),
        "_period": { "start": period.0, "end": period.1 },
    })
}

fn billing_mode(mode: &str) -> Value {
    match mode {
        "classic" => json!({ "flexible": null, "type": "classic" }),
        _ => json!({ "flexible": { "proration_discounts": "included" }, "type": "flexible" }),
    }
}

fn first_invoice(work: &mut Work, start: &Start, subscription: &Value) -> Value {
    let period = items::period(subscription);
    let mut made = first_lines(work, start, subscription);
    made.extend(start.extra_lines.iter().cloned());
    let draft = drafts::Draft {
        customer: &start.customer,
        subscription,
        reason: "subscription_create",
        currency: &start.currency,
        period: (work.now, work.now),
        lines: made,
        discounts: if start.trial_end.is_some() { Vec::new() } else { start.discounts.clone() },
        has_automatic_tax: start.has_automatic_tax,
    };
    let invoice = drafts::make(work, draft);
    debug_assert_eq!(period, items::period(subscription));
    let mut after = work.known("subscription", subscription.text("id"));
    items::note_debits(&mut after, invoice.list("lines.data"));
    work.put("subscription", after);
    work.set("invoice", invoice.text("id"), json!({ "_days_until_due": start.days_until_due }))
}

/// Lines of the first period; its share alone when the anchor lies ahead. What is metered is billed afterwards.
pub fn first_lines(work: &mut Work, start: &Start, subscription: &Value) -> Vec<Value> {
    let period = items::period(subscription);
    let interval = items::interval(subscription);
    let mut made = Vec::new();
    for item in subscription.list("items.data").to_vec() {
        if items::is_metered(&item) {
            continue;
        }
        let mut line = lines::of_period(work, subscription, &item, period);
        if start.billing_cycle_anchor.is_some() && start.trial_end.is_none() {
            let whole_start = interval.after(period.1, -1);
            let amount = match start.prorates {
                true => money::share(line.whole("amount"), period.1 - period.0, period.1 - whole_start),
                false => 0,
            };
            line["amount"] = json!(amount);
            line["subtotal"] = json!(amount);
        }
        made.push(line);
    }
    made
}

/// Notes all that the current period will bring.
pub fn remind_of_period(work: &mut Work, subscription: &Value) {
    let id = subscription.text("id");
    let (start, end) = items::period(subscription);
    work.remind(end, Task::EndPeriod, id);
    if subscription.text("status") == "trialing" && end - 3 * DAY > start {
        work.remind(end - 3 * DAY, Task::TrialWillEnd, id);
    }
    if end - 7 * DAY > start {
        work.remind(end - 7 * DAY, Task::InvoiceUpcoming, id);
    }
    if let Some(at) = subscription.opt_whole("cancel_at").filter(|at| *at != end) {
        work.remind(at, Task::CancelSubscription, id);
    }
}
