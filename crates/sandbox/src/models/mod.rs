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

pub mod call;
pub mod chat;
pub mod directives;
pub mod plan;
pub mod play;
pub mod prompt;
pub mod refusal;
pub mod served;
mod server;
pub mod usage;
pub mod words;

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
        .route("/sandbox/served", get(served::served).delete(served::forget))
        .fallback(refusal::no_such_endpoint)
        .layer(DefaultBodyLimit::max(call::LONGEST_BODY_BYTES))
        .with_state(Arc::new(Served::default()))
}
