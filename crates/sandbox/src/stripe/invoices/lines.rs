//! Lines of an invoice: periods of a subscription's items, prorations, and invoice items.

use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::money;
use super::super::work::Work;

/// A line before it has an invoice.
pub struct Line<'a> {
    pub amount: i64,
    pub currency: &'a str,
    pub description: String,
    pub period: (i64, i64),
    pub quantity: i64,
    /// Null for an amount without a price.
    pub price: &'a Value,
    pub unit_amount_decimal: String,
    pub metadata: Value,
    pub is_discountable: bool,
    pub parent: Value,
}

impl Line<'_> {
    pub fn make(self, work: &mut Work) -> Value {
        let pricing = match self.price.is_null() {
            true => Value::Null,
            false => json!({
                "type": "price_details",
                "price_details": { "price": self.price["id"], "product": self.price["product"] },
                "unit_amount_decimal": self.unit_amount_decimal,
            }),
        };
        json!({
            "id": work.id("il"),
            "object": "line_item",
            "amount": self.amount,
            "currency": self.currency,
            "description": self.description,
            "discount_amounts": [],
            "discountable": self.is_discountable,
            "discounts": [],
            "invoice": null,
            "livemode": false,
            "metadata": self.metadata,
            "parent": self.parent,
            "period": { "start": self.period.0, "end": self.period.1 },
            "pretax_credit_amounts": [],
            "pricing": pricing,
            "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(),
            "subscription": parent_subscription(&self.parent),
            "subtotal": self.amount,
            "taxes": [],
        })
    }
}

fn parent_subscription(parent: &Value) -> Value {
    match parent.text("type") {
        "subscription_item_details" => parent["subscription_item_details"]["subscription"].clone(),
        _ => parent["invoice_item_details"]["subscription"].clone(),
    }
}

/// What a line for a subscription's item says of itself.
pub fn item_parent(subscription: &str, item: &str, invoice_item: Option<&str>, is_proration: bool) -> Value {
    json!({
        "type": "subscription_item_details",
        "invoice_item_details": null,
        "subscription_item_details": {
            "invoice_item": invoice_item,
            "proration": is_proration,
            "proration_details": { "credited_items": null },
            "subscription": subscription,
            "subscription_item": item,
        },
    })
}

/// What a line for an invoice item says of itself.
pub fn invoice_item_parent(item: &Value) -> Value {
    let subscription = item.at("parent.subscription_details.subscription");
    if item.is("proration") {
        let id = item.text("id");
        return item_parent(subscription.as_str().unwrap_or_default(), item.text("_subscription_item"), Some(id), true);
    }
    json!({
        "type": "invoice_item_details",
        "invoice_item_details": {
            "invoice_item": item["id"],
            "proration": false,
            "proration_details": { "credited_items": null },
            "subscription": subscription,
        },
        "subscription_item_details": null,
    })
}

/// The line that an invoice item becomes.
pub fn of_invoice_item(work: &mut Work, item: &Value) -> Value {
    let price = work.known("price", item.text("pricing.price_details.price"));
    let line = Line {
        amount: item.whole("amount"),
        currency: item.text("currency"),
        description: item.text("description").to_owned(),
        period: (item.whole("period.start"), item.whole("period.end")),
        quantity: item.whole("quantity"),
        price: &price,
        unit_amount_decimal: item.text("pricing.unit_amount_decimal").to_owned(),
        metadata: item["metadata"].clone(),
        is_discountable: item.is("discountable"),
        parent: invoice_item_parent(item),
    };
    let mut line = line.make(work);
    if line["pricing"].is_null() && !item["pricing"].is_null() {
        line["pricing"] = item["pricing"].clone();
    }
    line
}

/// A period of a subscription's item, at its full price.
pub fn of_period(work: &mut Work, subscription: &Value, item: &Value, period: (i64, i64)) -> Value {
    let price = &item["price"];
    let quantity = item.whole("quantity");
    let (unit, unit_amount) = unit_price(price, subscription.text("currency"));
    let is_trial = subscription.text("status") == "trialing";
    let product = work.known("product", price.text("product"));
    let name = product.text("name");
    let description = match is_trial {
        true => format!("Trial period for {name}"),
        false => format!("{quantity} × {name} (at {} / {})", unit_amount, price.text("recurring.interval")),
    };
    let line = Line {
        amount: if is_trial { 0 } else { money::times(&unit, quantity) },
        currency: subscription.text("currency"),
        description,
        period,
        quantity,
        price,
        unit_amount_decimal: if is_trial { "0".to_owned() } else { unit },
        metadata: subscription["metadata"].clone(),
        is_discountable: true,
        parent: item_parent(subscription.text("id"), item.text("id"), None, false),
    };
    line.make(work)
}

/// What was reported to a metered item's meter in a period. What was reported before the item was there is not billed, and
/// in a trial nothing is.
pub fn of_usage(work: &mut Work, subscription: &Value, item: &Value, period: (i64, i64)) -> Value {
    let price = &item["price"];
    let is_trial = subscription.text("status") == "trialing";
    let unit = if is_trial { "0".to_owned() } else { unit_price(price, subscription.text("currency")).0 };
    let product = work.known("product", price.text("product"));
    let line = Line {
        amount: 0,
        currency: subscription.text("currency"),
        description: product.text("name").to_owned(),
        period: (period.0.max(item.whole("created").min(period.1)), period.1),
        quantity: 0,
        price,
        unit_amount_decimal: unit,
        metadata: subscription["metadata"].clone(),
        is_discountable: true,
        parent: item_parent(subscription.text("id"), item.text("id"), None, false),
    };
    let mut line = line.make(work);
    count_usage(work, &mut line, price, subscription.text("customer"));
    line
}

/// Says on a metered line what its meter has by now.
fn count_usage(work: &Work, line: &mut Value, price: &Value, customer: &str) {
    let meter = work.known("billing.meter", price.text("recurring.meter"));
    let period = (line.whole("period.start"), line.whole("period.end"));
    let quantity = super::super::meters::total(work, &meter, customer, period);
    let unit = line.text("pricing.unit_amount_decimal").to_owned();
    let name = work.known("product", price.text("product")).text("name").to_owned();
    let (_, readable) = unit_price(price, line.text("currency"));
    let amount = money::times(&unit, quantity);
    let fields = json!({
        "amount": amount, "subtotal": amount, "quantity": quantity, "quantity_decimal": quantity.to_string(),
        "description": format!("{quantity} × {name} (at {readable} / {})", price.text("recurring.interval")),
    });
    super::super::work::merge(line, fields);
}

/// What was reported since a draft was made, while it still was one, counts on its metered lines. False: nothing has changed.
pub fn count_usage_again(work: &Work, invoice: &mut Value) -> bool {
    let customer = invoice.text("customer").to_owned();
    let before = invoice["lines"]["data"].clone();
    for line in invoice["lines"]["data"].as_array_mut().expect("an invoice has lines") {
        let price = work.known("price", line.text("pricing.price_details.price"));
        if price.text("recurring.usage_type") == "metered" {
            count_usage(work, line, &price, &customer);
        }
    }
    before != invoice["lines"]["data"]
}

/// A price's unit amount in a currency, as a decimal and as people read it.
pub fn unit_price(price: &Value, currency: &str) -> (String, String) {
    let option = &price["_currency_options"][currency]["unit_amount_decimal"];
    let decimal = option.as_str().unwrap_or(price.text("unit_amount_decimal")).to_owned();
    let readable = match money::decimal(&decimal).and_then(money::whole) {
        Some(amount) => money::readable(amount, currency),
        None => format!("{decimal} minor units"),
    };
    (decimal, readable)
}
