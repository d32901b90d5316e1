//! Open invoices are paid, or not: attempts, retries after 3, 5 and 7 days, and what the subscription makes of it.

use serde_json::{Value, json};

use super::super::cards::Decline;
use super::super::fields::Fields;
use super::super::payment_intents::{self, Outcome, Owner};
use super::super::periods::DAY;
use super::super::state::Task;
use super::super::subscriptions::standing;
use super::super::work::Work;
use super::payments;

/// Days from a failed attempt to the next.
const RETRY_DAYS: [i64; 3] = [3, 5, 7];

const NO_METHOD: Decline = Decline {
    code: "resource_missing",
    decline_code: "generic_decline",
    message: "This customer has no attached payment source or default payment method. Please consider adding a default \
              payment method.",
};

/// Who began an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The schedule of renewals and retries.
    Schedule,
    /// A request or a person.
    Request,
}

/// The payment method that an invoice is paid with when none is named.
pub fn default_method(work: &Work, invoice: &Value) -> Option<Value> {
    let subscription = invoice.text("parent.subscription_details.subscription");
    let named = [
        invoice.opt_text("default_payment_method").map(str::to_owned),
        work.get("subscription", subscription)
            .map(|subscription| subscription.text("default_payment_method").to_owned()),
        work.get("customer", invoice.text("customer"))
            .map(|customer| customer.text("invoice_settings.default_payment_method").to_owned()),
    ];
    let id = named.into_iter().flatten().find(|id| !id.is_empty())?;
    work.get("payment_method", &id).cloned()
}

/// Tries to take what is due, with this method or the default one.
pub fn collect(work: &mut Work, id: &str, method: Option<Value>, owner: Owner, cause: Cause) -> Outcome {
    let invoice = work.known("invoice", id);
    let count = invoice.whole("attempt_count");
    let counts = count == 0 || cause == Cause::Schedule;
    work.set("invoice", id, json!({ "attempted": true, "attempt_count": count + i64::from(counts) }));
    let intent = invoice.text("_payment_intent").to_owned();
    let outcome = match method.or_else(|| default_method(work, &invoice)) {
        Some(method) => payment_intents::attempt(work, &intent, &method, owner),
        None => Outcome::Declined(NO_METHOD),
    };
    settled(work, id, outcome);
    outcome
}

/// What follows from an attempt to pay an invoice.
pub fn settled(work: &mut Work, id: &str, outcome: Outcome) {
    if work.known("invoice", id).text("status") == "paid" {
        return;
    }
    match outcome {
        Outcome::Succeeded => mark_paid(work, id),
        Outcome::Processing => standing::payment_is_processing(work, id),
        Outcome::Declined(_) => fail(work, id, "invoice.payment_failed"),
        Outcome::RequiresAction => {
            let invoice = work.known("invoice", id);
            work.tell("invoice.payment_action_required", &invoice);
            fail(work, id, "invoice.payment_failed");
        }
    }
}

pub fn mark_paid(work: &mut Work, id: &str) {
    let before = work.known("invoice", id);
    let mut invoice = before.clone();
    let fields = json!({
        "status": "paid",
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "attempted": true,
        "auto_advance": false,
        "next_payment_attempt": null,
    });
    super::super::work::merge(&mut invoice, fields);
    invoice["status_transitions"]["paid_at"] = json!(work.now);
    work.put("invoice", invoice.clone());
    payments::mark_paid(work, id);
    work.tell_change("invoice.updated", &before, &invoice);
    work.tell("invoice.paid", &invoice);
    work.tell("invoice.payment_succeeded", &invoice);
    note_delinquency(work, &invoice, false);
    standing::invoice_is_paid(work, &invoice);
}

fn fail(work: &mut Work, id: &str, event: &str) {
    let before = work.known("invoice", id);
    let retry = next_attempt(work, &before);
    let invoice = work.set("invoice", id, json!({ "next_payment_attempt": retry }));
    work.tell_change("invoice.updated", &before, &invoice);
    work.tell(event, &invoice);
    if let Some(retry) = retry {
        work.remind(retry, Task::RetryInvoice, id);
    }
    note_delinquency(work, &invoice, true);
    let attempts = usize::try_from(invoice.whole("attempt_count")).unwrap_or_default();
    standing::invoice_has_failed(work, &invoice, retry.is_none() && attempts > RETRY_DAYS.len());
}

/// When it is tried again: never for a subscription's first invoice, nor once the retries are used up.
fn next_attempt(work: &Work, invoice: &Value) -> Option<i64> {
    let scheduled = invoice.opt_whole("next_payment_attempt").filter(|at| *at > work.now);
    if scheduled.is_some() {
        return scheduled;
    }
    if invoice.text("billing_reason") == "subscription_create" || !invoice.is("auto_advance") {
        return None;
    }
    let attempts = usize::try_from(invoice.whole("attempt_count")).unwrap_or_default();
    RETRY_DAYS.get(attempts.saturating_sub(1)).map(|days| work.now + days * DAY)
}

fn note_delinquency(work: &mut Work, invoice: &Value, has_failed: bool) {
    let before = work.known("customer", invoice.text("customer"));
    if before.is_null() || before.is("deleted") || before.is("delinquent") == has_failed {
        return;
    }
    let after = work.set("customer", before.text("id"), json!({ "delinquent": has_failed }));
    work.tell_change("customer.updated", &before, &after);
}

/// An invoice's next automatic attempt is due.
pub fn retry(work: &mut Work, id: &str) {
    let invoice = work.known("invoice", id);
    if invoice.text("status") == "open" && invoice.opt_whole("next_payment_attempt") == Some(work.now) {
        work.set("invoice", id, json!({ "next_payment_attempt": null }));
        collect(work, id, None, Owner::Away, Cause::Schedule);
    }
}

/// The invoice is no longer wanted: voided or given up.
pub fn close(work: &mut Work, id: &str, status: &str, event: &str) -> Value {
    let mut invoice = work.known("invoice", id);
    let transition = if status == "void" { "voided_at" } else { "marked_uncollectible_at" };
    super::super::work::merge(
        &mut invoice,
        json!({ "status": status, "auto_advance": false, "next_payment_attempt": null }),
    );
    invoice["status_transitions"][transition] = json!(work.now);
    work.put("invoice", invoice.clone());
    if status == "void" {
        payment_intents::cancel(work, invoice.text("_payment_intent"), "void_invoice");
        payments::mark_canceled(work, id);
    }
    work.tell(event, &invoice);
    invoice
}
