//! What a customer does in the billing portal: change plan, cancel, take that back, use another card.
//!
//! Each is done as its configuration says, by the page and by tests alike.

use serde_json::{Value, json};

use super::cards;
use super::customers;
use super::fields::Fields;
use super::invoices::preview;
use super::params::Params;
use super::payment_methods;
use super::refusal::Refusal;
use super::request::Request;
use super::subscriptions::{cancel, update};
use super::work::Work;

/// The session, its configuration and its customer, whose time this work has from here on.
pub struct Visit {
    pub session: Value,
    pub configuration: Value,
    pub customer: Value,
}

pub fn enter(work: &mut Work, session: &str) -> Result<Visit, Refusal> {
    let session = work.find("billing_portal.session", session, "session")?;
    let customer = work.find("customer", session.text("customer"), "customer")?;
    work.live_by(&customer);
    let configuration = work.known("billing_portal.configuration", session.text("configuration"));
    Ok(Visit { session, configuration, customer })
}

impl Visit {
    /// Refused unless the configuration has this feature.
    fn check(&self, feature: &str) -> Result<(), Refusal> {
        match self.configuration.is(&format!("features.{feature}.enabled")) {
            true => Ok(()),
            false => Err(Refusal::invalid(format!("The portal's configuration does not allow {feature}."))),
        }
    }

    fn subscription(&self, work: &Work, id: &str) -> Result<Value, Refusal> {
        let subscription = work.find("subscription", id, "subscription")?;
        match subscription["customer"] == self.customer["id"] {
            true => Ok(subscription),
            false => Err(Refusal::no_such("subscription", id, "subscription")),
        }
    }

    /// The customer's subscriptions that have not ended, newest first.
    pub fn subscriptions(&self, work: &Work) -> Vec<Value> {
        let theirs = work.state.owned("subscription", self.customer.text("id")).rev();
        theirs.filter(|subscription| !cancel::has_ended(subscription)).cloned().collect()
    }

    /// Prices that the customer may change to.
    pub fn choices(&self, work: &Work) -> Vec<Value> {
        if self.check("subscription_update").is_err() {
            return Vec::new();
        }
        let products = self.configuration.list("features.subscription_update.products");
        let ids = products.iter().flat_map(|product| product.list("prices"));
        ids.filter_map(|id| work.get("price", id.as_str()?).cloned()).collect()
    }
}

fn change_form(visit: &Visit, subscription: &Value, price: &str) -> Value {
    let behavior = visit.configuration.text("features.subscription_update.proration_behavior");
    json!({ "items": [{ "id": subscription["items"]["data"][0]["id"], "price": price }], "proration_behavior": behavior })
}

fn check_choice(work: &Work, visit: &Visit, price: &str) -> Result<(), Refusal> {
    visit.check("subscription_update")?;
    match visit.choices(work).iter().any(|choice| choice.text("id") == price) {
        true => Ok(()),
        false => Err(Refusal::invalid("The portal's configuration does not offer this price.").param("price")),
    }
}

/// What a change would cost.
pub fn preview_change(work: &mut Work, session: &str, subscription: &str, price: &str) -> Result<Value, Refusal> {
    let visit = enter(work, session)?;
    check_choice(work, &visit, price)?;
    let subscription = visit.subscription(work, subscription)?;
    let form = json!({ "subscription": subscription["id"], "subscription_details": change_form(&visit, &subscription, price) });
    preview::create(work, &Request { id: String::new(), params: Params::new(form) })
}

pub fn change(work: &mut Work, session: &str, subscription: &str, price: &str) -> Result<Value, Refusal> {
    let visit = enter(work, session)?;
    check_choice(work, &visit, price)?;
    let subscription = visit.subscription(work, subscription)?;
    let mut form = change_form(&visit, &subscription, price);
    form["payment_behavior"] = json!("error_if_incomplete");
    update::change_by(work, &subscription, &Params::new(form))
}

pub fn cancel(work: &mut Work, session: &str, subscription: &str) -> Result<Value, Refusal> {
    let visit = enter(work, session)?;
    visit.check("subscription_cancel")?;
    let subscription = visit.subscription(work, subscription)?;
    if visit.configuration.text("features.subscription_cancel.mode") == "immediately" {
        let prorates = visit.configuration.text("features.subscription_cancel.proration_behavior") != "none";
        let params = Params::new(json!({ "prorate": prorates.to_string(), "invoice_now": prorates.to_string() }));
        return cancel::request(work, &Request { id: subscription.text("id").to_owned(), params });
    }
    update::change_by(work, &subscription, &Params::new(json!({ "cancel_at_period_end": "true" })))
}

/// Takes a cancellation at the period's end back.
pub fn resume(work: &mut Work, session: &str, subscription: &str) -> Result<Value, Refusal> {
    let visit = enter(work, session)?;
    let subscription = visit.subscription(work, subscription)?;
    update::change_by(work, &subscription, &Params::new(json!({ "cancel_at_period_end": "false" })))
}

/// Another card for everything that is still to be paid.
pub fn use_card(work: &mut Work, session: &str, number: &str) -> Result<Value, Refusal> {
    let visit = enter(work, session)?;
    visit.check("payment_method_update")?;
    let method = payment_methods::make(work, cards::by_number(number)?);
    let id = method.text("id").to_owned();
    let method = payment_methods::attach_named(work, &id, visit.customer.text("id"))?;
    customers::set_default_method(work, visit.customer.text("id"), &method);
    let after = work.known("customer", visit.customer.text("id"));
    work.tell_change("customer.updated", &visit.customer, &after);
    for subscription in visit.subscriptions(work) {
        if !subscription["default_payment_method"].is_null() {
            let after = work.set("subscription", subscription.text("id"), json!({ "default_payment_method": id }));
            work.tell_change("customer.subscription.updated", &subscription, &after);
        }
    }
    Ok(method)
}
