//! The providers of models, spoken to in OpenAI's and Anthropic's forms: what a call asks for, what it used, and the
//! call itself. Nothing here knows customers, quotas or prices, and no error or log repeats a prompt or an answer.
//!
//! In the order of a call:
//!
//! - [`Endpoint`]: which call it is
//! - [`ModelRequest`]: what the client asks for, read in one pass, and what is sent on instead
//! - [`ModelClient`]: sends it to one upstream and gives the [`Answer`]
//! - [`usage_of_answer`]: what a whole answer used; [`StreamReader`]: the same of a streamed one, while it passes
//! - [`estimate_tokens`]: for where the provider reported nothing

mod answer_text;
mod client;
mod endpoint;
mod fields;
mod loose;
mod multipart;
mod own_wakes;
mod pool;
mod prompt;
mod request;
mod rewrite;
mod spoken;
mod sse;
mod stream;
mod stream_event;
mod tokens;
mod upload;
mod upstream;
mod usage;

pub use answer_text::answer_text_of;
pub use client::{Answer, BodyError, ModelClient, SendError};
pub use endpoint::{ApiKind, Endpoint};
pub use request::{ModelRequest, RequestError};
pub use sse::{Event, Said, SseError, SseParser};
pub use stream::{Delivered, Fed, Seen, StreamError, StreamReader, Used};
pub use tokens::estimate_tokens;
pub use upstream::{Upstream, UpstreamError};
pub use usage::usage_of_answer;
