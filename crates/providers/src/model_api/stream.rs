//! A streamed answer, read while it passes. Start at [`StreamReader::feed`].
//!
//! Whole events are passed on as they came, a chunk of whole events as the very chunk; the beginning of an event waits
//! for its end. Two things are held back: the usage that only Tollway asked for, and the end of the stream, so that
//! whoever passes it on can settle first.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use domain::pricing::CallTokens;
use smallvec::SmallVec;

use super::sse::{Event, SseError, SseParser};
use super::stream_event::StreamEvent;
use super::usage::Usage;
use super::{ApiKind, Endpoint, estimate_tokens};

/// How large an event may be. Responses repeat the request and the whole answer in one event, and pictures come in one.
const LARGEST_EVENT: usize = 1 << 20;
const LARGEST_WHOLE_EVENT: usize = 16 << 20;
/// How much text is kept to count its tokens.
const KEPT_TEXT_BYTES: usize = 256 << 10;
/// Text that was not kept has a token for each so many bytes.
const BYTES_PER_TOKEN: u64 = 4;

/// Reads one streamed answer while it passes.
pub struct StreamReader {
    endpoint: Endpoint,
    hide_usage: bool,
    parser: SseParser,
    usage: Usage,
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
    /// What the provider has reported. While the stream is not `complete`, `completion` may be of an early moment
    /// (Anthropic's first event says 1 or so): [`Seen::used`] minds that.
    pub usage: Option<CallTokens>,
    /// Whether any piece of an answer was passed on.
    pub content_delivered: bool,
    pub delivered: Delivered,
    /// The code or type of an error that came in the stream; never its message.
    pub error: Option<String>,
    /// The `sequence_number` of an event that would come next, for a provider that numbers them.
    pub next_sequence_number: u64,
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

/// The tokens of a call, reported or estimated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    pub tokens: CallTokens,
    /// Some of it was not reported.
    pub is_estimated: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass,
    Hide,
    Hold,
}

impl StreamReader {
    /// `hide_usage`: the client did not ask for the usage that the upstream was asked for.
    pub fn new(endpoint: Endpoint, hide_usage: bool) -> Self {
        let largest = match endpoint {
            Endpoint::Responses | Endpoint::Images => LARGEST_WHOLE_EVENT,
            _ => LARGEST_EVENT,
        };
        let (usage, seen) = (Usage::default(), Seen::default());
        Self { endpoint, hide_usage, parser: SseParser::new(largest), usage, seen }
    }

    /// Takes the next bytes of the answer. After `last` was given, whatever still comes passes unread.
    pub fn feed(&mut self, chunk: Bytes) -> Result<Fed, StreamError> {
        let mut fed = Fed::default();
        if self.seen.complete && self.endpoint != Endpoint::Images {
            fed.pass.push(chunk);
            return Ok(fed);
        }
        let mut run: Range<usize> = 0..0;
        self.parser.feed(chunk.clone());
        while let Some(event) = self.parser.next_event()? {
            let fate = self.judge(&event);
            match (fate, event.in_chunk) {
                (Fate::Pass, Some(at)) if run.is_empty() => run = at..at + event.bytes.len(),
                (Fate::Pass, Some(at)) => run.end = at + event.bytes.len(),
                (Fate::Pass, None) => fed.pass.push(event.bytes),
                (Fate::Hide, _) => fed.pass_run(&chunk, std::mem::take(&mut run)),
                (Fate::Hold, _) => {
                    fed.pass_run(&chunk, run);
                    fed.last = Some(self.end_of(&event, &chunk));
                    return Ok(fed);
                }
            }
        }
        fed.pass_run(&chunk, run);
        Ok(fed)
    }

    /// The bytes that were left when the upstream closed the stream, read as if a blank line followed. Half an event is
    /// none: it is left out, since it would spoil what is sent after it.
    pub fn finish(&mut self) -> Fed {
        let mut fed = Fed::default();
        if let Some(event) = self.parser.finish().filter(|event| self.is_whole(event)) {
            match self.judge(&event) {
                Fate::Pass => fed.pass.push(event.bytes),
                Fate::Hide => {}
                Fate::Hold => fed.last = Some(event.bytes),
            }
        }
        fed
    }

    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    fn is_whole(&self, event: &Event) -> bool {
        let said = event.said();
        said.data.is_none_or(|data| StreamEvent::read(self.endpoint, said.name, &data).is_some())
    }

    /// The terminal event and what follows it in its chunk.
    fn end_of(&mut self, event: &Event, chunk: &Bytes) -> Bytes {
        match event.in_chunk {
            Some(at) => chunk.slice(at..),
            None => {
                let mut end = BytesMut::from(&event.bytes[..]);
                end.extend_from_slice(self.parser.unread());
                end.freeze()
            }
        }
    }

    /// Notes what an event says and decides whether it is passed on.
    fn judge(&mut self, event: &Event) -> Fate {
        let said = event.said();
        let Some(data) = said.data.as_deref() else { return Fate::Pass };
        let Some(read) = StreamEvent::read(self.endpoint, said.name, data) else {
            // Whatever it is, the client has it.
            self.seen.content_delivered = true;
            self.seen.delivered.further_bytes += data.len() as u64;
            return Fate::Pass;
        };
        let number = read.sequence_number.unwrap_or(self.seen.next_sequence_number);
        self.seen.next_sequence_number = number.saturating_add(1);
        if let Some(usage) = read.usage {
            self.note_usage(&usage);
        }
        if read.error.is_some() {
            self.seen.error = read.error;
        }
        self.seen.complete |= read.is_complete;
        if read.is_terminal {
            return Fate::Hold;
        }
        if read.is_usage_alone && self.hide_usage {
            return Fate::Hide;
        }
        self.seen.content_delivered |= read.has_bytes || !read.texts.is_empty();
        for text in &read.texts {
            self.seen.delivered.add(text);
        }
        Fate::Pass
    }

    fn note_usage(&mut self, usage: &Usage) {
        self.usage = match self.endpoint.kind() {
            ApiKind::OpenAi => *usage,
            ApiKind::Anthropic => self.usage.updated_by(usage),
        };
        let tokens = self.usage.tokens(self.endpoint);
        self.seen.usage = match (self.endpoint, self.seen.usage) {
            // Each picture reports its own.
            (Endpoint::Images, Some(before)) => tokens.and_then(|tokens| sum(before, tokens)).or(Some(before)),
            (_, before) => tokens.or(before),
        };
    }
}

fn sum(one: CallTokens, other: CallTokens) -> Option<CallTokens> {
    let (prompt, completion) = (one.prompt.checked_add(other.prompt)?, one.completion.checked_add(other.completion)?);
    Some(CallTokens::new(prompt, completion))
}

impl Fed {
    fn pass_run(&mut self, chunk: &Bytes, run: Range<usize>) {
        if !run.is_empty() {
            self.pass.push(chunk.slice(run));
        }
    }
}

impl Seen {
    /// The tokens of the stream, as well as they are known: what was reported, else an estimate of the prompt, which
    /// the caller has, and of what was delivered. Where the stream broke off, the larger of report and estimate is the
    /// completion. Where anything is estimated, counting may take some milliseconds: see [`estimate_tokens`].
    pub fn used(&self, model: &str, prompt_estimate: u64) -> Used {
        match self.usage {
            Some(tokens) if self.complete => Used { tokens, is_estimated: false },
            Some(tokens) => {
                let completion = tokens.completion.max(self.delivered.estimate_tokens(model));
                Used { tokens: CallTokens { completion, ..tokens }, is_estimated: completion != tokens.completion }
            }
            None => {
                let tokens = CallTokens::new(prompt_estimate, self.delivered.estimate_tokens(model));
                Used { tokens, is_estimated: true }
            }
        }
    }
}

impl Delivered {
    /// How many tokens it probably is.
    pub fn estimate_tokens(&self, model: &str) -> u64 {
        estimate_tokens(model, &self.text).saturating_add(self.further_bytes.div_ceil(BYTES_PER_TOKEN))
    }

    fn add(&mut self, text: &str) {
        let fits = self.further_bytes == 0 && self.text.len() + text.len() <= KEPT_TEXT_BYTES;
        if fits {
            self.text.push_str(text);
        } else {
            self.further_bytes += text.len() as u64;
        }
    }
}

/// Shows how much there is and none of it.
impl fmt::Debug for Delivered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.text.len();
        formatter.debug_struct("Delivered").field("kept", &kept).field("further", &self.further_bytes).finish()
    }
}

impl fmt::Debug for Fed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.pass.iter().map(Bytes::len).sum();
        let last = self.last.as_ref().map(Bytes::len);
        formatter.debug_struct("Fed").field("pass", &bytes).field("last", &last).finish()
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StreamReader").field("seen", &self.seen).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
