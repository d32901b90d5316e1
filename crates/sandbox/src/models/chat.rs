//! `POST /v1/chat/completions`, plain and as a stream.
//!
//! A stream tells usage in a last chunk without choices, and only when `stream_options.include_usage` asks for it; the
//! other chunks then have `"usage": null`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::call::{CREATED, Call, EVENTS, JSON, read};
use super::directives::{Finish, UsageReport};
use super::plan::Plan;
use super::play::{Delta, Score, write_event};
use super::prompt::{Message, conversation_tokens, last_of_user};
use super::refusal::{Provider, Refusal, openai_error};
use super::served::Served;
use super::usage::CompletionUsage;
use super::words::text;

/// The most choices that one call may ask for.
pub const MOST_CHOICES: u64 = 128;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    n: Option<u64>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

/// What a caller wants of a stream.
#[derive(Clone, Copy, Default, Deserialize)]
pub struct StreamOptions {
    pub include_usage: Option<bool>,
}

#[derive(Serialize)]
struct Completion<'a, C> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<C>,
    /// Outer `None`: the field is left out. Inner: it is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<CompletionUsage>>,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice {
    index: u64,
    message: Answer,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Answer {
    role: &'static str,
    content: String,
    refusal: Option<()>,
    annotations: [(); 0],
}

#[derive(Serialize)]
struct Chunk {
    index: u64,
    delta: Part,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Part {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<()>>,
}

pub async fn chat(State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let request: Request<'_> = read(Provider::OpenAi, &headers, &body)?;
    let prompt = last_of_user(&request.messages).iter().map(AsRef::as_ref);
    let call = Call::begin(Provider::OpenAi, &served, &request.model, &body, prompt).await?;
    let choices = request.n.unwrap_or(1).clamp(1, MOST_CHOICES);
    let limit = request.max_completion_tokens.or(request.max_tokens);
    let plan = call.plan(conversation_tokens(&request.messages), limit, choices);
    let id = format!("chatcmpl-{}", call.id);
    if request.stream == Some(true) {
        let wants_usage = request.stream_options.unwrap_or_default().include_usage == Some(true);
        let score = score(&id, &call.model, &plan, wants_usage);
        let reports = if wants_usage { plan.report } else { UsageReport::None };
        return Ok(call.stream(&Plan { report: reports, ..plan }, EVENTS, score));
    }
    let body = whole(&id, &call.model, &plan);
    Ok(call.plain(&plan, JSON, body).await)
}

fn whole(id: &str, model: &str, plan: &Plan) -> Vec<u8> {
    let choice = |index: u64| Choice {
        index,
        message: Answer {
            role: "assistant",
            content: text(index as usize, plan.tokens as usize),
            refusal: None,
            annotations: [],
        },
        logprobs: None,
        finish_reason: finish_reason(plan.finish),
    };
    let usage = plan.reported().map(|usage| Some(usage.into()));
    let choices = (0..plan.choices).map(choice).collect();
    let object = "chat.completion";
    let whole = Completion { object, ..completion(id, model, choices, usage) };
    serde_json::to_vec(&whole).expect("the answer has no map with odd keys")
}

fn completion<'a, C>(
    id: &'a str,
    model: &'a str,
    choices: Vec<C>,
    usage: Option<Option<CompletionUsage>>,
) -> Completion<'a, C> {
    Completion {
        id,
        object: "chat.completion.chunk",
        created: CREATED,
        model,
        choices,
        usage,
        service_tier: "default",
        system_fingerprint: "fp_sandbox",
    }
}

fn score(id: &str, model: &str, plan: &Plan, wants_usage: bool) -> Score {
    let event = |choices: Vec<Chunk>, usage: Option<CompletionUsage>| {
        let usage = wants_usage.then_some(usage);
        serde_json::to_string(&completion(id, model, choices, usage)).expect("the chunk has no map with odd keys")
    };
    let of_choice =
        |index, delta, finish_reason| event(vec![Chunk { index, delta, logprobs: None, finish_reason }], None);
    let (mut head, mut tail, mut deltas) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..plan.choices {
        let first = Part { role: Some("assistant"), content: Some(""), refusal: Some(None) };
        write_event(&mut head, None, &of_choice(index, first, None));
        deltas.push(of_choice(index, Part { content: Some(""), ..Part::default() }, None));
        write_event(&mut tail, None, &of_choice(index, Part::default(), Some(finish_reason(plan.finish))));
    }
    if let (true, Some(usage)) = (wants_usage, plan.reported()) {
        let times = if plan.report == UsageReport::Twice { 2 } else { 1 };
        (0..times).for_each(|_| write_event(&mut tail, None, &event(Vec::new(), Some(usage.into()))));
    }
    write_event(&mut tail, None, "[DONE]");
    Score { head, delta: Delta::of_events(None, &deltas, "content", None), tail, error: stream_error() }
}

/// The event that ends a stream in an error.
pub fn stream_error() -> Vec<u8> {
    let message = "The server had an error while processing your request. Sorry about that!";
    let mut event = Vec::new();
    write_event(&mut event, None, &openai_error(message, "server_error", None).to_string());
    event
}

/// OpenAI's word for why an answer ended.
pub fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
    }
}
