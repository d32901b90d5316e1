//! What requests to make and to update a subscription have in common, read from their parameters.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::params::Params;
use super::super::payment_methods;
use super::super::periods::DAY;
use super::super::refusal::Refusal;
use super::super::work::Work;
use super::change::{PaymentBehavior, Prorations, Trial};
use super::items;

/// The end of a trial that begins now. `trial_end=now` is no trial.
pub fn trial_end(work: &Work, params: &Params) -> Result<Option<i64>, Refusal> {
    if let Some(days) = params.whole("trial_period_days")? {
        if !(0..=730).contains(&days) {
            return Err(Refusal::invalid("Invalid trial_period_days").param(&params.name("trial_period_days")));
        }
        return Ok((days > 0).then_some(work.now + days * DAY));
    }
    match params.text("trial_end") {
        None | Some("now") => Ok(None),
        Some(_) => {
            let end = params.moment("trial_end")?.unwrap_or_default();
            if end <= work.now {
                let message = "Invalid timestamp: must be an integer Unix timestamp in the future.";
                return Err(Refusal::invalid(message).param(&params.name("trial_end")));
            }
            Ok(Some(end))
        }
    }
}

pub fn trial_change(work: &Work, params: &Params) -> Result<Trial, Refusal> {
    Ok(match params.text("trial_end") {
        None => Trial::Unchanged,
        Some("now") => Trial::Now,
        Some(_) => trial_end(work, params)?.map_or(Trial::Unchanged, Trial::Until),
    })
}

pub fn missing_payment_method(params: &Params) -> Result<String, Refusal> {
    let path = "trial_settings.end_behavior.missing_payment_method";
    let choice = params.one_of(path, &["cancel", "create_invoice", "pause"])?;
    Ok(choice.unwrap_or("create_invoice").to_owned())
}

/// A payment method of the customer's own.
pub fn default_method(work: &mut Work, params: &Params, customer: &str) -> Result<Option<String>, Refusal> {
    let Some(method) = params.text("default_payment_method") else { return Ok(None) };
    let found = payment_methods::find(work, method, "default_payment_method")?;
    if found.opt_text("customer") != Some(customer) {
        let message = format!(
            "The customer does not have a payment method with the ID {method}. The payment method must be attached to the \
             customer."
        );
        return Err(Refusal::invalid(message).code("resource_missing").param("default_payment_method"));
    }
    Ok(Some(found.text("id").to_owned()))
}

/// A customer is billed in one currency.
pub fn check_currency(customer: &Value, currency: &str) -> Result<(), Refusal> {
    match customer.opt_text("currency") {
        Some(known) if known != currency => {
            let message = format!(
                "You cannot combine currencies on a single customer. This customer has had a subscription, coupon, or invoice \
                 item with currency {known}"
            );
            Err(Refusal::invalid(message))
        }
        _ => Ok(()),
    }
}

/// `payment_settings[save_default_payment_method]`.
pub fn saves_method(params: &Params) -> Result<Option<bool>, Refusal> {
    let choice = params.one_of("payment_settings.save_default_payment_method", &["off", "on_subscription"])?;
    Ok(choice.map(|choice| choice == "on_subscription"))
}

pub fn prorations(params: &Params) -> Result<Prorations, Refusal> {
    let choice = params.one_of("proration_behavior", &["create_prorations", "always_invoice", "none"])?;
    Ok(match choice {
        Some("always_invoice") => Prorations::InvoiceAlways,
        Some("none") => Prorations::None,
        _ => Prorations::Create,
    })
}

pub fn payment_behavior(params: &Params) -> Result<PaymentBehavior, Refusal> {
    let choices = ["allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"];
    Ok(match params.one_of("payment_behavior", &choices)? {
        Some("default_incomplete") => PaymentBehavior::Default,
        Some("error_if_incomplete") => PaymentBehavior::Error,
        Some("pending_if_incomplete") => PaymentBehavior::Pending,
        _ => PaymentBehavior::Allow,
    })
}

/// The items afterwards: those that are named change, others stay, new ones are added.
pub fn changed_items(work: &mut Work, params: &Params, subscription: &Value) -> Result<Vec<Value>, Refusal> {
    let mut after = subscription.list("items.data").to_vec();
    let period = items::period(subscription);
    for given in params.each("items") {
        let price = items::price(work, &given)?;
        let quantity = items::quantity(&given)?;
        let Some(id) = given.text("id") else {
            let price = price.ok_or_else(|| Refusal::missing(&given.name("price")))?;
            let metadata = given.metadata(&json!({}));
            let wanted = items::Wanted { price, quantity: quantity.unwrap_or(1), metadata };
            if after.iter().any(|item| item["price"]["id"] == wanted.price["id"]) {
                let message = format!(
                    "The price you specified ({}) is already in use by another item of this subscription.",
                    wanted.price.text("id")
                );
                return Err(Refusal::invalid(message).param(&given.name("price")));
            }
            let item = items::make(work, subscription.text("id"), &wanted, period);
            after.push(item);
            continue;
        };
        let place = after.iter().position(|item| item.text("id") == id);
        let place = place.ok_or_else(|| Refusal::no_such("subscription_item", id, &given.name("id")))?;
        if given.flag("deleted")? == Some(true) {
            after.remove(place);
            continue;
        }
        change_item(&mut after[place], &given, price, quantity);
    }
    if after.is_empty() {
        let message =
            "A subscription must have at least one active plan. To cancel a subscription, use the cancel API endpoint.";
        return Err(Refusal::invalid(message).param("items"));
    }
    items::check_together(&after.iter().map(|item| &item["price"]).collect::<Vec<_>>())?;
    let currency = subscription.text("currency");
    if let Some(other) = after.iter().find(|item| item["price"]["_currency_options"][currency].is_null()) {
        let message = format!(
            "The price specified only supports `{}`. This doesn't match the expected currency: `{currency}`.",
            other.text("price.currency")
        );
        return Err(Refusal::invalid(message).param("items"));
    }
    Ok(after)
}

fn change_item(item: &mut Value, given: &Params, price: Option<Value>, quantity: Option<i64>) {
    if let Some(price) = price {
        item["plan"] = super::super::prices::plan(&price);
        item["price"] = price;
        // A quantity that is not named is kept.
        if item["quantity"].is_null() && !items::is_metered(item) {
            item["quantity"] = json!(1);
        }
    }
    if let Some(quantity) = quantity {
        item["quantity"] = json!(quantity);
    }
    if items::is_metered(item) {
        item.as_object_mut().expect("an item is an object").remove("quantity");
    }
    item["metadata"] = given.metadata(item.at("metadata"));
}
