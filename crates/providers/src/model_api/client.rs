//! Sends calls to one upstream. Start at [`ModelClient::send`].
//!
//! HTTP/1.1 with kept connections, no redirects, no proxies, no decompression, and nothing sent twice unless it cannot
//! have left. No error repeats what was sent or what came.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use tokio::time::{Instant, Sleep};

use super::pool::{AnswerBody, NoAnswer, Pool};
use super::upstream::Route;
use super::{Endpoint, Upstream, UpstreamError};
use crate::connections::{Connector, NoAuthorities, NoConnection};

/// What of an answer's headers tells the client something. Limits and identities of the operator's own account are left
/// out.
static PASSED_ON: [HeaderName; 8] = [
    http::header::CONTENT_TYPE,
    http::header::CONTENT_ENCODING,
    http::header::RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-should-retry"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("openai-processing-ms"),
];

/// The connections to one upstream. Clones share them.
#[derive(Clone)]
pub struct ModelClient {
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Upstream,
    route: Route,
    pool: Pool,
}

/// The answer of an upstream: its head is here, its body still comes.
pub struct Answer {
    pub status: StatusCode,
    /// Those worth passing on to the client.
    pub headers: HeaderMap,
    body: AnswerBody,
    idle_timeout: Duration,
    /// Ends the wait for a piece that does not come. One for all pieces: to move it on costs less than to make another.
    idle: Option<Pin<Box<Sleep>>>,
}

/// Why no answer came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    #[error("the upstream's address is not public, and allow_private is not set for it")]
    RefusedAddress,
    #[error("no connection to the upstream could be made")]
    Connect,
    #[error("connecting to the upstream took too long")]
    ConnectTimeout,
    #[error("the upstream did not begin to answer in time")]
    FirstByteTimeout,
    #[error("the connection broke before the upstream answered")]
    Broken,
    #[error("the upstream speaks another form than the call has")]
    OtherKind,
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
    /// Reads the settings; connects to nothing yet.
    pub fn new(upstream: Upstream) -> Result<Self, UpstreamError> {
        let route = Route::of(&upstream)?;
        let connector = Connector::new(upstream.connect_timeout, upstream.allow_private, route.is_https)
            .map_err(|NoAuthorities| UpstreamError::NoAuthorities)?;
        let pool = Pool::new(route.origin.clone(), connector);
        Ok(Self { shared: Arc::new(Shared { upstream, route, pool }) })
    }

    pub fn upstream(&self) -> &Upstream {
        &self.shared.upstream
    }

    /// Sends a call and waits for the head of the answer, whatever its status. Dropping the future closes the
    /// connection.
    ///
    /// Of the client's `headers` only those that belong to the call go on: what it accepts, the content type of an
    /// upload, and what the provider's own clients say about versions.
    pub async fn send(&self, endpoint: Endpoint, headers: &HeaderMap, body: Bytes) -> Result<Answer, SendError> {
        let Shared { upstream, route, pool } = &*self.shared;
        if endpoint.kind() != upstream.kind {
            return Err(SendError::OtherKind);
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = route.path(endpoint);
        *request.headers_mut() = route.headers(endpoint, headers);
        // Connecting has its own, shorter patience; so what runs out here is the wait for the head.
        let patience = upstream.connect_timeout.saturating_add(upstream.first_byte_timeout);
        let response = tokio::time::timeout(patience, pool.send(request)).await;
        let response = response.map_err(|_| SendError::FirstByteTimeout)?.map_err(|error| no_answer(&error))?;
        let (head, body) = response.into_parts();
        let headers = worth_passing_on(&head.headers);
        Ok(Answer { status: head.status, headers, body, idle_timeout: upstream.idle_timeout, idle: None })
    }
}

fn no_answer(error: &NoAnswer) -> SendError {
    match error {
        NoAnswer::Broken => SendError::Broken,
        NoAnswer::Closed => SendError::Connect,
        NoAnswer::Connect(error) => match NoConnection::within(&**error) {
            Some(NoConnection::RefusedAddress) => SendError::RefusedAddress,
            Some(NoConnection::Timeout) => SendError::ConnectTimeout,
            None => SendError::Connect,
        },
    }
}

fn worth_passing_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed_on = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| PASSED_ON.contains(name)) {
        passed_on.entry(name).or_insert_with(|| value.clone());
    }
    passed_on
}

impl SendError {
    /// Whether the upstream may have begun to work: then the call may cost something, and is not to be sent again.
    pub fn may_have_reached(&self) -> bool {
        matches!(self, Self::FirstByteTimeout | Self::Broken)
    }
}

impl Answer {
    /// The next piece of the body, `None` at its end. Dropping the future loses nothing; dropping the answer before its
    /// end closes the connection, by which providers stop working.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Self { body, idle_timeout, idle, .. } = self;
        let mut waits = false;
        std::future::poll_fn(|context| {
            while let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
                let Some(frame) = frame else { return Poll::Ready(Ok(None)) };
                // What is no data is a trailer, which tells nothing.
                if let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() {
                    return Poll::Ready(Ok(Some(data)));
                }
            }
            if let Some(idle) = idle.as_mut().filter(|_| !waits) {
                idle.as_mut().reset(Instant::now() + *idle_timeout);
            }
            waits = true;
            let idle = idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(*idle_timeout)));
            idle.as_mut().poll(context).map(|()| Err(BodyError::Idle))
        })
        .await
    }

    /// The whole body, at most `limit` bytes of it.
    pub async fn whole(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge { limit };
        let announced = self.body.size_hint().lower();
        if usize::try_from(announced).map_or(true, |bytes| bytes > limit) {
            return Err(too_large);
        }
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let mut all: Option<BytesMut> = None;
        let mut length = first.len();
        while length <= limit {
            let Some(next) = self.chunk().await? else {
                return Ok(all.map_or(first, BytesMut::freeze));
            };
            length = length.saturating_add(next.len());
            all.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&next);
        }
        Err(too_large)
    }
}

impl fmt::Debug for ModelClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ModelClient").field("upstream", &self.shared.upstream).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
