//! `POST /v1/messages`, Anthropic's, plain and as a stream, and `POST /v1/messages/count_tokens`.
//!
//! Anthropic's `input_tokens` are those that no cache had to do with; what was read from a cache and written to one is
//! told beside them. A stream tells the input at its start and the output at its end.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, EVENTS, JSON, read};
use super::directives::{Finish, UsageReport};
use super::plan::{Plan, Usage};
use super::play::{Delta, Score, write_event};
use super::prompt::{Message, Text, conversation_tokens, last_of_user};
use super::refusal::{Provider, Refusal, anthropic_error};
use super::served::Served;
use super::words::text;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    #[serde(borrow, default)]
    system: Text<'a>,
    max_tokens: Option<u64>,
    stream: Option<bool>,
}

impl Request<'_> {
    fn tokens(&self) -> u64 {
        conversation_tokens(&self.messages) + self.system.words()
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<TextBlock>,
    stop_reason: Option<&'static str>,
    stop_sequence: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<AnswerUsage>,
}

#[derive(Serialize)]
struct TextBlock {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
}

#[derive(Serialize)]
struct AnswerUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: CacheCreation,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    service_tier: &'static str,
}

#[derive(Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

pub async fn messages(State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let request: Request<'_> = read(Provider::Anthropic, &headers, &body)?;
    let Some(limit) = request.max_tokens else {
        return Err(Refusal::bad_request(Provider::Anthropic, "max_tokens: Field required"));
    };
    let prompt = last_of_user(&request.messages).iter().map(AsRef::as_ref);
    let call = Call::begin(Provider::Anthropic, &served, &request.model, &body, prompt).await?;
    let plan = call.plan(request.tokens(), Some(limit), 1);
    let id = format!("msg_{}", call.id);
    if request.stream == Some(true) {
        let score = score(&id, &call.model, &plan);
        return Ok(call.stream(&plan, EVENTS, score));
    }
    let content = vec![TextBlock { kind: "text", text: text(0, plan.tokens as usize) }];
    let usage = plan.reported().map(|usage| answer_usage(&usage, usage.completion));
    let answer = answer(&id, &call.model, content, Some(stop_reason(plan.finish)), usage);
    let body = serde_json::to_vec(&answer).expect("the answer has no map with odd keys");
    Ok(call.plain(&plan, JSON, body).await)
}

/// `{"input_tokens"}`, by the stand-in's rule; counts as no call.
pub async fn count_tokens(headers: HeaderMap, body: Bytes) -> Result<axum::Json<Value>, Refusal> {
    let request: Request<'_> = read(Provider::Anthropic, &headers, &body)?;
    Ok(axum::Json(json!({ "input_tokens": request.tokens() })))
}

fn answer<'a>(
    id: &'a str,
    model: &'a str,
    content: Vec<TextBlock>,
    stop_reason: Option<&'static str>,
    usage: Option<AnswerUsage>,
) -> Answer<'a> {
    Answer { id, kind: "message", role: "assistant", model, content, stop_reason, stop_sequence: None, usage }
}

fn answer_usage(usage: &Usage, output_tokens: u64) -> AnswerUsage {
    AnswerUsage {
        input_tokens: usage.uncached(),
        cache_creation_input_tokens: usage.cache_write,
        cache_read_input_tokens: usage.cached,
        cache_creation: CacheCreation { ephemeral_5m_input_tokens: usage.cache_write, ephemeral_1h_input_tokens: 0 },
        output_tokens,
        output_tokens_details: OutputDetails { thinking_tokens: usage.reasoning.min(output_tokens) },
        service_tier: "standard",
    }
}

fn score(id: &str, model: &str, plan: &Plan) -> Score {
    let reported = plan.reported();
    let (mut head, mut tail, mut error) = (Vec::new(), Vec::new(), Vec::new());
    // At its start a message has one token, as Anthropic tells it.
    let at_start = reported.map(|usage| answer_usage(&usage, usage.completion.min(1)));
    let start = serde_json::to_string(&answer(id, model, Vec::new(), None, at_start))
        .expect("the answer has no map with odd keys");
    write_event(&mut head, Some("message_start"), &format!(r#"{{"type":"message_start","message":{start}}}"#));
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    write_event(&mut head, Some("content_block_start"), block);
    write_event(&mut head, Some("ping"), r#"{"type":"ping"}"#);

    write_event(&mut tail, Some("content_block_stop"), r#"{"type":"content_block_stop","index":0}"#);
    let mut end = json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason(plan.finish), "stop_sequence": null },
    });
    if let Some(usage) = reported {
        end["usage"] = json!({
            "input_tokens": usage.uncached(),
            "cache_creation_input_tokens": usage.cache_write,
            "cache_read_input_tokens": usage.cached,
            "output_tokens": usage.completion,
            "output_tokens_details": { "thinking_tokens": usage.reasoning },
        });
    }
    let times = if plan.report == UsageReport::Twice { 2 } else { 1 };
    (0..times).for_each(|_| write_event(&mut tail, Some("message_delta"), &end.to_string()));
    write_event(&mut tail, Some("message_stop"), r#"{"type":"message_stop"}"#);

    write_event(&mut error, Some("error"), &anthropic_error("overloaded_error", "Overloaded").to_string());
    let delta = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}"#;
    let delta = Delta::of_events(Some("content_block_delta"), &[delta.to_owned()], "text", None);
    Score { head, delta, tail, error }
}

fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ContentFilter => "refusal",
    }
}
