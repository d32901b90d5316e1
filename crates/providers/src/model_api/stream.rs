//! A streamed answer, read while it passes. Start at [`StreamReader::feed`].

use bytes::Bytes;
use domain::pricing::CallTokens;
use smallvec::SmallVec;

use super::{Endpoint, SseError};

/// Reads one streamed answer while it passes.
#[derive(Debug)]
pub struct StreamReader {
    seen: Seen,
}

/// What came of feeding bytes.
#[derive(Default)]
pub struct Fed {
    /// To send on now, in order.
    pub pass: SmallVec<[Bytes; 1]>,
    /// The end of the stream, held back until the caller has settled; it follows `pass`.
    pub last: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StreamError {
    #[error(transparent)]
    Events(#[from] SseError),
}

/// What the stream has said so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// What the provider has reported. Where the stream broke off before it was `complete`, `completion` may be of an
    /// early moment (Anthropic's first event says 1 or so): take the larger of it and an estimate of `delivered`.
    pub usage: Option<CallTokens>,
    /// Whether any piece of an answer was passed on.
    pub content_delivered: bool,
    pub delivered: Delivered,
    /// The code or type of an error that came in the stream; never its message.
    pub error: Option<String>,
    /// The terminal event was seen.
    pub complete: bool,
}

/// What was passed on of the answer, good enough to estimate its tokens.
#[derive(Default)]
pub struct Delivered {
    /// The first 256 KiB of text: content, reasoning, refusals, arguments of tools.
    pub text: String,
    /// How many bytes of text came past that.
    pub further_bytes: u64,
}

impl Delivered {
    /// How many tokens it probably is.
    pub fn estimate_tokens(&self, model: &str) -> u64 {
        super::estimate_tokens(model, &self.text)
    }
}

impl std::fmt::Debug for Delivered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Delivered").field("text_bytes", &self.text.len()).finish_non_exhaustive()
    }
}

impl StreamReader {
    /// `hide_usage`: the client did not ask for the usage that the upstream was asked for.
    pub fn new(endpoint: Endpoint, hide_usage: bool) -> Self {
        let _ = (endpoint, hide_usage);
        Self { seen: Seen::default() }
    }

    pub fn feed(&mut self, chunk: Bytes) -> Result<Fed, StreamError> {
        Ok(Fed { pass: [chunk].into_iter().collect(), last: None })
    }

    /// The bytes that were left when the upstream closed the stream, read as an event.
    pub fn finish(&mut self) -> Fed {
        Fed::default()
    }

    pub fn seen(&self) -> &Seen {
        &self.seen
    }
}
