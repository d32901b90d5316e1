//! A stand-in for a model provider: OpenAI's endpoints and Anthropic's messages, with usage, streams and faults.
//!
//! What lives here: the providers' shapes as their official clients read them, one endpoint a file, and the stand-in's
//! own count of what it served ([`served`]). What must not: a clock or randomness in an answer; the same request has
//! the same answer, byte for byte. Any key will do but `wrong`, any model but `no-such-model`.
//!
//! The text of an answer is words of one token each, and each delta of a stream is one of them ([`words`]); 16 unless
//! the prompt says `[[tokens=200]]`, and no more than the request allows. Prompt tokens are the words of all text, and
//! three a message ([`prompt`]). A prompt asks for other lengths, pauses, usage and faults by [`directives`].
//!
//! Start with [`router`]; then [`chat`], which shows how an endpoint is written.

mod call;
mod chat;
mod completions;
pub mod directives;
mod embeddings;
mod images;
mod messages;
mod model_list;
mod plan;
mod play;
mod prompt;
mod refusal;
mod responses;
mod served;
mod server;
mod speech;
mod token_input;
mod transcriptions;
mod usage;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

pub use server::serve;

use served::Served;

/// Every address of the stand-in, with counts of its own.
#[rustfmt::skip]
pub fn router() -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat::chat))
        .route("/v1/completions", post(completions::complete))
        .route("/v1/responses", post(responses::respond))
        .route("/v1/embeddings", post(embeddings::embed))
        .route("/v1/audio/transcriptions", post(transcriptions::transcribe))
        .route("/v1/audio/translations", post(transcriptions::translate))
        .route("/v1/audio/speech", post(speech::speak))
        .route("/v1/images/generations", post(images::draw))
        .route("/v1/messages", post(messages::messages))
        .route("/v1/messages/count_tokens", post(messages::count_tokens))
        .route("/v1/models", get(model_list::list))
        .route("/v1/models/{model}", get(model_list::get))
        .route("/sandbox/served", get(served::served).delete(served::forget))
        .fallback(refusal::no_such_endpoint)
        .method_not_allowed_fallback(refusal::no_such_endpoint)
        .layer(DefaultBodyLimit::max(call::LONGEST_BODY_BYTES))
        .with_state(Arc::new(Served::default()))
}
