//! `POST /v1/images/generations`: one transparent dot a picture, as base64, or as a data URL where one is asked for.
//!
//! A picture has 16 tokens unless the prompt says otherwise.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{CREATED, Call, EVENTS, JSON, read};
use super::chat::stream_error;
use super::directives::UsageReport;
use super::plan::{Plan, Usage};
use super::play::{Delta, Score, write_event};
use super::prompt::words;
use super::refusal::{Provider, Refusal};
use super::served::{Count, Served};

/// A PNG of one transparent dot.
const DOT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

const MOST_PICTURES: u64 = 10;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    prompt: Cow<'a, str>,
    n: Option<u64>,
    size: Option<Cow<'a, str>>,
    quality: Option<Cow<'a, str>>,
    response_format: Option<Cow<'a, str>>,
    stream: Option<bool>,
}

pub async fn draw(State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let request: Request<'_> = read(Provider::OpenAi, &headers, &body)?;
    let model = request.model.as_deref().unwrap_or("draw");
    let call = Call::begin(Provider::OpenAi, &served, model, &body, [&*request.prompt].into_iter()).await?;
    let pictures = request.n.unwrap_or(1).clamp(1, MOST_PICTURES);
    let plan = call.plan(words(&request.prompt), None, pictures);
    call.count(Count::Images, pictures);
    let size = request.size.as_deref().filter(|size| *size != "auto").unwrap_or("1024x1024");
    let quality = request.quality.as_deref().filter(|quality| *quality != "auto").unwrap_or("low");
    let mut picture = json!({ "background": "opaque", "output_format": "png", "quality": quality, "size": size });
    if let Some(usage) = plan.reported() {
        picture["usage"] = usage_of(&usage);
    }
    if request.stream == Some(true) {
        // A picture comes in one event, not token by token.
        let plan = Plan { tokens: 0, ..plan };
        let score = score(picture, &plan);
        return Ok(call.stream(&plan, EVENTS, score));
    }
    let as_url = request.response_format.is_some_and(|format| format == "url");
    let dot =
        if as_url { json!({ "url": format!("data:image/png;base64,{DOT}") }) } else { json!({ "b64_json": DOT }) };
    picture["created"] = json!(CREATED);
    picture["data"] = vec![dot; pictures as usize].into();
    Ok(call.plain(&plan, JSON, picture.to_string().into_bytes()).await)
}

fn usage_of(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt,
        "input_tokens_details": { "text_tokens": usage.prompt, "image_tokens": 0 },
        "output_tokens": usage.completion,
        "output_tokens_details": { "text_tokens": 0, "image_tokens": usage.completion },
        "total_tokens": usage.total(),
    })
}

fn score(mut picture: Value, plan: &Plan) -> Score {
    let name = "image_generation.completed";
    picture["type"] = json!(name);
    picture["created_at"] = json!(CREATED);
    picture["b64_json"] = json!(DOT);
    let mut tail = Vec::new();
    let times = if plan.report == UsageReport::Twice { 2 } else { 1 };
    (0..times).for_each(|_| write_event(&mut tail, Some(name), &picture.to_string()));
    Score { head: Vec::new(), delta: Delta::raw(b""), tail, error: stream_error() }
}
