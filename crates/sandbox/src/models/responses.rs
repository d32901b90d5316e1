//! `POST /v1/responses`, plain and as a stream of numbered events. Nothing is stored.
//!
//! A stream says the whole response three times: empty when it is created and in progress, complete at its end.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response as HttpResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{CREATED, Call, EVENTS, JSON, read};
use super::directives::{Fault, Finish, UsageReport};
use super::plan::Plan;
use super::play::{Delta, Score, write_event};
use super::prompt::{Message, TOKENS_A_MESSAGE, Text, conversation_tokens, last_of_user, words};
use super::refusal::{Provider, Refusal};
use super::served::Served;
use super::words::text;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: Input<'a>,
    #[serde(borrow, default)]
    instructions: Text<'a>,
    max_output_tokens: Option<u64>,
    stream: Option<bool>,
    metadata: Option<Value>,
    temperature: Option<f64>,
    top_p: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Items(#[serde(borrow)] Vec<Message<'a>>),
}

impl Input<'_> {
    fn tokens(&self) -> u64 {
        match self {
            Input::Text(text) => words(text) + TOKENS_A_MESSAGE,
            Input::Items(items) => conversation_tokens(items),
        }
    }

    fn prompt(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Input::Text(text) => std::slice::from_ref(text),
            Input::Items(items) => last_of_user(items),
        };
        texts.iter().map(AsRef::as_ref)
    }
}

pub async fn respond(
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<HttpResponse, Refusal> {
    let request: Request<'_> = read(Provider::OpenAi, &headers, &body)?;
    let call = Call::begin(Provider::OpenAi, &served, &request.model, &body, request.input.prompt()).await?;
    let prompt = request.input.tokens() + request.instructions.words();
    let plan = call.plan(prompt, request.max_output_tokens, 1);
    let writer = Writer { request: &request, call: &call, plan: &plan };
    if request.stream == Some(true) {
        let score = writer.score();
        return Ok(call.stream(&plan, EVENTS, score));
    }
    let body = writer.response("completed").to_string().into_bytes();
    Ok(call.plain(&plan, JSON, body).await)
}

struct Writer<'a> {
    request: &'a Request<'a>,
    call: &'a Call,
    plan: &'a Plan,
}

impl Writer<'_> {
    /// The response at one stage: `in_progress`, `completed` or `failed`.
    fn response(&self, stage: &str) -> Value {
        let (is_complete, is_failed) = (stage == "completed", stage == "failed");
        let reason = match self.plan.finish {
            Finish::Stop => None,
            Finish::Length => Some("max_output_tokens"),
            Finish::ContentFilter => Some("content_filter"),
        };
        let status = if is_complete { self.final_status() } else { stage };
        let error = is_failed.then(|| json!({ "code": "server_error", "message": "The server had an error." }));
        let instructions: Vec<&str> = self.request.instructions.pieces().collect();
        let mut response = json!({
            "id": format!("resp_{}", self.call.id),
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "background": false,
            "error": error,
            "incomplete_details": reason.filter(|_| is_complete).map(|reason| json!({ "reason": reason })),
            "instructions": (!instructions.is_empty()).then(|| instructions.join("\n")),
            "max_output_tokens": self.request.max_output_tokens,
            "max_tool_calls": null,
            "model": self.call.model,
            "output": if is_complete { json!([self.message(true)]) } else { json!([]) },
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": { "effort": null, "summary": null },
            "service_tier": "default",
            "store": false,
            "temperature": self.request.temperature.unwrap_or(1.0),
            "text": { "format": { "type": "text" }, "verbosity": "medium" },
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": self.request.top_p.unwrap_or(1.0),
            "truncation": "disabled",
            "usage": null,
            "user": null,
            "metadata": self.request.metadata.clone().unwrap_or_else(|| json!({})),
        });
        if let (true, Some(usage)) = (is_complete, self.plan.reported()) {
            response["usage"] = json!({
                "input_tokens": usage.prompt,
                "input_tokens_details": { "cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write },
                "output_tokens": usage.completion,
                "output_tokens_details": { "reasoning_tokens": usage.reasoning },
                "total_tokens": usage.total(),
            });
        }
        response
    }

    fn final_status(&self) -> &'static str {
        if self.plan.finish == Finish::Stop { "completed" } else { "incomplete" }
    }

    fn item_id(&self) -> String {
        format!("msg_{}", self.call.id)
    }

    /// The one item of the output, before its text or with it.
    fn message(&self, is_done: bool) -> Value {
        json!({
            "id": self.item_id(),
            "type": "message",
            "status": if is_done { self.final_status() } else { "in_progress" },
            "content": if is_done { json!([self.part(true)]) } else { json!([]) },
            "role": "assistant",
        })
    }

    fn part(&self, is_done: bool) -> Value {
        let text = if is_done { text(0, self.plan.tokens as usize) } else { String::new() };
        json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })
    }

    fn score(&self) -> Score {
        let mut numbered = Numbered { events: Vec::new(), next: 0 };
        for name in ["response.created", "response.in_progress"] {
            numbered.write(name, json!({ "response": self.response("in_progress") }));
        }
        let (item_id, place) = (self.item_id(), json!({ "output_index": 0 }));
        let of_part =
            |fields: Value| merged(json!({ "item_id": item_id, "output_index": 0, "content_index": 0 }), fields);
        numbered.write("response.output_item.added", merged(place.clone(), json!({ "item": self.message(false) })));
        numbered.write("response.content_part.added", of_part(json!({ "part": self.part(false) })));
        let (head, first) = numbered.take();

        let delta = format!(
            r#"{{"type":"response.output_text.delta","item_id":"{item_id}","output_index":0,"content_index":0,"logprobs":[],"delta":"","sequence_number":0}}"#
        );
        let delta = Delta::of_events(Some("response.output_text.delta"), &[delta], "delta", Some(first));

        let error = match self.call.directives.fault {
            Some(Fault::Error) => self.error(first + self.plan.deltas_before(&self.call.directives)),
            _ => Vec::new(),
        };
        numbered.next = first + self.plan.deltas();
        let whole = text(0, self.plan.tokens as usize);
        numbered.write("response.output_text.done", of_part(json!({ "text": whole, "logprobs": [] })));
        numbered.write("response.content_part.done", of_part(json!({ "part": self.part(true) })));
        numbered.write("response.output_item.done", merged(place, json!({ "item": self.message(true) })));
        let last = if self.plan.finish == Finish::Stop { "response.completed" } else { "response.incomplete" };
        let times = if self.plan.report == UsageReport::Twice { 2 } else { 1 };
        (0..times).for_each(|_| numbered.write(last, json!({ "response": self.response("completed") })));
        Score { head, delta, tail: numbered.take().0, error }
    }

    fn error(&self, number: u64) -> Vec<u8> {
        let mut numbered = Numbered { events: Vec::new(), next: number };
        let message = "The server had an error while processing your request. Sorry about that!";
        numbered.write("error", json!({ "code": "server_error", "message": message, "param": null }));
        numbered.write("response.failed", json!({ "response": self.response("failed") }));
        numbered.take().0
    }
}

/// Events that carry their number.
struct Numbered {
    events: Vec<u8>,
    next: u64,
}

impl Numbered {
    fn write(&mut self, name: &str, fields: Value) {
        let event = merged(json!({ "type": name, "sequence_number": self.next }), fields);
        write_event(&mut self.events, Some(name), &event.to_string());
        self.next += 1;
    }

    /// What was written, and the number of the event that comes next.
    fn take(&mut self) -> (Vec<u8>, u64) {
        (std::mem::take(&mut self.events), self.next)
    }
}

fn merged(mut fields: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}
