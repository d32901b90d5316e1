//! `/v1`: model calls in OpenAI's and Anthropic's forms. An app changes its base URL and its key, and nothing else.
//!
//! [`call`] reads a request and sends the answer on, [`context`] reads what the client tells of the call beside it,
//! [`refusal`] writes errors as each provider's clients expect them, [`limit_headers`] what is left, [`pieces`] makes a
//! stream of what comes. The rules are `app::gateway`'s.

mod call;
mod context;
mod limit_headers;
mod models;
mod pieces;
mod refusal;

pub use refusal::finish;

use std::sync::Arc;

use app::gateway::{ApiKind, Endpoint};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::routing::{MethodRouter, get, post};

use crate::{WebState, boxed};

/// Anthropic's clients say which version they speak.
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Whose client asks, where the address does not tell.
pub fn kind_of_client(headers: &HeaderMap) -> ApiKind {
    if headers.contains_key(ANTHROPIC_VERSION) { ApiKind::Anthropic } else { ApiKind::OpenAi }
}

/// The addresses that a client of a model provider knows.
#[rustfmt::skip]
pub fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/v1/chat/completions",      model_call(Endpoint::ChatCompletions))
        .route("/v1/completions",           model_call(Endpoint::Completions))
        .route("/v1/responses",             model_call(Endpoint::Responses))
        .route("/v1/embeddings",            model_call(Endpoint::Embeddings))
        .route("/v1/audio/transcriptions",  model_call(Endpoint::Transcriptions))
        .route("/v1/audio/translations",    model_call(Endpoint::Translations))
        .route("/v1/audio/speech",          model_call(Endpoint::Speech))
        .route("/v1/images/generations",    model_call(Endpoint::Images))
        .route("/v1/messages",              model_call(Endpoint::Messages))
        .route("/v1/models",                get(models::list))
        .route("/v1/models/{*model}",       get(models::one))
}

fn model_call(endpoint: Endpoint) -> MethodRouter<Arc<WebState>> {
    post(move |State(state): State<Arc<WebState>>, request: Request| {
        boxed(move || call::call(state, endpoint, request))
    })
}
