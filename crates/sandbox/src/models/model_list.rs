//! `GET /v1/models` and `GET /v1/models/{model}`: the models of the starter catalog and one for each endpoint.
//!
//! A caller that sends the header `anthropic-version` gets Anthropic's shape, every other one OpenAI's. Models that are
//! not listed answer too.

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::call::CREATED;
use super::refusal::{Provider, Refusal, authorize};

pub const MODELS: [&str; 7] = ["small", "large", "embed", "listen", "speak", "draw", "claude-small"];

fn provider(headers: &HeaderMap) -> Provider {
    if headers.contains_key("anthropic-version") { Provider::Anthropic } else { Provider::OpenAi }
}

fn model(provider: Provider, name: &str) -> Value {
    match provider {
        Provider::OpenAi => json!({ "id": name, "object": "model", "created": CREATED, "owned_by": "sandbox" }),
        Provider::Anthropic => json!({
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "2025-06-15T15:06:40Z",
            "lifecycle": "active",
            "capabilities": null,
            "deprecated_at": null,
            "retires_at": null,
            "line": null,
            "max_input_tokens": 200_000,
            "max_tokens": 64_000,
        }),
    }
}

pub async fn list(headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let provider = provider(&headers);
    authorize(provider, &headers)?;
    let data: Vec<Value> = MODELS.iter().map(|name| model(provider, name)).collect();
    Ok(Json(match provider {
        Provider::OpenAi => json!({ "object": "list", "data": data }),
        Provider::Anthropic => {
            json!({ "data": data, "has_more": false, "first_id": MODELS[0], "last_id": MODELS[MODELS.len() - 1] })
        }
    }))
}

pub async fn get(headers: HeaderMap, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    let provider = provider(&headers);
    authorize(provider, &headers)?;
    match name.as_str() {
        "no-such-model" => Err(Refusal::no_such_model(provider, &name)),
        _ => Ok(Json(model(provider, &name))),
    }
}
