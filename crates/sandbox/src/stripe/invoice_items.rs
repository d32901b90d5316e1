//! Invoice items: what goes on the next invoice of a customer, or on a draft at once. `/v1/invoiceitems`.

use serde_json::{Value, json};

use super::discounts;
use super::fields::Fields;
use super::invoices::{drafts, lines};
use super::lists;
use super::money;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let customer = work.find("customer", params.required("customer")?, "customer")?;
    work.live_by(&customer);
    let subscription = match params.text("subscription") {
        Some(id) => work.find("subscription", id, "subscription")?,
        None => Value::Null,
    };
    if !subscription.is_null() && subscription["customer"] != customer["id"] {
        let message = "The subscription does not belong to this customer.";
        return Err(Refusal::invalid(message).param("subscription"));
    }
    let invoice = match params.text("invoice") {
        Some(id) => Some(draft_invoice(work, id)?),
        None => None,
    };
    let priced = priced(work, request, &customer)?;
    let id = work.id("ii");
    let period = (params.moment("period.start")?.unwrap_or(work.now), params.moment("period.end")?.unwrap_or(work.now));
    let item = json!({
        "id": id,
        "object": "invoiceitem",
        "amount": priced.amount,
        "currency": priced.currency,
        "customer": customer["id"],
        "customer_account": null,
        "date": work.now,
        "description": params.text("description").map(str::to_owned).unwrap_or(priced.name),
        "discountable": params.flag("discountable")?.unwrap_or(priced.amount >= 0),
        "discounts": [],
        "invoice": null,
        "livemode": false,
        "metadata": params.metadata(&json!({})),
        "net_amount": priced.amount,
        "parent": parent(&subscription),
        "period": { "start": period.0, "end": period.1 },
        "pricing": priced.pricing,
        "proration": false,
        "quantity": priced.quantity,
        "quantity_decimal": priced.quantity.to_string(),
        "tax_rates": [],
        "test_clock": customer["test_clock"],
    });
    put(work, item);
    if let Some(invoice) = invoice {
        put_on(work, &id, &invoice)?;
    }
    let item = work.known("invoiceitem", &id);
    work.tell("invoiceitem.created", &item);
    Ok(item)
}

pub fn parent(subscription: &Value) -> Value {
    match subscription.is_null() {
        true => Value::Null,
        false => {
            json!({ "type": "subscription_details", "subscription_details": { "subscription": subscription["id"] } })
        }
    }
}

fn draft_invoice(work: &Work, id: &str) -> Result<Value, Refusal> {
    let invoice = work.find("invoice", id, "invoice")?;
    if invoice.text("status") != "draft" {
        let message = "The invoice you are adding this item to is no longer editable.";
        return Err(Refusal::invalid(message).code("invoice_not_editable").param("invoice"));
    }
    Ok(invoice)
}

struct Priced {
    amount: i64,
    currency: String,
    quantity: i64,
    name: String,
    pricing: Value,
}

/// An amount, a price, or a price made in place.
fn priced(work: &mut Work, request: &Request, customer: &Value) -> Result<Priced, Refusal> {
    let params = &request.params;
    let quantity = params.whole("quantity")?.unwrap_or(1);
    let product_name =
        |work: &Work, price: &Value| work.known("product", price.text("product")).text("name").to_owned();
    if params.is_given("price_data") || params.is_given("pricing") {
        let price = match params.text("pricing.price") {
            Some(price) => work.find("price", price, "pricing[price]")?,
            None => super::prices::make_inline(work, &params.below("price_data"))?,
        };
        let currency = params.text("currency").unwrap_or(price.text("currency")).to_lowercase();
        let (unit, _) = lines::unit_price(&price, &currency);
        let pricing = json!({
            "type": "price_details", "unit_amount_decimal": unit,
            "price_details": { "price": price["id"], "product": price["product"] },
        });
        let name = product_name(work, &price);
        return Ok(Priced { amount: money::times(&unit, quantity), currency, quantity, name, pricing });
    }
    let currency = params.text("currency").or(customer.opt_text("currency"));
    let currency = currency.ok_or_else(|| Refusal::missing("currency"))?.to_lowercase();
    let (amount, unit) = match (params.whole("amount")?, params.text("unit_amount_decimal")) {
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid("You may only specify one of these parameters: amount, unit_amount_decimal."));
        }
        (Some(amount), None) => (amount, amount.to_string()),
        (None, Some(unit)) if money::decimal(unit).is_some() => (money::times(unit, quantity), unit.to_owned()),
        (None, Some(unit)) => {
            return Err(Refusal::invalid(format!("Invalid decimal: {unit}")).param("unit_amount_decimal"));
        }
        (None, None) => return Err(Refusal::missing("amount")),
    };
    let pricing = json!({ "type": "price_details", "price_details": null, "unit_amount_decimal": unit });
    Ok(Priced { amount, currency, quantity, name: String::new(), pricing })
}

/// Puts an item that is pending.
pub fn put(work: &mut Work, item: Value) {
    work.put("invoiceitem", item);
}

/// Puts an item on a draft, whose totals follow.
fn put_on(work: &mut Work, item: &str, invoice: &Value) -> Result<(), Refusal> {
    let id = invoice.text("id");
    let item = work.set("invoiceitem", item, json!({ "invoice": id }));
    if item["currency"] != invoice["currency"] {
        let message = "The currency of the invoice item does not match the invoice's.";
        return Err(Refusal::invalid(message).param("currency"));
    }
    let mut line = lines::of_invoice_item(work, &item);
    line["invoice"] = json!(id);
    let mut after = invoice.clone();
    after["lines"]["data"].as_array_mut().expect("an invoice has lines").push(line);
    add_up_again(work, invoice, after);
    Ok(())
}

/// The totals of a draft whose lines have changed.
pub fn add_up_again(work: &mut Work, before: &Value, mut after: Value) {
    let customer = work.known("customer", after.text("customer"));
    let discounts: Vec<Value> =
        after.list("discounts").iter().filter_map(|id| work.get("discount", id.as_str()?).cloned()).collect();
    drafts::add_up(&mut after, &discounts, &customer);
    work.put("invoice", after.clone());
    discounts::note_use(work, &discounts);
    work.tell_change("invoice.updated", before, &after);
}

/// Lines of what is pending for a subscription's invoice: its own items, and the customer's that are of none.
pub fn take_pending(work: &mut Work, subscription: &Value) -> Vec<Value> {
    let is_its = |item: &&Value| {
        let of = item.opt_text("parent.subscription_details.subscription");
        item["invoice"].is_null()
            && item["currency"] == subscription["currency"]
            && of.is_none_or(|of| of == subscription.text("id"))
    };
    let theirs = work.state.owned("invoiceitem", subscription.text("customer"));
    let pending: Vec<Value> = theirs.filter(is_its).cloned().collect();
    take(work, pending)
}

/// Lines of what is pending for an invoice of the customer's own.
pub fn take_pending_of_customer(work: &mut Work, customer: &str, currency: &str) -> Vec<Value> {
    let is_its =
        |item: &&Value| item["invoice"].is_null() && item.text("currency") == currency && item["parent"].is_null();
    let pending: Vec<Value> = work.state.owned("invoiceitem", customer).filter(is_its).cloned().collect();
    take(work, pending)
}

fn take(work: &mut Work, pending: Vec<Value>) -> Vec<Value> {
    let mut made = Vec::new();
    for item in pending {
        made.push(lines::of_invoice_item(work, &item));
        work.set("invoiceitem", item.text("id"), json!({ "_is_taken": true }));
    }
    made
}

/// The items that were taken are on this invoice now.
pub fn now_on(work: &mut Work, invoice: &str) {
    let customer = work.known("invoice", invoice).text("customer").to_owned();
    let taken: Vec<String> = work
        .state
        .owned("invoiceitem", &customer)
        .filter(|item| item.is("_is_taken"))
        .map(|item| item.text("id").to_owned())
        .collect();
    for id in taken {
        work.set("invoiceitem", &id, json!({ "_is_taken": false, "invoice": invoice }));
    }
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("invoiceitem", &request.id, "invoiceitem")
}

/// What is pending may change.
pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let mut item = work.find("invoiceitem", &request.id, "invoiceitem")?;
    let changes_amount = ["amount", "quantity", "unit_amount_decimal"].iter().any(|name| params.is_given(name));
    if changes_amount && !item["invoice"].is_null() {
        return Err(Refusal::not_supported("Changing the amount of an item that is on an invoice"));
    }
    if changes_amount {
        let quantity = params.whole("quantity")?.unwrap_or(item.whole("quantity"));
        let unit = params.text("unit_amount_decimal").unwrap_or(item.text("pricing.unit_amount_decimal")).to_owned();
        let amount = params.whole("amount")?.unwrap_or_else(|| money::times(&unit, quantity));
        let fields = json!({ "amount": amount, "net_amount": amount, "quantity": quantity, "quantity_decimal": quantity.to_string() });
        super::work::merge(&mut item, fields);
        item["pricing"]["unit_amount_decimal"] =
            json!(if params.is_given("amount") { amount.to_string() } else { unit });
    }
    if params.is_given("description") {
        item["description"] = json!(params.text("description"));
    }
    item["metadata"] = params.metadata(item.at("metadata"));
    work.put("invoiceitem", item.clone());
    Ok(item)
}

pub fn delete(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let item = work.find("invoiceitem", &request.id, "invoiceitem")?;
    if let Some(invoice) = item.opt_text("invoice") {
        let before = draft_invoice(work, invoice)?;
        let mut after = before.clone();
        let lines = after["lines"]["data"].as_array_mut().expect("an invoice has lines");
        lines.retain(|line| line.text("parent.invoice_item_details.invoice_item") != request.id);
        add_up_again(work, &before, after);
    }
    work.remove("invoiceitem", &request.id);
    work.tell("invoiceitem.deleted", &item);
    Ok(json!({ "id": request.id, "object": "invoiceitem", "deleted": true }))
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let pending = params.flag("pending")?;
    lists::list(work, params, "invoiceitem", "/v1/invoiceitems", |item| {
        let matches = |name: &str| params.text(name).is_none_or(|wanted| item.text(name) == wanted);
        Ok(matches("customer")
            && matches("invoice")
            && pending.is_none_or(|pending| item["invoice"].is_null() == pending)
            && params.is_within("created", item.whole("date"))?)
    })
}
