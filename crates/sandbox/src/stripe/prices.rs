//! Prices: `/v1/prices`. What is charged never changes once a price is made.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::lists;
use super::money;
use super::params::Params;
use super::products;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let product = match (params.text("product"), params.is_given("product_data")) {
        (Some(_), true) => {
            return Err(Refusal::invalid("You may only specify one of these parameters: product, product_data."));
        }
        (Some(product), false) => work.find("product", product, "product")?,
        (None, true) => {
            let id = params.text("product_data.id").map(str::to_owned).unwrap_or_else(|| work.id("prod"));
            let product = products::make(work, &id, &params.below("product_data"))?;
            work.tell("product.created", &product);
            product
        }
        (None, false) => return Err(Refusal::missing("product")),
    };
    make(work, params, product.text("id"))
}

/// Puts a new price of a product and tells of it.
pub fn make(work: &mut Work, params: &Params, product: &str) -> Result<Value, Refusal> {
    let price = draft(work, params, product)?;
    let mut price = with_lookup_key(work, params, price)?;
    price["active"] = json!(params.flag("active")?.unwrap_or(true));
    work.put("price", price.clone());
    work.tell("price.created", &price);
    Ok(price)
}

/// A price that was named inside another request: it is made, and may not be bought again.
pub fn make_inline(work: &mut Work, params: &Params) -> Result<Value, Refusal> {
    let product = match params.text("product") {
        Some(product) => work.find("product", product, &params.name("product"))?,
        None => {
            let id = work.id("prod");
            products::make(work, &id, &params.below("product_data"))?
        }
    };
    let mut price = draft(work, params, product.text("id"))?;
    price["active"] = json!(false);
    work.put("price", price.clone());
    Ok(price)
}

fn draft(work: &mut Work, params: &Params, product: &str) -> Result<Value, Refusal> {
    let currency = params.required("currency")?.to_lowercase();
    let (unit_amount, unit_amount_decimal) = unit_amount(params)?;
    let recurring = match params.is_given("recurring") {
        true => recurring(work, &params.below("recurring"))?,
        false => Value::Null,
    };
    if params.text("billing_scheme").is_some_and(|scheme| scheme != "per_unit") {
        return Err(Refusal::not_supported("billing_scheme"));
    }
    let mut options = Map::new();
    let own = json!({
        "custom_unit_amount": null, "tax_behavior": "unspecified",
        "unit_amount": unit_amount, "unit_amount_decimal": unit_amount_decimal,
    });
    options.insert(currency.clone(), own);
    take_currency_options(params, &mut options)?;
    Ok(json!({
        "id": work.id("price"),
        "object": "price",
        "active": true,
        "billing_scheme": "per_unit",
        "created": work.now,
        "currency": currency,
        "custom_unit_amount": null,
        "livemode": false,
        "lookup_key": null,
        "metadata": params.metadata(&json!({})),
        "nickname": params.text("nickname"),
        "product": product,
        "recurring": recurring,
        "tax_behavior": params.text("tax_behavior").unwrap_or("unspecified"),
        "tiers_mode": null,
        "transform_quantity": null,
        "type": if recurring.is_null() { "one_time" } else { "recurring" },
        "unit_amount": unit_amount,
        "unit_amount_decimal": unit_amount_decimal,
        "_currency_options": options,
    }))
}

/// The amount in minor units, if it is whole, and as a decimal.
fn unit_amount(params: &Params) -> Result<(Option<i64>, String), Refusal> {
    match (params.whole("unit_amount")?, params.text("unit_amount_decimal")) {
        (Some(amount), None) if amount < 0 => {
            let refusal = Refusal::invalid("Invalid non-negative integer");
            Err(refusal.code("parameter_invalid_integer").param(&params.name("unit_amount")))
        }
        (Some(amount), None) => Ok((Some(amount), amount.to_string())),
        (None, Some(decimal)) => {
            let exact = money::decimal(decimal);
            let Some(exact) = exact else {
                return Err(
                    Refusal::invalid(format!("Invalid decimal: {decimal}")).param(&params.name("unit_amount_decimal"))
                );
            };
            Ok((money::whole(exact), money::shown(exact)))
        }
        (Some(_), Some(_)) => {
            Err(Refusal::invalid("You may only specify one of these parameters: unit_amount, unit_amount_decimal."))
        }
        (None, None) => Err(Refusal::missing(&params.name("unit_amount"))),
    }
}

fn recurring(work: &Work, params: &Params) -> Result<Value, Refusal> {
    params.required("interval")?;
    let interval = params.one_of("interval", &["day", "week", "month", "year"])?;
    let count = params.whole("interval_count")?.unwrap_or(1);
    if !(1..=36).contains(&count) {
        return Err(Refusal::invalid("Invalid interval_count").param(&params.name("interval_count")));
    }
    let usage = params.one_of("usage_type", &["licensed", "metered"])?.unwrap_or("licensed");
    let meter = match (params.text("meter"), usage) {
        (Some(meter), "metered") => {
            Some(work.find("billing.meter", meter, &params.name("meter"))?.text("id").to_owned())
        }
        (Some(_), _) => return Err(Refusal::invalid("You may only specify a meter with usage_type metered.")),
        (None, "metered") => {
            let message = "You must specify a meter when creating a metered price.";
            return Err(Refusal::invalid(message).param(&params.name("meter")));
        }
        (None, _) => None,
    };
    Ok(json!({
        "interval": interval,
        "interval_count": count,
        "meter": meter,
        "trial_period_days": params.whole("trial_period_days")?,
        "usage_type": usage,
    }))
}

fn take_currency_options(params: &Params, options: &mut Map<String, Value>) -> Result<(), Refusal> {
    let given = params.raw("currency_options").as_object().cloned().unwrap_or_default();
    for currency in given.keys() {
        let below = params.below(&format!("currency_options.{currency}"));
        let (unit_amount, unit_amount_decimal) = unit_amount(&below)?;
        let option = json!({
            "custom_unit_amount": null,
            "tax_behavior": below.text("tax_behavior").unwrap_or("unspecified"),
            "unit_amount": unit_amount,
            "unit_amount_decimal": unit_amount_decimal,
        });
        options.insert(currency.to_lowercase(), option);
    }
    Ok(())
}

/// A lookup key belongs to one price at a time; `transfer_lookup_key` takes it from the other.
fn with_lookup_key(work: &mut Work, params: &Params, mut price: Value) -> Result<Value, Refusal> {
    if !params.is_given("lookup_key") {
        return Ok(price);
    }
    let key = params.text("lookup_key").map(str::to_owned);
    if let Some(key) = &key {
        let owner =
            work.state.all("price").find(|other| other.text("lookup_key") == key && other.at("id") != price.at("id"));
        if let Some(owner) = owner.cloned() {
            if params.flag("transfer_lookup_key")? != Some(true) {
                let message = format!(
                    "A price (`{}`) already uses that lookup key. Use `transfer_lookup_key` to move it.",
                    owner.text("id")
                );
                return Err(Refusal::invalid(message).param("lookup_key"));
            }
            let after = work.set("price", owner.text("id"), json!({ "lookup_key": null }));
            work.tell_change("price.updated", &owner, &after);
        }
    }
    price["lookup_key"] = json!(key);
    Ok(price)
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("price", &request.id, "price")
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let before = work.find("price", &request.id, "price")?;
    let mut price = with_lookup_key(work, params, before.clone())?;
    if let Some(active) = params.flag("active")? {
        price["active"] = json!(active);
    }
    if params.is_given("nickname") {
        price["nickname"] = json!(params.text("nickname"));
    }
    if let Some(behavior) = params.text("tax_behavior") {
        price["tax_behavior"] = json!(behavior);
    }
    let mut options = price["_currency_options"].as_object().cloned().unwrap_or_default();
    take_currency_options(params, &mut options)?;
    price["_currency_options"] = Value::Object(options);
    price["metadata"] = params.metadata(price.at("metadata"));
    work.put("price", price.clone());
    work.tell_change("price.updated", &before, &price);
    Ok(price)
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let active = params.flag("active")?;
    let keys = params.texts("lookup_keys");
    lists::list(work, params, "price", "/v1/prices", |price| {
        let matches = |name: &str, path: &str| params.text(name).is_none_or(|wanted| price.text(path) == wanted);
        Ok(active.is_none_or(|active| price.is("active") == active)
            && (keys.is_empty() || keys.iter().any(|key| key == price.text("lookup_key")))
            && matches("product", "product")
            && matches("type", "type")
            && matches("currency", "currency")
            && matches("recurring.interval", "recurring.interval")
            && matches("recurring.meter", "recurring.meter")
            && matches("recurring.usage_type", "recurring.usage_type")
            && params.is_within("created", price.whole("created"))?)
    })
}

/// The older shape of a recurring price, which subscription items still carry.
pub fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": false,
        "metadata": price["metadata"],
        "meter": price["recurring"]["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": null,
        "transform_usage": null,
        "trial_period_days": price["recurring"]["trial_period_days"],
        "usage_type": price["recurring"]["usage_type"],
    })
}
