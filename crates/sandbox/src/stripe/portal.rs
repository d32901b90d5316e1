//! The billing portal: sessions that let a customer in, and configurations that say what may be done there.
//! `/v1/billing_portal/sessions`, `/v1/billing_portal/configurations`.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::lists;
use super::params::Params;
use super::refusal::Refusal;
use super::request::Request;
use super::work::{self, Work};

const KIND: &str = "billing_portal.configuration";

pub fn create_session(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let customer = work.find("customer", params.required("customer")?, "customer")?;
    work.live_by(&customer);
    let configuration = match params.text("configuration") {
        Some(id) => work.find(KIND, id, "configuration")?,
        None => default_configuration(work)?,
    };
    let return_url = params.text("return_url").or(configuration.opt_text("default_return_url"));
    let id = work.id("bps");
    let session = json!({
        "id": id,
        "object": "billing_portal.session",
        "configuration": configuration["id"],
        "created": work.now,
        "customer": customer["id"],
        "customer_account": null,
        "flow": flow(params)?,
        "livemode": false,
        "locale": params.text("locale"),
        "on_behalf_of": null,
        "return_url": return_url,
        "url": format!("{}/portal/{id}", work.public_url),
    });
    work.put("billing_portal.session", session.clone());
    work.tell("billing_portal.session.created", &session);
    Ok(session)
}

/// A portal that opens at one task.
fn flow(params: &Params) -> Result<Value, Refusal> {
    if !params.is_given("flow_data") {
        return Ok(Value::Null);
    }
    let flow = params.below("flow_data");
    flow.required("type")?;
    let kinds = ["payment_method_update", "subscription_cancel", "subscription_update", "subscription_update_confirm"];
    let kind = flow.one_of("type", &kinds)?;
    let part = |name: &str| if flow.is_given(name) { flow.raw(name).clone() } else { Value::Null };
    Ok(json!({
        "after_completion": if flow.is_given("after_completion") { part("after_completion") } else { json!({ "hosted_confirmation": null, "redirect": null, "type": "portal_homepage" }) },
        "subscription_cancel": part("subscription_cancel"),
        "subscription_update": part("subscription_update"),
        "subscription_update_confirm": part("subscription_update_confirm"),
        "type": kind,
    }))
}

/// The configuration that sessions have when they name none: the first one; where there is none, one that allows all.
fn default_configuration(work: &mut Work) -> Result<Value, Refusal> {
    let known = work.state.all(KIND).find(|configuration| configuration.is("is_default")).cloned();
    match known {
        Some(known) => Ok(known),
        None => {
            let features = json!({ "features": {
                "invoice_history": { "enabled": "true" },
                "payment_method_update": { "enabled": "true" },
                "subscription_cancel": { "enabled": "true" },
            }});
            make(work, &Params::new(features))
        }
    }
}

pub fn create_configuration(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    if !request.params.is_given("features") {
        return Err(Refusal::missing("features"));
    }
    make(work, &request.params)
}

fn make(work: &mut Work, params: &Params) -> Result<Value, Refusal> {
    let is_default = work.state.all(KIND).next().is_none();
    let mut configuration = json!({
        "id": work.id("bpc"),
        "object": KIND,
        "active": true,
        "application": null,
        "business_profile": { "headline": null, "privacy_policy_url": null, "terms_of_service_url": null },
        "created": work.now,
        "default_return_url": null,
        "features": {
            "customer_update": { "allowed_updates": [], "enabled": false },
            "invoice_history": { "enabled": false },
            "payment_method_update": { "enabled": false, "payment_method_configuration": null },
            "subscription_cancel": {
                "cancellation_reason": { "enabled": false, "options": [] },
                "enabled": false, "mode": "at_period_end", "proration_behavior": "none",
            },
            "subscription_pause": { "duration": { "interval_options": [], "type": "indefinite" }, "enabled": false },
            "subscription_update": {
                "billing_cycle_anchor": null, "default_allowed_updates": [], "enabled": false, "products": [],
                "proration_behavior": "none", "schedule_at_period_end": { "conditions": [] }, "trial_update_behavior": "end_trial",
            },
        },
        "is_default": is_default,
        "livemode": false,
        "login_page": { "enabled": false, "url": null },
        "metadata": {},
        "name": null,
        "updated": work.now,
    });
    take(work, params, &mut configuration)?;
    work.put(KIND, configuration.clone());
    work.tell("billing_portal.configuration.created", &configuration);
    Ok(configuration)
}

fn take(work: &Work, params: &Params, configuration: &mut Value) -> Result<(), Refusal> {
    for name in ["headline", "privacy_policy_url", "terms_of_service_url"] {
        if params.is_given(&format!("business_profile.{name}")) {
            configuration["business_profile"][name] = json!(params.text(&format!("business_profile.{name}")));
        }
    }
    for name in ["default_return_url", "name"] {
        if params.is_given(name) {
            configuration[name] = json!(params.text(name));
        }
    }
    if let Some(active) = params.flag("active")? {
        configuration["active"] = json!(active);
    }
    let names: Vec<String> =
        configuration["features"].as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    for name in names {
        let path = format!("features.{name}");
        if params.is_given(&path) {
            let typed = typed(params.raw(&path));
            work::merge(&mut configuration["features"][&name], typed);
        }
    }
    let products = &mut configuration["features"]["subscription_update"]["products"];
    for product in products.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let fixed = json!({ "enabled": false, "maximum": null, "minimum": 1 });
        product.entry("adjustable_quantity").or_insert(fixed);
    }
    for product in configuration.list("features.subscription_update.products") {
        work.find("product", product.text("product"), "features[subscription_update][products]")?;
    }
    configuration["metadata"] = params.metadata(configuration.at("metadata"));
    Ok(())
}

/// Texts of a form as what they mean: flags are flags.
fn typed(value: &Value) -> Value {
    match value {
        Value::String(text) if text == "true" => json!(true),
        Value::String(text) if text == "false" => json!(false),
        Value::String(text) if text.is_empty() => json!([]),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), typed(value))).collect::<Map<_, _>>())
        }
        Value::Array(list) => list.iter().map(typed).collect(),
        other => other.clone(),
    }
}

pub fn read_configuration(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find(KIND, &request.id, "configuration")
}

pub fn update_configuration(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = work.find(KIND, &request.id, "configuration")?;
    let mut after = before.clone();
    take(work, &request.params, &mut after)?;
    after["updated"] = json!(work.now);
    work.put(KIND, after.clone());
    work.tell_change("billing_portal.configuration.updated", &before, &after);
    Ok(after)
}

pub fn list_configurations(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let (active, is_default) = (params.flag("active")?, params.flag("is_default")?);
    lists::list(work, params, KIND, "/v1/billing_portal/configurations", |configuration| {
        Ok(active.is_none_or(|active| configuration.is("active") == active)
            && is_default.is_none_or(|is_default| configuration.is("is_default") == is_default))
    })
}
