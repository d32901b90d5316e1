//! `POST /v1/completions`, plain and as a stream: the older endpoint that continues a text.
//!
//! Several prompts in one call have an answer each. Usage in a stream is told as in [`super::chat`].

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::call::{CREATED, Call, EVENTS, JSON, read};
use super::chat::{MOST_CHOICES, StreamOptions, finish_reason, stream_error};
use super::directives::UsageReport;
use super::plan::Plan;
use super::play::{Delta, Score, write_event};
use super::refusal::{Provider, Refusal};
use super::served::Served;
use super::token_input::TokenInput;
use super::usage::CompletionUsage;
use super::words::text;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    prompt: TokenInput<'a>,
    n: Option<u64>,
    max_tokens: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice>,
    /// Outer `None`: the field is left out. Inner: it is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<CompletionUsage>>,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice {
    text: String,
    index: u64,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

pub async fn complete(State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let request: Request<'_> = read(Provider::OpenAi, &headers, &body)?;
    let call = Call::begin(Provider::OpenAi, &served, &request.model, &body, request.prompt.texts()).await?;
    let choices = (request.n.unwrap_or(1) * request.prompt.count()).clamp(1, MOST_CHOICES);
    let plan = call.plan(request.prompt.tokens(), request.max_tokens, choices);
    let id = format!("cmpl-{}", call.id);
    if request.stream == Some(true) {
        let wants_usage = request.stream_options.unwrap_or_default().include_usage == Some(true);
        let score = score(&id, &call.model, &plan, wants_usage);
        let report = if wants_usage { plan.report } else { UsageReport::None };
        return Ok(call.stream(&Plan { report, ..plan }, EVENTS, score));
    }
    let choice = |index| Choice {
        text: text(index as usize, plan.tokens as usize),
        index,
        logprobs: None,
        finish_reason: Some(finish_reason(plan.finish)),
    };
    let usage = plan.reported().map(|usage| Some(usage.into()));
    let body = completion(&id, &call.model, (0..plan.choices).map(choice).collect(), usage).into_bytes();
    Ok(call.plain(&plan, JSON, body).await)
}

fn completion(id: &str, model: &str, choices: Vec<Choice>, usage: Option<Option<CompletionUsage>>) -> String {
    let object = "text_completion";
    let completion =
        Completion { id, object, created: CREATED, model, choices, usage, system_fingerprint: "fp_sandbox" };
    serde_json::to_string(&completion).expect("the answer has no map with odd keys")
}

fn score(id: &str, model: &str, plan: &Plan, wants_usage: bool) -> Score {
    let event = |choices, usage: Option<CompletionUsage>| completion(id, model, choices, wants_usage.then_some(usage));
    let of_choice =
        |index, finish_reason| event(vec![Choice { text: String::new(), index, logprobs: None, finish_reason }], None);
    let deltas: Vec<String> = (0..plan.choices).map(|index| of_choice(index, None)).collect();
    let mut tail = Vec::new();
    for index in 0..plan.choices {
        write_event(&mut tail, None, &of_choice(index, Some(finish_reason(plan.finish))));
    }
    if let (true, Some(usage)) = (wants_usage, plan.reported()) {
        let times = if plan.report == UsageReport::Twice { 2 } else { 1 };
        (0..times).for_each(|_| write_event(&mut tail, None, &event(Vec::new(), Some(usage.into()))));
    }
    write_event(&mut tail, None, "[DONE]");
    let delta = Delta::of_events(None, &deltas, "text", None);
    Score { head: Vec::new(), delta, tail, error: stream_error() }
}
