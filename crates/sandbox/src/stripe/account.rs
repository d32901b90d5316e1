//! The account itself, its balance, and its events: `/v1/account`, `/v1/balance`, `/v1/events`.

use serde_json::{Value, json};

use super::fields::Fields;
use super::lists;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

pub fn read(_work: &mut Work, _request: &Request) -> Result<Value, Refusal> {
    Ok(json!({
        "id": "acct_1Sandbox000000000",
        "object": "account",
        "business_profile": { "name": "Sandbox", "support_email": null, "url": null },
        "business_type": "company",
        "capabilities": { "card_payments": "active", "transfers": "active" },
        "charges_enabled": true,
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": "usd",
        "details_submitted": true,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": true,
        "settings": { "dashboard": { "display_name": "Sandbox", "timezone": "Etc/UTC" } },
        "type": "standard",
    }))
}

pub fn balance(work: &mut Work, _request: &Request) -> Result<Value, Refusal> {
    let charged: i64 =
        work.state.all("charge").filter(|charge| charge.is("paid")).map(|charge| charge.whole("amount")).sum();
    let refunded: i64 = work.state.all("refund").map(|refund| refund.whole("amount")).sum();
    let entry = |amount: i64| json!([{ "amount": amount, "currency": "usd", "source_types": { "card": amount } }]);
    Ok(json!({ "object": "balance", "available": entry(charged - refunded), "livemode": false, "pending": entry(0) }))
}

pub fn read_event(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("event", &request.id, "id")
}

pub fn list_events(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let types = params.texts("types");
    let is_of = |event: &Value, wanted: &str| match wanted.strip_suffix('*') {
        Some(beginning) => event.text("type").starts_with(beginning),
        None => event.text("type") == wanted,
    };
    lists::list(work, params, "event", "/v1/events", |event| {
        Ok(params.text("type").is_none_or(|wanted| is_of(event, wanted))
            && (types.is_empty() || types.iter().any(|wanted| is_of(event, wanted)))
            && params.is_within("created", event.whole("created"))?)
    })
}
