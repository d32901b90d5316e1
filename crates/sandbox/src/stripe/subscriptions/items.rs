//! What a subscription consists of: prices with quantities.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::params::Params;
use super::super::periods::Interval;
use super::super::prices;
use super::super::refusal::Refusal;
use super::super::work::Work;

/// An item before it is part of a subscription.
pub struct Wanted {
    pub price: Value,
    pub quantity: i64,
    pub metadata: Value,
}

/// The items that a request names under `items`.
pub fn wanted(work: &mut Work, params: &Params) -> Result<Vec<Wanted>, Refusal> {
    let mut wanted = Vec::new();
    for given in params.each("items") {
        let price = price(work, &given)?.ok_or_else(|| Refusal::missing(&given.name("price")))?;
        wanted.push(Wanted { quantity: quantity(&given)?.unwrap_or(1), metadata: given.metadata(&json!({})), price });
    }
    check_together(&wanted.iter().map(|wanted| &wanted.price).collect::<Vec<_>>())?;
    Ok(wanted)
}

pub fn quantity(given: &Params) -> Result<Option<i64>, Refusal> {
    let quantity = given.whole("quantity")?;
    if quantity.is_some_and(|quantity| quantity < 0) {
        let refusal = Refusal::invalid("Invalid non-negative integer").code("parameter_invalid_integer");
        return Err(refusal.param(&given.name("quantity")));
    }
    Ok(quantity)
}

/// The recurring price that an item names, or makes in place.
pub fn price(work: &mut Work, given: &Params) -> Result<Option<Value>, Refusal> {
    let price = match (given.text("price"), given.is_given("price_data")) {
        (Some(price), _) => {
            let price = work.find("price", price, &given.name("price"))?;
            if !price.is("active") {
                let message = "The price specified is inactive. This field only accepts active prices.";
                return Err(Refusal::invalid(message).code("price_inactive").param(&given.name("price")));
            }
            price
        }
        (None, true) => prices::make_inline(work, &given.below("price_data"))?,
        (None, false) => return Ok(None),
    };
    if price.text("type") != "recurring" {
        let message =
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.";
        return Err(Refusal::invalid(message).param(&given.name("price")));
    }
    Ok(Some(price))
}

/// Prices of one subscription have one interval and one currency.
pub fn check_together(prices: &[&Value]) -> Result<(), Refusal> {
    let Some((first, rest)) = prices.split_first() else { return Ok(()) };
    if rest.iter().any(|price| Interval::of(price) != Interval::of(first)) {
        return Err(Refusal::not_supported("Mixing billing intervals in one subscription").param("items"));
    }
    if rest.iter().any(|price| price["currency"] != first["currency"]) {
        let message = "All prices on a subscription must have the same `currency`.";
        return Err(Refusal::invalid(message).param("items"));
    }
    Ok(())
}

/// A new item of a subscription in its current period.
pub fn make(work: &mut Work, subscription: &str, wanted: &Wanted, period: (i64, i64)) -> Value {
    let is_metered = wanted.price.text("recurring.usage_type") == "metered";
    let mut item = json!({
        "id": work.id("si"),
        "object": "subscription_item",
        "billed_until": null,
        "billing_thresholds": null,
        "created": work.now,
        "current_period_end": period.1,
        "current_period_start": period.0,
        "current_trial": null,
        "discounts": [],
        "metadata": wanted.metadata,
        "plan": prices::plan(&wanted.price),
        "price": wanted.price,
        "subscription": subscription,
        "tax_rates": [],
        // What was really charged for the current period, for credits.
        "_debits": [],
    });
    if !is_metered {
        item["quantity"] = json!(wanted.quantity);
    }
    item
}

pub fn is_metered(item: &Value) -> bool {
    item.text("price.recurring.usage_type") == "metered"
}

/// Sets the period of a subscription and of all its items.
pub fn set_period(subscription: &mut Value, period: (i64, i64)) {
    subscription["_period"] = json!({ "start": period.0, "end": period.1 });
    for item in subscription["items"]["data"].as_array_mut().expect("a subscription has items") {
        item["current_period_start"] = json!(period.0);
        item["current_period_end"] = json!(period.1);
    }
}

pub fn period(subscription: &Value) -> (i64, i64) {
    (subscription.whole("_period.start"), subscription.whole("_period.end"))
}

pub fn interval(subscription: &Value) -> Interval {
    Interval::of(subscription.at("items.data.0.price"))
}

/// Notes on each item what its lines charged, less discounts, for later credits.
pub fn note_debits(subscription: &mut Value, lines: &[Value]) {
    for item in subscription["items"]["data"].as_array_mut().expect("a subscription has items") {
        for line in lines {
            let path = "parent.subscription_item_details.subscription_item";
            if line.text(path) != item.text("id") || line.whole("amount") < 0 || is_metered(item) {
                continue;
            }
            let discount: i64 = line.list("discount_amounts").iter().map(|discount| discount.whole("amount")).sum();
            let debit = json!({
                "amount": line.whole("amount") - discount,
                "start": line.whole("period.start"),
                "end": line.whole("period.end"),
                "price": item["price"]["id"],
                "quantity": item["quantity"],
            });
            item["_debits"].as_array_mut().expect("an item is made with them").push(debit);
        }
    }
}

/// A new period begins with nothing charged.
pub fn forget_debits(subscription: &mut Value) {
    for item in subscription["items"]["data"].as_array_mut().expect("a subscription has items") {
        item["_debits"] = json!([]);
    }
}
