//! A subscription's items, period or trial change: what is credited and charged, what is invoiced at once, and what
//! waits until that invoice is paid.
//!
//! Start with [`carry_out`]. A preview carries the change out too, reads what came of it, and undoes it.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::invoice_items;
use super::super::invoices::{drafts, finalizing, paying};
use super::super::money;
use super::super::payment_intents::{self, Outcome, Owner};
use super::super::refusal::Refusal;
use super::super::state::Task;
use super::super::work::Work;
use super::super::{discounts, invoices::lines};
use super::{cycle, items, proration, start};

const PENDING_UPDATE_SECONDS: i64 = 23 * 3600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prorations {
    Create,
    InvoiceAlways,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    Unchanged,
    Now,
    Until(i64),
}

/// What becomes of a change whose payment is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentBehavior {
    Allow,
    Default,
    Error,
    Pending,
}

/// What is asked for.
pub struct Change {
    /// The items afterwards; those of before keep their ids.
    pub items: Vec<Value>,
    pub prorations: Prorations,
    /// The moment that prorations count from.
    pub at: i64,
    pub restarts_now: bool,
    pub trial: Trial,
}

/// Carries a change out as far as the draft of the invoice that it needs at once, if it needs one.
pub fn carry_out(work: &mut Work, before: &Value, change: &Change) -> Option<Value> {
    let mut after = before.clone();
    after["items"]["data"] = Value::Array(change.items.clone());
    after["items"]["total_count"] = json!(change.items.len());
    let restarts = restarts(before, &after, change);
    let is_trial = before.text("status") == "trialing";
    let owes_credit = !is_trial && change.prorations != Prorations::None;
    let extends = matches!(change.trial, Trial::Until(_));
    if restarts || extends {
        if owes_credit {
            for credit in proration::credits(work, before, change.at) {
                invoice_items::put(work, credit);
            }
        }
        items::forget_debits(&mut after);
        return Some(begin_anew(work, after, change)).filter(|invoice| !invoice.is_null());
    }
    let period = items::period(before);
    items::set_period(&mut after, period);
    work.put("subscription", after.clone());
    if owes_credit {
        prorate(work, before, after, change.at);
    }
    let bills = change.prorations == Prorations::InvoiceAlways && !is_trial;
    bills.then(|| bill_pending(work, before.text("id"))).flatten()
}

/// The billing cycle starts again now: asked for, another interval, from free to paid, or the trial's end.
fn restarts(before: &Value, after: &Value, change: &Change) -> bool {
    if change.trial == Trial::Now || change.restarts_now {
        return true;
    }
    let is_trial = before.text("status") == "trialing";
    let price = |subscription: &Value| -> i64 {
        let currency = subscription.text("currency");
        let all = subscription.list("items.data").iter();
        all.map(|item| money::times(&lines::unit_price(&item["price"], currency).0, item.whole("quantity"))).sum()
    };
    let has_metered = before.list("items.data").iter().any(items::is_metered);
    let becomes_paid = price(before) == 0 && price(after) > 0 && !has_metered;
    !is_trial && (items::interval(before) != items::interval(after) || becomes_paid)
}

/// A new period from now on, or a new trial, with its invoice. Null where there is none.
fn begin_anew(work: &mut Work, mut after: Value, change: &Change) -> Value {
    let now = work.now;
    match change.trial {
        Trial::Until(end) => {
            let fields = json!({
                "status": "trialing", "trial_end": end, "billing_cycle_anchor": end,
                "trial_start": after.opt_whole("trial_start").unwrap_or(now),
            });
            super::super::work::merge(&mut after, fields);
            items::set_period(&mut after, (now, end));
        }
        Trial::Now | Trial::Unchanged => {
            after["billing_cycle_anchor"] = json!(now);
            if after.text("status") == "trialing" {
                after["status"] = json!("active");
                after["trial_end"] = json!(now);
            }
            let end = items::interval(&after).after(now, 1);
            items::set_period(&mut after, (now, end));
        }
    }
    let id = after.text("id").to_owned();
    work.put("subscription", after.clone());
    start::remind_of_period(work, &after);
    if matches!(change.trial, Trial::Until(_)) {
        return Value::Null;
    }
    let invoice = cycle::bill_period(work, &after, Vec::new(), (now, now), "subscription_update");
    debug_assert_eq!(invoice.text("parent.subscription_details.subscription"), id);
    invoice
}

/// Credits what changed and charges what it changed to.
fn prorate(work: &mut Work, before: &Value, mut after: Value, at: i64) {
    let old: Vec<Value> = before.list("items.data").to_vec();
    let find = |all: &[Value], id: &str| all.iter().find(|item| item.text("id") == id).cloned();
    let is_same =
        |one: &Value, other: &Value| one["price"]["id"] == other["price"]["id"] && one["quantity"] == other["quantity"];
    for item in
        old.iter().filter(|item| find(after.list("items.data"), item.text("id")).is_none_or(|now| !is_same(item, &now)))
    {
        if let Some(credit) = proration::credit(work, before, item, at) {
            invoice_items::put(work, credit);
        }
    }
    for place in 0..after.list("items.data").len() {
        let item = after["items"]["data"][place].clone();
        if find(&old, item.text("id")).is_some_and(|then| is_same(&then, &item)) || items::is_metered(&item) {
            continue;
        }
        let (charge, debit) = proration::charge(work, &after, &item, at);
        if charge.whole("amount") != 0 {
            invoice_items::put(work, charge);
        }
        after["items"]["data"][place]["_debits"] = json!([debit]);
    }
    work.put("subscription", after);
}

/// A draft with all that is pending for a subscription. None where nothing is.
fn bill_pending(work: &mut Work, id: &str) -> Option<Value> {
    let subscription = work.known("subscription", id);
    let pending = invoice_items::take_pending(work, &subscription);
    if pending.is_empty() {
        return None;
    }
    let invoice = update_invoice(work, &subscription, pending);
    invoice_items::now_on(work, invoice.text("id"));
    Some(invoice)
}

fn update_invoice(work: &mut Work, subscription: &Value, lines: Vec<Value>) -> Value {
    let customer = work.known("customer", subscription.text("customer"));
    let draft = drafts::Draft {
        customer: &customer,
        subscription,
        reason: "subscription_update",
        currency: subscription.text("currency"),
        period: (work.now, work.now),
        lines,
        discounts: discounts::of_subscription(work, subscription, work.now),
        has_automatic_tax: subscription.is("automatic_tax.enabled"),
    };
    drafts::make(work, draft)
}

/// Carries a change out and has its invoice paid.
pub fn carry_out_and_collect(
    work: &mut Work,
    before: &Value,
    change: &Change,
    behavior: PaymentBehavior,
    owner: Owner,
) -> Result<(), Refusal> {
    let mark = work.mark();
    let Some(draft) = carry_out(work, before, change) else { return Ok(()) };
    let id = draft.text("id");
    let invoice = finalizing::finalize(work, id, None);
    if invoice.text("status") == "paid" || invoice.text("collection_method") == "send_invoice" {
        return Ok(());
    }
    if behavior == PaymentBehavior::Default {
        work.set("subscription", before.text("id"), json!({ "status": "past_due" }));
        return Ok(());
    }
    let outcome = paying::collect(work, id, None, owner, paying::Cause::Request);
    let has_failed = matches!(outcome, Outcome::Declined(_) | Outcome::RequiresAction);
    match behavior {
        PaymentBehavior::Error if has_failed => {
            let intent = invoice.text("_payment_intent");
            Err(payment_intents::refusal(work, intent, outcome).expect("the attempt has failed"))
        }
        PaymentBehavior::Pending if has_failed => {
            let planned = work.known("subscription", before.text("id"));
            work.undo_since(mark);
            keep_pending(work, before, &planned, &draft);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The change waits until its invoice is paid; the subscription is as it was.
fn keep_pending(work: &mut Work, before: &Value, planned: &Value, draft: &Value) {
    let id = before.text("id");
    invoice_items::take_pending(work, before);
    let invoice = update_invoice(work, before, draft.list("lines.data").to_vec());
    let invoice_id = invoice.text("id").to_owned();
    invoice_items::now_on(work, &invoice_id);
    let fields = json!({
        "pending_update": {
            "billing_cycle_anchor": null,
            "discount": null,
            "discounts": [],
            "expires_at": work.now + PENDING_UPDATE_SECONDS,
            "metadata": null,
            "subscription_items": planned["items"]["data"],
            "trial_end": null,
            "trial_from_plan": null,
        },
        "_pending_invoice": invoice_id,
        "_pending_plan": {
            "items": planned["items"], "billing_cycle_anchor": planned["billing_cycle_anchor"],
            "_period": planned["_period"], "trial_end": planned["trial_end"],
        },
    });
    work.set("subscription", id, fields);
    work.set("invoice", &invoice_id, json!({ "auto_advance": false }));
    work.remind(work.now + PENDING_UPDATE_SECONDS, Task::ExpirePendingUpdate, id);
    finalizing::finalize(work, &invoice_id, None);
    paying::collect(work, &invoice_id, None, Owner::Away, paying::Cause::Request);
}

/// The invoice of a waiting change is paid.
pub fn apply_pending(work: &mut Work, before: &Value) {
    let mut after = before.clone();
    super::super::work::merge(&mut after, before["_pending_plan"].clone());
    let fields = json!({ "pending_update": null, "_pending_invoice": null, "_pending_plan": null });
    super::super::work::merge(&mut after, fields);
    work.put("subscription", after.clone());
    if after["_period"] != before["_period"] {
        start::remind_of_period(work, &after);
    }
    work.tell("customer.subscription.pending_update_applied", &after);
    work.tell_change("customer.subscription.updated", before, &after);
}

/// A waiting change was not paid in time.
pub fn expire_pending(work: &mut Work, id: &str) {
    let before = work.known("subscription", id);
    if before.opt_whole("pending_update.expires_at") != Some(work.now) {
        return;
    }
    paying::close(work, before.text("_pending_invoice"), "void", "invoice.voided");
    let fields = json!({ "pending_update": null, "_pending_invoice": null, "_pending_plan": null });
    let after = work.set("subscription", id, fields);
    work.tell("customer.subscription.pending_update_expired", &after);
    work.tell_change("customer.subscription.updated", &before, &after);
}
