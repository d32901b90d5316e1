//! `POST /v1/subscriptions/{id}`: settings first, then the change of items, period or trial with its invoice.

use serde_json::{Value, json};

use super::super::discounts;
use super::super::fields::Fields;
use super::super::params::Params;
use super::super::payment_intents::Owner;
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::super::state::Task;
use super::super::work::Work;
use super::change::{self, Change, PaymentBehavior, Trial};
use super::{cancel, items, settings};

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = work.find("subscription", &request.id, "id")?;
    change_by(work, &before, &request.params)
}

/// Changes a subscription as the parameters say and tells of it once.
pub fn change_by(work: &mut Work, before: &Value, params: &Params) -> Result<Value, Refusal> {
    let id = before.text("id");
    let customer = work.known("customer", before.text("customer"));
    work.live_by(&customer);
    if cancel::has_ended(before) {
        let only_metadata = params.tree().as_object().is_some_and(|given| {
            given.keys().all(|key| ["metadata", "cancellation_details", "expand"].contains(&key.as_str()))
        });
        if !only_metadata {
            let message = "A canceled subscription can only update its cancellation_details and metadata.";
            return Err(Refusal::invalid(message));
        }
    }
    check_pending_if_incomplete(params)?;
    let mut subscription = before.clone();
    take_settings(work, params, &mut subscription)?;
    take_cancellation(work, params, &mut subscription)?;
    take_pause(work, params, &mut subscription)?;
    work.put("subscription", subscription.clone());
    if let Some(change) = wanted_change(work, params, &subscription)? {
        let behavior = settings::payment_behavior(params)?;
        let owner = if params.flag("off_session")? == Some(true) { Owner::Away } else { Owner::Present };
        change::carry_out_and_collect(work, &subscription, &change, behavior, owner)?;
    }
    let mut after = work.known("subscription", id);
    if after.is("cancel_at_period_end") {
        // The end of the period may have moved.
        after = work.set("subscription", id, json!({ "cancel_at": after["_period"]["end"] }));
    }
    work.tell_change("customer.subscription.updated", before, &after);
    Ok(after)
}

/// What waits for payment may change nothing but items and trial.
fn check_pending_if_incomplete(params: &Params) -> Result<(), Refusal> {
    const ALLOWED: [&str; 8] = [
        "items",
        "payment_behavior",
        "proration_behavior",
        "proration_date",
        "billing_cycle_anchor",
        "trial_end",
        "expand",
        "off_session",
    ];
    if settings::payment_behavior(params)? != PaymentBehavior::Pending {
        return Ok(());
    }
    let given = params.tree().as_object().into_iter().flat_map(|given| given.keys());
    match given.into_iter().find(|key| !ALLOWED.contains(&key.as_str())) {
        Some(key) => {
            let message =
                format!("The parameter {key} is not supported with `payment_behavior=pending_if_incomplete`.");
            Err(Refusal::invalid(message).param(key))
        }
        None => Ok(()),
    }
}

/// The change of items, period or trial that is asked for, if any is.
pub fn wanted_change(work: &mut Work, params: &Params, subscription: &Value) -> Result<Option<Change>, Refusal> {
    let trial = settings::trial_change(work, params)?;
    let restarts_now = params.one_of("billing_cycle_anchor.type", &["now", "unchanged"])? == Some("now");
    let names_items = params.is_given("items");
    if !names_items && trial == Trial::Unchanged && !restarts_now {
        return Ok(None);
    }
    let at = proration_moment(work, params, subscription)?;
    let items = settings::changed_items(work, params, subscription)?;
    if items == subscription.list("items.data") && trial == Trial::Unchanged && !restarts_now {
        return Ok(None);
    }
    Ok(Some(Change { items, prorations: settings::prorations(params)?, at, restarts_now, trial }))
}

fn proration_moment(work: &Work, params: &Params, subscription: &Value) -> Result<i64, Refusal> {
    let Some(at) = params.moment("proration_date")? else { return Ok(work.now) };
    let (start, end) = items::period(subscription);
    if !(start..=end).contains(&at) {
        let message = "Cannot specify `proration_date` outside of current subscription period.";
        return Err(Refusal::invalid(message).param("proration_date"));
    }
    Ok(at)
}

fn take_settings(work: &mut Work, params: &Params, subscription: &mut Value) -> Result<(), Refusal> {
    let customer = subscription.text("customer").to_owned();
    if let Some(method) = settings::default_method(work, params, &customer)? {
        subscription["default_payment_method"] = json!(method);
    } else if params.is_unset("default_payment_method") {
        subscription["default_payment_method"] = Value::Null;
    }
    if params.is_given("description") {
        subscription["description"] = json!(params.text("description"));
    }
    if let Some(enabled) = params.flag("automatic_tax.enabled")? {
        subscription["automatic_tax"]["enabled"] = json!(enabled);
        subscription["automatic_tax"]["liability"] = if enabled { json!({ "type": "self" }) } else { Value::Null };
    }
    if let Some(method) = params.one_of("collection_method", &["charge_automatically", "send_invoice"])? {
        subscription["collection_method"] = json!(method);
    }
    if let Some(days) = params.whole("days_until_due")? {
        subscription["days_until_due"] = json!(days);
    }
    if let Some(saves) = settings::saves_method(params)? {
        let word = if saves { "on_subscription" } else { "off" };
        subscription["payment_settings"]["save_default_payment_method"] = json!(word);
    }
    if params.is_given("discounts") {
        let discounts = discounts::named(work, params, &customer)?;
        for discount in &discounts {
            work.set("discount", discount.text("id"), json!({ "subscription": subscription["id"] }));
        }
        subscription["discounts"] = discounts.iter().map(|discount| discount["id"].clone()).collect();
    }
    if params.is_given("trial_settings") {
        let behavior = settings::missing_payment_method(params)?;
        subscription["trial_settings"]["end_behavior"]["missing_payment_method"] = json!(behavior);
    }
    subscription["metadata"] = params.metadata(subscription.at("metadata"));
    Ok(())
}

fn take_cancellation(work: &mut Work, params: &Params, subscription: &mut Value) -> Result<(), Refusal> {
    for name in ["comment", "feedback"] {
        if params.is_given(&format!("cancellation_details.{name}")) {
            subscription["cancellation_details"][name] = json!(params.text(&format!("cancellation_details.{name}")));
        }
    }
    let period_end = subscription["_period"]["end"].clone();
    let at_period_end = params.flag("cancel_at_period_end")?;
    let at = match params.text("cancel_at") {
        Some("min_period_end" | "max_period_end" | "max_billed_until") => period_end.as_i64(),
        _ => params.moment("cancel_at")?,
    };
    if at_period_end == Some(true) && at.is_some() {
        let message = "You may only specify one of these parameters: cancel_at, cancel_at_period_end.";
        return Err(Refusal::invalid(message));
    }
    if at.is_some_and(|at| at < work.now) {
        return Err(Refusal::invalid("Invalid timestamp: cancel_at must be in the future.").param("cancel_at"));
    }
    let (at, is_at_end) = match (at_period_end, at) {
        (Some(true), _) => (period_end, true),
        (_, Some(at)) => (json!(at), false),
        (Some(false), None) => (Value::Null, false),
        (None, None) if params.is_unset("cancel_at") => (Value::Null, false),
        (None, None) => return Ok(()),
    };
    subscription["cancel_at_period_end"] = json!(is_at_end);
    subscription["canceled_at"] = if at.is_null() { Value::Null } else { json!(work.now) };
    subscription["cancellation_details"]["reason"] =
        if at.is_null() { Value::Null } else { json!("cancellation_requested") };
    if let Some(moment) = at.as_i64() {
        let id = subscription.text("id").to_owned();
        work.remind(moment, Task::CancelSubscription, &id);
    }
    subscription["cancel_at"] = at;
    Ok(())
}

fn take_pause(work: &mut Work, params: &Params, subscription: &mut Value) -> Result<(), Refusal> {
    if params.is_unset("pause_collection") {
        subscription["pause_collection"] = Value::Null;
    } else if params.is_given("pause_collection") {
        let pause = params.below("pause_collection");
        pause.required("behavior")?;
        let behavior = pause.one_of("behavior", &["keep_as_draft", "mark_uncollectible", "void"])?;
        let resumes_at = pause.moment("resumes_at")?;
        subscription["pause_collection"] = json!({ "behavior": behavior, "resumes_at": resumes_at });
        if let Some(at) = resumes_at {
            let id = subscription.text("id").to_owned();
            work.remind(at, Task::ResumeCollection, &id);
        }
    }
    Ok(())
}
