//! Requests about subscriptions that make, read and list them; updates are in [`super::update`], cancellations in
//! [`super::cancel`].

use serde_json::{Value, json};

use super::super::discounts;
use super::super::fields::Fields;
use super::super::invoices::{lines, paying};
use super::super::lists;
use super::super::params::Params;
use super::super::payment_intents::{self, Outcome, Owner};
use super::super::prices;
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::super::work::Work;
use super::start::{FirstPayment, Start};
use super::{items, settings, start};

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let customer = work.find("customer", params.required("customer")?, "customer")?;
    work.live_by(&customer);
    if !params.is_given("items") {
        return Err(Refusal::missing("items"));
    }
    let wanted = items::wanted(work, params)?;
    let plan = plan(work, params, customer, wanted)?;
    let payment = plan.payment;
    if payment != FirstPayment::Default && plan.collection_method != "send_invoice" {
        check_can_be_paid(work, &plan)?;
    }
    let (subscription, outcome) = start::start(work, plan)?;
    if payment == FirstPayment::Error {
        let invoice = work.known("invoice", subscription.text("latest_invoice"));
        if let Some(refusal) = payment_intents::refusal(work, invoice.text("_payment_intent"), outcome) {
            return Err(refusal);
        }
    }
    Ok(work.known("subscription", subscription.text("id")))
}

fn plan(work: &mut Work, params: &Params, customer: Value, wanted: Vec<items::Wanted>) -> Result<Start, Refusal> {
    let id = customer.text("id").to_owned();
    let choices = ["allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"];
    let payment = match params.one_of("payment_behavior", &choices)? {
        Some("default_incomplete") => FirstPayment::Default,
        Some("error_if_incomplete") => FirstPayment::Error,
        _ => FirstPayment::Allow,
    };
    let currency = params.text("currency").unwrap_or(wanted[0].price.text("currency")).to_lowercase();
    if wanted.iter().any(|wanted| wanted.price["_currency_options"][&currency].is_null()) {
        return Err(Refusal::invalid(format!("The price specified does not support the currency `{currency}`."))
            .param("currency"));
    }
    settings::check_currency(&customer, &currency)?;
    let collection = params.one_of("collection_method", &["charge_automatically", "send_invoice"])?;
    if let Some(anchor) = params.moment("billing_cycle_anchor")?.filter(|anchor| *anchor <= work.now) {
        let message = format!("Invalid timestamp: {anchor} must be in the future.");
        return Err(Refusal::invalid(message).param("billing_cycle_anchor"));
    }
    Ok(Start {
        discounts: discounts::named(work, params, &id)?,
        default_payment_method: settings::default_method(work, params, &id)?,
        trial_end: settings::trial_end(work, params)?,
        missing_payment_method: settings::missing_payment_method(params)?,
        extra_lines: extra_lines(work, params, &currency)?,
        items: wanted,
        currency,
        metadata: params.metadata(&json!({})),
        description: params.text("description").map(str::to_owned),
        has_automatic_tax: params.flag("automatic_tax.enabled")?.unwrap_or(false),
        billing_cycle_anchor: params.moment("billing_cycle_anchor")?,
        prorates: params.text("proration_behavior") != Some("none"),
        cancel_at: params.moment("cancel_at")?,
        cancel_at_period_end: params.flag("cancel_at_period_end")?.unwrap_or(false),
        collection_method: collection.unwrap_or("charge_automatically").to_owned(),
        days_until_due: params.whole("days_until_due")?,
        saves_method: settings::saves_method(params)?.unwrap_or(false),
        billing_mode: params.text("billing_mode.type").unwrap_or("flexible").to_owned(),
        payment,
        owner: if params.flag("off_session")? == Some(true) { Owner::Away } else { Owner::Present },
        intent: None,
        customer,
    })
}

/// One-time prices that go on the first invoice.
fn extra_lines(work: &mut Work, params: &Params, currency: &str) -> Result<Vec<Value>, Refusal> {
    let mut made = Vec::new();
    for given in params.each("add_invoice_items") {
        let price = match given.text("price") {
            Some(price) => work.find("price", price, &given.name("price"))?,
            None => prices::make_inline(work, &given.below("price_data"))?,
        };
        made.push(one_time_line(work, &price, items::quantity(&given)?.unwrap_or(1), currency));
    }
    Ok(made)
}

/// A line for a price that is paid once.
pub fn one_time_line(work: &mut Work, price: &Value, quantity: i64, currency: &str) -> Value {
    let (unit, _) = lines::unit_price(price, currency);
    let product = work.known("product", price.text("product"));
    let line = lines::Line {
        amount: super::super::money::times(&unit, quantity),
        currency,
        description: product.text("name").to_owned(),
        period: (work.now, work.now),
        quantity,
        price,
        unit_amount_decimal: unit,
        metadata: json!({}),
        is_discountable: true,
        parent: json!({
            "type": "invoice_item_details",
            "invoice_item_details": {
                "invoice_item": null, "proration": false, "proration_details": { "credited_items": null }, "subscription": null,
            },
            "subscription_item_details": null,
        }),
    };
    line.make(work)
}

/// Without a payment method there is nothing to try.
fn check_can_be_paid(work: &Work, plan: &Start) -> Result<(), Refusal> {
    let is_free = plan.trial_end.is_some()
        || plan.items.iter().all(|wanted| {
            let is_metered = wanted.price.text("recurring.usage_type") == "metered";
            is_metered || lines::unit_price(&wanted.price, &plan.currency).0 == "0"
        });
    let stand_in = json!({ "customer": plan.customer["id"], "default_payment_method": plan.default_payment_method });
    if is_free || paying::default_method(work, &stand_in).is_some() {
        return Ok(());
    }
    let message = "This customer has no attached payment source or default payment method. Please consider adding a default \
                   payment method.";
    Err(Refusal::invalid(message).code("resource_missing"))
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("subscription", &request.id, "id")
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let status = params.text("status");
    lists::list(work, params, "subscription", "/v1/subscriptions", |subscription| {
        let stands = match status {
            None => !super::cancel::has_ended(subscription),
            Some("all") => true,
            Some("ended") => super::cancel::has_ended(subscription),
            Some(status) => subscription.text("status") == status,
        };
        let has_price =
            |wanted: &str| subscription.list("items.data").iter().any(|item| item.text("price.id") == wanted);
        let (start, end) = items::period(subscription);
        Ok(stands
            && params.text("customer").is_none_or(|customer| subscription.text("customer") == customer)
            && params.text("collection_method").is_none_or(|method| subscription.text("collection_method") == method)
            && params.text("price").is_none_or(has_price)
            && (params.is_given("customer") || subscription.opt_text("test_clock") == params.text("test_clock"))
            && params.is_within("created", subscription.whole("created"))?
            && params.is_within("current_period_start", start)?
            && params.is_within("current_period_end", end)?)
    })
}

/// A paused subscription goes on: `POST /v1/subscriptions/{id}/resume`.
pub fn resume(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let before = work.find("subscription", &request.id, "id")?;
    let customer = work.known("customer", before.text("customer"));
    work.live_by(&customer);
    if before.text("status") != "paused" {
        return Err(Refusal::invalid("The subscription is not paused."));
    }
    params.one_of("billing_cycle_anchor.type", &["now", "unchanged"])?;
    let mut after = before.clone();
    let interval = items::interval(&after);
    let anchor = match params.text("billing_cycle_anchor.type") {
        Some("unchanged") => after.whole("billing_cycle_anchor"),
        _ => work.now,
    };
    after["billing_cycle_anchor"] = json!(anchor);
    items::forget_debits(&mut after);
    items::set_period(&mut after, (work.now, interval.next_boundary(anchor, work.now)));
    work.put("subscription", after.clone());
    start::remind_of_period(work, &after);
    let invoice = super::cycle::bill_period(work, &after, Vec::new(), (work.now, work.now), "subscription_update");
    let invoice = invoice.text("id").to_owned();
    work.set("subscription", &request.id, json!({ "_resume_invoice": invoice }));
    let opened = super::super::invoices::finalizing::finalize(work, &invoice, None);
    if opened.text("status") == "open" {
        let outcome = paying::collect(work, &invoice, None, Owner::Away, paying::Cause::Request);
        debug_assert!(outcome != Outcome::Succeeded || work.known("invoice", &invoice).text("status") == "paid");
    }
    Ok(work.known("subscription", &request.id))
}
