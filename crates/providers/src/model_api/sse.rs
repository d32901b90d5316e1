//! Server-sent events, read while they pass. Start at [`SseParser`].

use bytes::Bytes;

/// Splits a stream of bytes into events, in whatever pieces it comes.
#[derive(Default)]
pub struct SseParser {}

/// One event with the bytes it came as.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Everything up to and with the blank line, as it came.
    pub bytes: Bytes,
    /// The lines of data, joined by line feeds; `None` where there were none.
    pub data: Option<Bytes>,
    /// The event's name.
    pub name: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SseError {
    #[error("an event of the stream is larger than {limit} bytes")]
    TooLarge { limit: usize },
}
