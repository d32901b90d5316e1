//! What every endpoint does with a call, whatever its shape: who asks, which model, what the prompt asks for, and how
//! the answer leaves.
//!
//! An endpoint reads its request with [`read`], begins a [`Call`], plans the answer, and hands its bytes to
//! [`Call::plain`] or [`Call::stream`].

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::directives::{Directives, Fault};
use super::plan::Plan;
use super::play::{Performance, Play, Score};
use super::refusal::{Provider, Refusal, authorize};
use super::served::{Count, Progress, Served};

/// The one time of the stand-in, Unix seconds: it has no clock.
pub const CREATED: u64 = 1_750_000_000;

/// No gateway is held up by a body that a provider would take; recordings may have 25 MB there.
pub const LONGEST_BODY_BYTES: usize = 64 * 1024 * 1024;

/// The request in a body, from somebody with a key that is not wrong.
pub fn read<'a, T: Deserialize<'a>>(provider: Provider, headers: &HeaderMap, body: &'a Bytes) -> Result<T, Refusal> {
    authorize(provider, headers)?;
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(provider, format!("The body of the request is not understood: {error}.")))
}

/// One call that is being answered.
pub struct Call {
    provider: Provider,
    /// The name that the answer gives, as a string.
    pub model: String,
    /// Made of the body: the same request has the same answer, byte for byte.
    pub id: String,
    pub directives: Directives,
    progress: Progress,
}

impl Call {
    /// Takes a call in, or refuses it as the prompt asks. `content` is what the identifier is made of; `prompt` is where
    /// directives stand.
    pub async fn begin<'t>(
        provider: Provider,
        served: &Arc<Served>,
        model: &str,
        content: &[u8],
        prompt: impl Iterator<Item = &'t str>,
    ) -> Result<Call, Refusal> {
        let mut progress = Progress::begin(served, model);
        let begun = Call::admit(provider, served, model, prompt).await;
        match begun {
            Ok(directives) => {
                let id = format!("{:016x}", hash(content));
                let model = directives.model.clone().unwrap_or_else(|| model.to_owned());
                Ok(Call { provider, model, id, directives, progress })
            }
            Err(refusal) => {
                match refusal {
                    Refusal::Said { .. } => {
                        progress.tally.add(Count::Errors, 1);
                        progress.is_over();
                    }
                    Refusal::Silent => progress.is_broken_off(),
                }
                Err(refusal)
            }
        }
    }

    async fn admit<'t>(
        provider: Provider,
        served: &Arc<Served>,
        model: &str,
        prompt: impl Iterator<Item = &'t str>,
    ) -> Result<Directives, Refusal> {
        if model == "no-such-model" {
            return Err(Refusal::no_such_model(provider, model));
        }
        let mut directives = Directives::default();
        let mut asked = DefaultHasher::new();
        for piece in prompt {
            directives.read(piece).map_err(|message| Refusal::bad_request(provider, message))?;
            if directives.times.is_some() {
                asked.write(piece.as_bytes());
            }
        }
        if directives.times.is_some_and(|times| served.times_asked(asked.finish()) >= times) {
            directives = Directives { status: None, fault: None, ..directives };
        }
        if !directives.ttft.is_zero() {
            tokio::time::sleep(directives.ttft).await;
        }
        if directives.fault == Some(Fault::Refuse) {
            return Err(Refusal::Silent);
        }
        match directives.status {
            Some(status) => Err(Refusal::asked_for(provider, status, directives.retry_after)),
            None => Ok(directives),
        }
    }

    /// Counts what belongs to one endpoint alone.
    pub fn count(&self, count: Count, amount: u64) {
        self.progress.tally.add(count, amount);
    }

    /// What the answer will consist of. `prompt` tokens by the rule, `limit` completion tokens at most.
    pub fn plan(&self, prompt: u64, limit: Option<u64>, choices: u64) -> Plan {
        let plan = Plan::new(&self.directives, prompt, limit, choices);
        let usage = plan.usage;
        self.count(Count::PromptTokens, usage.prompt);
        self.count(Count::CachedTokens, usage.cached);
        self.count(Count::CacheWriteTokens, usage.cache_write);
        self.count(Count::CompletionTokens, usage.completion);
        self.count(Count::ReasoningTokens, usage.reasoning);
        plan
    }

    /// Answers whole, with the fault that was asked for.
    pub async fn plain(mut self, plan: &Plan, content_type: &'static str, mut body: Vec<u8>) -> Response {
        if !self.directives.delay.is_zero() {
            let tokens = u32::try_from(plan.tokens).expect("the most tokens that a directive takes fit");
            tokio::time::sleep(self.directives.delay * tokens).await;
        }
        let length = body.len();
        let body = match self.directives.fault {
            None | Some(Fault::Refuse) => {
                self.count(Count::CompletionTokensSent, plan.usage.completion);
                if let Some(usage) = plan.reported() {
                    self.count(Count::UsagesSent, 1);
                    self.count(Count::PromptTokensReported, usage.prompt);
                    self.count(Count::CompletionTokensReported, usage.completion);
                }
                self.progress.is_over();
                Body::from(body)
            }
            Some(Fault::Error) => {
                self.progress.is_broken_off();
                return Refusal::asked_for(self.provider, 500, None).into_response();
            }
            Some(Fault::Garbage) => {
                self.progress.is_broken_off();
                body.truncate(length / 2);
                Body::from(body)
            }
            Some(fault @ (Fault::Cut | Fault::Stall)) => {
                body.truncate(length / 2);
                let broken = Body::new(Play::broken(body, fault, self.progress));
                return answer(self.provider, &self.id, content_type, Some(length), broken);
            }
        };
        answer(self.provider, &self.id, content_type, None, body)
    }

    /// Answers piece by piece.
    pub fn stream(mut self, plan: &Plan, content_type: &'static str, score: Score) -> Response {
        if self.directives.fault == Some(Fault::Error) && content_type != EVENTS {
            self.progress.is_broken_off();
            return Refusal::asked_for(self.provider, 500, None).into_response();
        }
        self.progress.becomes_stream();
        let performance = Performance {
            until: plan.deltas_before(&self.directives),
            fault: self.directives.fault,
            pause: self.directives.delay,
            frames: self.directives.frames,
            hidden: plan.usage.completion - plan.deltas(),
            reported: plan.reported(),
        };
        let body = Body::new(Play::new(score, performance, self.progress));
        answer(self.provider, &self.id, content_type, None, body)
    }
}

/// Server-sent events.
pub const EVENTS: &str = "text/event-stream; charset=utf-8";

pub const JSON: &str = "application/json";

fn answer(provider: Provider, id: &str, content_type: &'static str, length: Option<usize>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let (id_name, limit_headers) = match provider {
        Provider::OpenAi => ("x-request-id", &OPENAI_LIMITS),
        Provider::Anthropic => ("request-id", &ANTHROPIC_LIMITS),
    };
    let id = HeaderValue::try_from(format!("req_{id}")).expect("hexadecimal digits may stand in a header");
    headers.insert(HeaderName::from_static(id_name), id);
    for (name, value) in limit_headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Headers of the provider about its own customer, the gateway; none of its callers' business.
const OPENAI_LIMITS: [(&str, &str); 3] = [
    ("openai-organization", "sandbox"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-requests", "9999"),
];

const ANTHROPIC_LIMITS: [(&str, &str); 3] = [
    ("anthropic-organization-id", "sandbox"),
    ("anthropic-ratelimit-requests-limit", "10000"),
    ("anthropic-ratelimit-requests-remaining", "9999"),
];

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    hasher.finish()
}
