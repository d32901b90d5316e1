//! What is credited for time that was paid and is not used, and charged for the time that is left: to the second,
//! rounded half up to the minor unit.
//!
//! With the flexible billing mode a credit is a share of what was really charged for the period; with the classic one a
//! share of the price.

use serde_json::{Value, json};

use super::super::discounts;
use super::super::fields::Fields;
use super::super::invoice_items;
use super::super::invoices::lines;
use super::super::money;
use super::super::periods::day;
use super::super::work::Work;
use super::items;

/// Pending items that credit the unused time of every item.
pub fn credits(work: &mut Work, subscription: &Value, at: i64) -> Vec<Value> {
    let all = subscription.list("items.data").to_vec();
    all.iter().filter_map(|item| credit(work, subscription, item, at)).collect()
}

/// A pending item that credits the unused time of one item. None where there is nothing to credit.
pub fn credit(work: &mut Work, subscription: &Value, item: &Value, at: i64) -> Option<Value> {
    let amount = match subscription.text("billing_mode.type") {
        "classic" => share_of_price(subscription, item, at),
        _ => share_of_debits(item, at),
    };
    let name = work.known("product", item.text("price.product")).text("name").to_owned();
    let description = format!("Unused time on {}{name} after {}", counted(item), day(at));
    (amount != 0).then(|| make(work, subscription, item, at, -amount, description, false))
}

/// A pending item that charges the time that is left at the item's price, and what was charged less discounts.
pub fn charge(work: &mut Work, subscription: &Value, item: &Value, at: i64) -> (Value, Value) {
    let amount = share_of_price(subscription, item, at);
    let name = work.known("product", item.text("price.product")).text("name").to_owned();
    let description = format!("Remaining time on {}{name} after {}", counted(item), day(at));
    let mut line = [json!({ "amount": amount, "discountable": true })];
    let held = discounts::of_subscription(work, subscription, at);
    let discount: i64 = discounts::spread(&mut line, &held).iter().map(|discount| discount.whole("amount")).sum();
    let debit = json!({
        "amount": amount - discount, "start": at, "end": item["current_period_end"],
        "price": item["price"]["id"], "quantity": item["quantity"],
    });
    (make(work, subscription, item, at, amount, description, true), debit)
}

fn counted(item: &Value) -> String {
    match item.whole("quantity") {
        1 => String::new(),
        quantity => format!("{quantity} × "),
    }
}

/// The share of the item's price that the time from a moment to the period's end has.
fn share_of_price(subscription: &Value, item: &Value, at: i64) -> i64 {
    if items::is_metered(item) {
        return 0;
    }
    let (start, end) = items::period(subscription);
    // A first period that is shorter than the others is a part of a whole one.
    let is_short = subscription.whole("start_date") == start && subscription.whole("billing_cycle_anchor") == end;
    let whole_start = if is_short { items::interval(subscription).after(end, -1) } else { start };
    let (unit, _) = lines::unit_price(&item["price"], subscription.text("currency"));
    money::share(money::times(&unit, item.whole("quantity")), end - at, end - whole_start)
}

fn share_of_debits(item: &Value, at: i64) -> i64 {
    let open = item.list("_debits").iter().filter(|debit| debit.whole("end") > at);
    open.map(|debit| {
        let (start, end) = (debit.whole("start"), debit.whole("end"));
        money::share(debit.whole("amount"), end - at.max(start), end - start)
    })
    .sum()
}

fn make(
    work: &mut Work,
    subscription: &Value,
    item: &Value,
    at: i64,
    amount: i64,
    description: String,
    is_discountable: bool,
) -> Value {
    let quantity = item.whole("quantity").max(1);
    let unit = money::decimal(&amount.to_string()).unwrap_or_default() / i128::from(quantity);
    json!({
        "id": work.id("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": subscription["currency"],
        "customer": subscription["customer"],
        "customer_account": null,
        "date": work.now,
        "description": description,
        "discountable": is_discountable,
        "discounts": [],
        "invoice": null,
        "livemode": false,
        "metadata": subscription["metadata"],
        "net_amount": amount,
        "parent": invoice_items::parent(subscription),
        "period": { "start": at, "end": item["current_period_end"] },
        "pricing": {
            "type": "price_details", "unit_amount_decimal": money::shown(unit),
            "price_details": { "price": item["price"]["id"], "product": item["price"]["product"] },
        },
        "proration": true,
        "quantity": quantity,
        "quantity_decimal": quantity.to_string(),
        "tax_rates": [],
        "test_clock": subscription["test_clock"],
        "_subscription_item": item["id"],
    })
}
