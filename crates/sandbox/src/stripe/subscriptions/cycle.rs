//! From one period to the next: renewals, ends of trials, cancellations that were scheduled, and what is told before.

use serde_json::{Value, json};

use super::super::discounts;
use super::super::fields::Fields;
use super::super::invoice_items;
use super::super::invoices::{drafts, finalizing, lines, paying};
use super::super::payment_intents::Owner;
use super::super::state::Task;
use super::super::work::Work;
use super::{cancel, items, schedules, start};

/// A renewal's invoice stays a draft for so long.
const DRAFT_SECONDS: i64 = 3600;

/// The period is over.
pub fn end_period(work: &mut Work, id: &str) {
    let subscription = work.known("subscription", id);
    let (_, end) = items::period(&subscription);
    if cancel::has_ended(&subscription) || subscription.text("status") == "paused" || end != work.now {
        return;
    }
    if subscription.opt_whole("cancel_at").is_some_and(|at| at <= work.now) {
        cancel::end(work, id, cancel::Reason::Requested);
        cancel::bill_what_is_left(work, id, false);
        return;
    }
    if subscription.text("status") == "incomplete" {
        return;
    }
    if subscription.text("status") == "trialing" && !has_method(work, &subscription) {
        match subscription.text("trial_settings.end_behavior.missing_payment_method") {
            "cancel" => return cancel::end(work, id, cancel::Reason::Requested),
            "pause" => return pause(work, &subscription),
            _ => {}
        }
    }
    match schedules::enter_next_phase(work, &subscription) {
        Some(changed) => renew(work, &subscription, changed),
        None => renew(work, &subscription, work.known("subscription", id)),
    }
}

fn has_method(work: &Work, subscription: &Value) -> bool {
    let stand_in = json!({
        "customer": subscription["customer"],
        "parent": { "subscription_details": { "subscription": subscription["id"] } },
    });
    paying::default_method(work, &stand_in).is_some()
}

fn pause(work: &mut Work, before: &Value) {
    let after = work.set("subscription", before.text("id"), json!({ "status": "paused" }));
    work.tell_change("customer.subscription.updated", before, &after);
    work.tell("customer.subscription.paused", &after);
}

/// Begins the next period. `subscription` is what it is from then on.
fn renew(work: &mut Work, before: &Value, mut subscription: Value) {
    let id = before.text("id");
    if cancel::has_ended(&subscription) {
        return;
    }
    let usage = usage_lines(work, before);
    let (_, end) = items::period(before);
    let interval = items::interval(&subscription);
    if interval != items::interval(before) {
        subscription["billing_cycle_anchor"] = json!(end);
    }
    let next = interval.next_boundary(subscription.whole("billing_cycle_anchor"), end);
    let old_period = items::period(before);
    items::set_period(&mut subscription, (end, next));
    items::forget_debits(&mut subscription);
    if before.text("status") == "trialing" {
        subscription["status"] = json!("active");
    }
    work.put("subscription", subscription.clone());
    let invoice = bill_period(work, &subscription, usage, old_period, "subscription_cycle");
    let invoice = invoice.text("id").to_owned();
    let after = work.known("subscription", id);
    work.tell_change("customer.subscription.updated", before, &after);
    start::remind_of_period(work, &after);
    finalize_in_an_hour(work, &invoice);
}

/// What the metered items used in the period that ends.
pub fn usage_lines(work: &mut Work, subscription: &Value) -> Vec<Value> {
    let period = items::period(subscription);
    let until = period.1.min(work.now);
    let metered: Vec<Value> =
        subscription.list("items.data").iter().filter(|item| items::is_metered(item)).cloned().collect();
    metered.iter().map(|item| lines::of_usage(work, subscription, item, (period.0, until))).collect()
}

/// Puts the draft for the current period: usage of the last one, the items, and what was pending.
pub fn bill_period(
    work: &mut Work,
    subscription: &Value,
    usage: Vec<Value>,
    period: (i64, i64),
    reason: &str,
) -> Value {
    let customer = work.known("customer", subscription.text("customer"));
    let mut all = invoice_items::take_pending(work, subscription);
    all.extend(period_lines(work, subscription));
    all.extend(usage);
    let draft = drafts::Draft {
        customer: &customer,
        subscription,
        reason,
        currency: subscription.text("currency"),
        period,
        lines: all,
        discounts: discounts::of_subscription(work, subscription, work.now),
        has_automatic_tax: subscription.is("automatic_tax.enabled"),
    };
    let invoice = drafts::make(work, draft);
    invoice_items::now_on(work, invoice.text("id"));
    let mut after = work.known("subscription", subscription.text("id"));
    let fresh: Vec<Value> = invoice.list("lines.data").iter().filter(|line| !is_proration(line)).cloned().collect();
    items::note_debits(&mut after, &fresh);
    after["discounts"] =
        discounts::of_subscription(work, &after, work.now).iter().map(|discount| discount["id"].clone()).collect();
    work.put("subscription", after);
    invoice
}

fn is_proration(line: &Value) -> bool {
    line.is("parent.subscription_item_details.proration")
}

/// The items of the current period, which are paid ahead.
pub fn period_lines(work: &mut Work, subscription: &Value) -> Vec<Value> {
    let period = items::period(subscription);
    let ahead: Vec<Value> =
        subscription.list("items.data").iter().filter(|item| !items::is_metered(item)).cloned().collect();
    ahead.iter().map(|item| lines::of_period(work, subscription, item, period)).collect()
}

pub fn finalize_in_an_hour(work: &mut Work, invoice: &str) {
    let at = work.now + DRAFT_SECONDS;
    work.set("invoice", invoice, json!({ "automatically_finalizes_at": at, "next_payment_attempt": at }));
    work.remind(at, Task::FinalizeInvoice, invoice);
}

/// A draft's hour is over: it is opened and collected, unless collection is paused.
pub fn finalize_due(work: &mut Work, id: &str) {
    let invoice = work.known("invoice", id);
    if invoice.text("status") != "draft" || invoice.opt_whole("automatically_finalizes_at") != Some(work.now) {
        return;
    }
    let subscription = work.known("subscription", invoice.text("parent.subscription_details.subscription"));
    match subscription.text("pause_collection.behavior") {
        "keep_as_draft" => {
            work.set(
                "invoice",
                id,
                json!({ "auto_advance": false, "automatically_finalizes_at": null, "next_payment_attempt": null }),
            );
            return;
        }
        behavior @ ("void" | "mark_uncollectible") => {
            let is_void = behavior == "void";
            if finalizing::finalize(work, id, None).text("status") == "open" {
                match is_void {
                    true => paying::close(work, id, "void", "invoice.voided"),
                    false => paying::close(work, id, "uncollectible", "invoice.marked_uncollectible"),
                };
            }
            return;
        }
        _ => {}
    }
    if subscription.text("status") == "unpaid" {
        work.set(
            "invoice",
            id,
            json!({ "auto_advance": false, "automatically_finalizes_at": null, "next_payment_attempt": null }),
        );
        return;
    }
    let invoice = finalizing::finalize(work, id, None);
    if invoice.text("status") == "open" && invoice.text("collection_method") == "charge_automatically" {
        paying::collect(work, id, None, Owner::Away, paying::Cause::Schedule);
    }
}

/// The moment that `cancel_at` names, when it is not a period's end.
pub fn cancel_due(work: &mut Work, id: &str) {
    let subscription = work.known("subscription", id);
    if subscription.opt_whole("cancel_at") == Some(work.now) && !cancel::has_ended(&subscription) {
        cancel::end(work, id, cancel::Reason::Requested);
        cancel::bill_what_is_left(work, id, false);
    }
}

/// Three days before a trial ends.
pub fn trial_will_end(work: &mut Work, id: &str) {
    let subscription = work.known("subscription", id);
    if subscription.text("status") == "trialing" && subscription.whole("trial_end") - 3 * 86_400 == work.now {
        work.tell("customer.subscription.trial_will_end", &subscription);
    }
}

/// A week before the period ends: what the next invoice would be.
pub fn invoice_upcoming(work: &mut Work, id: &str) {
    let subscription = work.known("subscription", id);
    let (_, end) = items::period(&subscription);
    let goes_on = ["active", "trialing", "past_due"].contains(&subscription.text("status"));
    if !goes_on || end - 7 * 86_400 != work.now || subscription.opt_whole("cancel_at").is_some_and(|at| at <= end) {
        return;
    }
    let upcoming = super::super::invoices::preview::upcoming(work, &subscription);
    work.tell("invoice.upcoming", &upcoming);
}

/// A pause of collection that was to end now.
pub fn resume_collection(work: &mut Work, id: &str) {
    let before = work.known("subscription", id);
    if before.opt_whole("pause_collection.resumes_at") == Some(work.now) {
        let after = work.set("subscription", id, json!({ "pause_collection": null }));
        work.tell_change("customer.subscription.updated", &before, &after);
    }
}

/// The invoice of a subscription that was resumed is paid.
pub fn has_resumed(work: &mut Work, before: &Value) {
    let after = work.set("subscription", before.text("id"), json!({ "status": "active", "_resume_invoice": null }));
    work.tell_change("customer.subscription.updated", before, &after);
    work.tell("customer.subscription.resumed", &after);
}
