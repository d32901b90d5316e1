//! Webhook endpoints: `/v1/webhook_endpoints`. The secret is told once, when one is made.

use serde_json::{Value, json};

use super::fields::Fields;
use super::lists;
use super::params::Params;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let secret = work.id("whsec").replace('_', "_sandbox");
    let url = params.required("url")?.to_owned();
    if params.texts("enabled_events").is_empty() {
        return Err(Refusal::missing("enabled_events"));
    }
    let mut endpoint = make(work, &url, &secret, &params.texts("enabled_events"), params.text("api_version"));
    take(params, &mut endpoint);
    work.put("webhook_endpoint", endpoint.clone());
    endpoint["secret"] = json!(secret);
    Ok(endpoint)
}

/// Puts an endpoint. Without a version it gets events in the newest shape.
pub fn make(work: &mut Work, url: &str, secret: &str, events: &[String], api_version: Option<&str>) -> Value {
    let endpoint = json!({
        "id": work.id("we"),
        "object": "webhook_endpoint",
        "api_version": api_version,
        "application": null,
        "created": work.now,
        "description": null,
        "enabled_events": events,
        "livemode": false,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": secret,
    });
    work.put("webhook_endpoint", endpoint.clone());
    endpoint
}

fn take(params: &Params, endpoint: &mut Value) {
    if params.is_given("description") {
        endpoint["description"] = json!(params.text("description"));
    }
    endpoint["metadata"] = params.metadata(endpoint.at("metadata"));
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("webhook_endpoint", &request.id, "webhook_endpoint")
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let mut endpoint = work.find("webhook_endpoint", &request.id, "webhook_endpoint")?;
    if let Some(url) = params.text("url") {
        endpoint["url"] = json!(url);
    }
    if params.is_given("enabled_events") {
        endpoint["enabled_events"] = json!(params.texts("enabled_events"));
    }
    if let Some(disabled) = params.flag("disabled")? {
        endpoint["status"] = json!(if disabled { "disabled" } else { "enabled" });
    }
    take(params, &mut endpoint);
    work.put("webhook_endpoint", endpoint.clone());
    Ok(endpoint)
}

pub fn delete(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("webhook_endpoint", &request.id, "webhook_endpoint")?;
    work.remove("webhook_endpoint", &request.id);
    Ok(json!({ "id": request.id, "object": "webhook_endpoint", "deleted": true }))
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    lists::list(work, &request.params, "webhook_endpoint", "/v1/webhook_endpoints", |_| Ok(true))
}
