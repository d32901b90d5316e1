//! Requests about checkout sessions.

use serde_json::{Value, json};

use super::super::discounts;
use super::super::fields::Fields;
use super::super::invoices::lines;
use super::super::lists;
use super::super::money;
use super::super::params::Params;
use super::super::periods::DAY;
use super::super::prices;
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::super::state::Task;
use super::super::subscriptions::settings;
use super::super::work::{self, Work};
use super::paying;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    params.required("mode")?;
    let mode = params.one_of("mode", &["payment", "setup", "subscription"])?.unwrap_or_default();
    if mode == "setup" {
        return Err(Refusal::not_supported("mode=setup").param("mode"));
    }
    params.one_of("ui_mode", &["elements", "embedded_page", "form", "hosted_page"])?;
    if params.text("ui_mode").is_some_and(|mode| mode != "hosted_page") {
        return Err(Refusal::not_supported("A ui_mode other than hosted_page").param("ui_mode"));
    }
    let success_url = params.required("success_url")?;
    let customer = match params.text("customer") {
        Some(id) => work.find("customer", id, "customer")?,
        None => Value::Null,
    };
    work.live_by(&customer);
    check_customer_update(params, &customer)?;
    let items = line_items(work, params, mode)?;
    let currency =
        items.first().map(|item| item.text("currency").to_owned()).ok_or_else(|| Refusal::missing("line_items"))?;
    if mode == "subscription" {
        settings::check_currency(&customer, &currency)?;
    }
    let named = discounts::named(work, params, customer.text("id"))?;
    let allows_codes = params.flag("allow_promotion_codes")?;
    if allows_codes.is_some() && !named.is_empty() {
        return Err(Refusal::invalid(
            "You may only specify one of these parameters: allow_promotion_codes, discounts.",
        ));
    }
    let mut session = blank(work, params, &customer, mode, success_url)?;
    let own = json!({
        "currency": currency,
        "_line_items": items,
        "_discounts": named,
        "_subscription_data": subscription_data(work, params, mode)?,
        "_payment_data": { "description": params.text("payment_intent_data.description"), "metadata": params.below("payment_intent_data").metadata(&json!({})) },
        "_customer_update": params.raw("customer_update"),
    });
    work::merge(&mut session, own);
    let id = session.text("id").to_owned();
    let expires_at = session.whole("expires_at");
    work.put("checkout.session", session);
    paying::add_up(work, &id, None)?;
    work.remind(expires_at, Task::ExpireSession, &id);
    Ok(work.known("checkout.session", &id))
}

/// With tax and tax ids, an existing customer's fields must be there or may be taken from the page.
fn check_customer_update(params: &Params, customer: &Value) -> Result<(), Refusal> {
    if customer.is_null() {
        return match params.is_given("customer_update") {
            true => {
                Err(Refusal::invalid("`customer_update` can only be used with `customer`.").param("customer_update"))
            }
            false => Ok(()),
        };
    }
    let is_auto = |name: &str| params.text(&format!("customer_update.{name}")) == Some("auto");
    let is_taxed = params.flag("automatic_tax.enabled")? == Some(true);
    if is_taxed && customer["address"].is_null() && !is_auto("address") && !is_auto("shipping") {
        let message = "Automatic tax calculation in Checkout requires a valid address on the Customer. Add a valid address to the \
                       Customer or set either `customer_update[address]` to 'auto' or `customer_update[shipping]` to 'auto' to \
                       save the address entered in Checkout to the Customer.";
        return Err(Refusal::invalid(message).code("customer_tax_location_invalid"));
    }
    if params.flag("tax_id_collection.enabled")? == Some(true) && !is_auto("name") {
        let message = "Tax ID collection requires updating business name on the customer. To enable tax ID collection for an \
                       existing customer, please set `customer_update[name]` to `auto`.";
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

fn line_items(work: &mut Work, params: &Params, mode: &str) -> Result<Vec<Value>, Refusal> {
    let mut items = Vec::new();
    for given in params.each("line_items") {
        let price = match given.text("price") {
            Some(price) => {
                let price = work.find("price", price, &given.name("price"))?;
                if !price.is("active") {
                    let message = "The price specified is inactive. This field only accepts active prices.";
                    return Err(Refusal::invalid(message).code("price_inactive").param(&given.name("price")));
                }
                price
            }
            None if given.is_given("price_data") => prices::make_inline(work, &given.below("price_data"))?,
            None => return Err(Refusal::missing(&given.name("price"))),
        };
        let is_metered = price.text("recurring.usage_type") == "metered";
        let quantity = given.whole("quantity")?;
        if quantity.is_none() && !is_metered {
            return Err(Refusal::invalid("Quantity is required. Add `quantity` to `line_items`.")
                .param(&given.name("quantity")));
        }
        if mode == "payment" && price.text("type") == "recurring" {
            let message = "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.";
            return Err(Refusal::invalid(message).param("line_items"));
        }
        items.push(line_item(work, params, &price, quantity.unwrap_or(0))?);
    }
    if mode == "subscription" && !items.iter().any(|item| item.text("price.type") == "recurring") {
        let message = "You must provide at least one recurring price in `subscription` mode when using prices.";
        return Err(Refusal::invalid(message).param("line_items"));
    }
    Ok(items)
}

fn line_item(work: &mut Work, params: &Params, price: &Value, quantity: i64) -> Result<Value, Refusal> {
    let currency = params.text("currency").unwrap_or(price.text("currency")).to_lowercase();
    if price["_currency_options"][&currency].is_null() {
        return Err(
            Refusal::invalid(format!("The price does not support the currency `{currency}`.")).param("currency")
        );
    }
    let amount = money::times(&lines::unit_price(price, &currency).0, quantity);
    let product = work.known("product", price.text("product"));
    Ok(json!({
        "id": work.id("li"),
        "object": "item",
        "adjustable_quantity": null,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": currency,
        "description": product["name"],
        "metadata": {},
        "price": price,
        "quantity": quantity,
    }))
}

fn subscription_data(work: &Work, params: &Params, mode: &str) -> Result<Value, Refusal> {
    let data = params.below("subscription_data");
    if mode != "subscription" {
        return match params.is_given("subscription_data") {
            true => {
                Err(Refusal::invalid("You can not pass `subscription_data` in `payment` mode.")
                    .param("subscription_data"))
            }
            false => Ok(Value::Null),
        };
    }
    settings::trial_end(work, &data)?;
    Ok(json!({
        "metadata": data.metadata(&json!({})),
        "description": data.text("description"),
        "trial_period_days": data.whole("trial_period_days")?,
        "trial_end": data.moment("trial_end")?,
        "missing_payment_method": settings::missing_payment_method(&data)?,
        "billing_cycle_anchor": data.moment("billing_cycle_anchor")?,
        "proration_behavior": data.text("proration_behavior"),
        "billing_mode": data.text("billing_mode.type"),
    }))
}

fn blank(work: &mut Work, params: &Params, customer: &Value, mode: &str, success_url: &str) -> Result<Value, Refusal> {
    let id = work.id("cs_test");
    let expires_at = params.moment("expires_at")?.unwrap_or(work.now + DAY);
    if !(work.now + 1800..=work.now + DAY).contains(&expires_at) {
        let message = "The `expires_at` timestamp must be at least 30 minutes and less than 24 hours from Checkout Session creation.";
        return Err(Refusal::invalid(message).param("expires_at"));
    }
    let is_taxed = params.flag("automatic_tax.enabled")?.unwrap_or(false);
    let is_subscription = mode == "subscription";
    let creation = match (customer.is_null(), is_subscription) {
        (false, _) => None,
        (true, true) => Some("always"),
        (true, false) => Some(params.one_of("customer_creation", &["always", "if_required"])?.unwrap_or("if_required")),
    };
    let mut session = json!({
        "id": id,
        "object": "checkout.session",
        "adaptive_pricing": { "enabled": false },
        "after_expiration": null,
        "allow_promotion_codes": params.flag("allow_promotion_codes")?,
        "amount_subtotal": 0,
        "amount_total": 0,
        "automatic_tax": {
            "enabled": is_taxed, "liability": is_taxed.then(|| json!({ "type": "self" })), "provider": is_taxed.then_some("stripe"),
            "status": is_taxed.then_some("requires_location_inputs"),
        },
        "billing_address_collection": params.one_of("billing_address_collection", &["auto", "required"])?,
        "cancel_url": params.text("cancel_url"),
        "client_reference_id": params.text("client_reference_id"),
        "client_secret": null,
        "collected_information": null,
        "consent": null,
        "consent_collection": null,
        "created": work.now,
        "currency": null,
        "currency_conversion": null,
        "custom_fields": [],
        "custom_text": { "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null },
        "customer": customer["id"],
        "customer_account": null,
        "customer_creation": creation,
        "customer_details": null,
        "customer_email": params.text("customer_email"),
        "discounts": [],
        "expires_at": expires_at,
        "integration_identifier": null,
        "invoice": null,
        "invoice_creation": (!is_subscription).then(|| json!({
            "enabled": false,
            "invoice_data": {
                "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null, "issuer": null,
                "metadata": {}, "rendering_options": null,
            },
        })),
        "livemode": false,
        "locale": params.text("locale"),
        "managed_payments": { "enabled": false },
        "metadata": params.metadata(&json!({})),
        "mode": mode,
        "origin_context": null,
    });
    let payment = blank_payment(work, params, &id, success_url, is_subscription)?;
    work::merge(&mut session, payment);
    Ok(session)
}

/// The half of a new session that is about its payment.
fn blank_payment(
    work: &Work,
    params: &Params,
    id: &str,
    success_url: &str,
    is_subscription: bool,
) -> Result<Value, Refusal> {
    Ok(json!({
        "payment_intent": null,
        "payment_link": null,
        "payment_method_collection": payment_method_collection(params, is_subscription)?,
        "payment_method_configuration_details": null,
        "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": null,
        "phone_number_collection": { "enabled": params.flag("phone_number_collection.enabled")?.unwrap_or(false) },
        "recovered_from": null,
        "saved_payment_method_options": null,
        "setup_intent": null,
        "shipping_address_collection": null,
        "shipping_cost": null,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.text("submit_type"),
        "subscription": null,
        "success_url": success_url,
        "tax_id_collection": { "enabled": params.flag("tax_id_collection.enabled")?.unwrap_or(false), "required": params.text("tax_id_collection.required").unwrap_or("never") },
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        "ui_mode": "hosted_page",
        "url": format!("{}/checkout/{id}", work.public_url),
        "wallet_options": null,
    }))
}

fn payment_method_collection(params: &Params, is_subscription: bool) -> Result<Option<String>, Refusal> {
    let choice = params.one_of("payment_method_collection", &["always", "if_required"])?;
    if choice.is_some() && !is_subscription {
        let message = "You can only set `payment_method_collection` if there are recurring prices.";
        return Err(Refusal::invalid(message).param("payment_method_collection"));
    }
    Ok(Some(choice.unwrap_or("always").to_owned()).filter(|_| is_subscription || choice.is_some()))
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("checkout.session", &request.id, "session")
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let mut session = work.find("checkout.session", &request.id, "session")?;
    session["metadata"] = request.params.metadata(session.at("metadata"));
    work.put("checkout.session", session.clone());
    Ok(session)
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    lists::list(work, params, "checkout.session", "/v1/checkout/sessions", |session| {
        let matches = |name: &str| params.text(name).is_none_or(|wanted| session.text(name) == wanted);
        Ok(matches("customer")
            && matches("status")
            && matches("subscription")
            && matches("payment_intent")
            && params.is_within("created", session.whole("created"))?)
    })
}

/// `/v1/checkout/sessions/{id}/line_items`.
pub fn list_line_items(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let session = work.find("checkout.session", &request.id, "session")?;
    let url = format!("/v1/checkout/sessions/{}/line_items", request.id);
    lists::page(session.list("_line_items"), &request.params, &url)
}

pub fn expire(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let session = work.find("checkout.session", &request.id, "session")?;
    if session.text("status") != "open" {
        let message = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {}.",
            session.text("status")
        );
        return Err(Refusal::invalid(message));
    }
    let customer = work.known("customer", session.text("customer"));
    work.live_by(&customer);
    Ok(paying::expire(work, &request.id))
}
