//! What happens to every request, once: its id, a span, a time limit, a caught panic, the written problem, security
//! headers, counters and a log line. One function, since each further layer costs every request.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use domain::ids::Kind;
use domain::plain::Plain;
use tower::{Layer, Service};
use tracing::Instrument;

use crate::headers::REQUEST_ID;
use crate::problem::{self, EdgeError, Failure, Place};
use crate::{WebState, boxed, gateway, pages};

/// The longest that any request may take, but a model call.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest that a model may take until it begins to answer; its upstream has a time of its own.
const LONGEST_MODEL_CALL: Duration = Duration::from_secs(3_600);
const GATEWAY: &str = "/v1/";
const LONGEST_REQUEST_ID: usize = 128;
/// The route of requests that none matches.
const NO_ROUTE: &str = "none";

/// The id that a request is found by, in logs and problems.
#[derive(Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The caller's own, if it is one; else a new one.
    fn of(headers: &HeaderMap, state: &WebState) -> Self {
        if let Some(given) = headers.get(REQUEST_ID).filter(|given| is_request_id(given.as_bytes())) {
            return Self(given.clone());
        }
        Self(HeaderValue::try_from(state.app.new_id::<RequestKind>().to_text()).expect("ids are letters and digits"))
    }
}

struct RequestKind;

impl Kind for RequestKind {
    const PREFIX: &'static str = "req_";
}

/// Letters, digits and a few signs, so that it can stand in any log.
fn is_request_id(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(byte);
    (1..=LONGEST_REQUEST_ID).contains(&text.len()) && text.iter().all(is_plain)
}

/// The layer around everything. Written out, since one made of a function puts a further box around every answer.
#[derive(Clone)]
pub struct Operations(pub Arc<WebState>);

/// A route with the layer around it.
#[derive(Clone)]
pub struct Operated {
    state: Arc<WebState>,
    route: Route,
}

impl Layer<Route> for Operations {
    type Service = Operated;

    fn layer(&self, route: Route) -> Operated {
        Operated { state: self.0.clone(), route }
    }
}

impl Service<Request> for Operated {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.route, context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { state, route } = self.clone();
        boxed(move || operate(state, request, route))
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a request took is a duration, not a time of the product")]
async fn operate(state: Arc<WebState>, mut request: Request, mut route: Route) -> Result<Response, Infallible> {
    let started = Instant::now();
    let id = RequestId::of(request.headers(), &state);
    let method = request.method().clone();
    let uri = request.uri().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let name = matched.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!(
        "request",
        request_id = id.as_str(),
        method = method.as_str(),
        route = name,
        status = tracing::field::Empty,
        duration_ms = tracing::field::Empty,
    );
    let of_gateway = uri.path().starts_with(GATEWAY).then(|| gateway::kind_of_client(request.headers()));
    let longest = if of_gateway.is_some() { LONGEST_MODEL_CALL } else { LONGEST };
    let response = answered(route.call(request), longest).instrument(span.clone()).await;
    let place = Place { path: uri.path(), request_id: id.as_str() };
    let mut response = span.in_scope(|| match of_gateway {
        Some(kind) => gateway::finish(response, &state.app, kind, place),
        None if pages::is_page(place.path) => pages::finish(response, &state.app, place),
        None => problem::finish(response, &state.app, place),
    });
    secure(response.headers_mut(), uri.path());
    response.headers_mut().insert(REQUEST_ID, id.0.clone());
    let (status, took) = (response.status(), started.elapsed());
    state.measurements.count_request(&method, name, status, took);
    log(&span, status, took);
    Ok(response)
}

/// The answer, or the failure that there is none: after a panic, or when time is up.
async fn answered(answering: impl Future<Output = Result<Response, Infallible>>, longest: Duration) -> Response {
    match tokio::time::timeout(longest, caught(answering)).await {
        Ok(Some(Ok(response))) => response,
        Ok(None) => Failure::from(EdgeError::Panicked).into_response(),
        Err(_) => Failure::from(EdgeError::TookTooLong).into_response(),
    }
}

/// `None` after a panic. What panicked is dropped and never polled again.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => {
                let said = panic
                    .downcast_ref::<&str>()
                    .copied()
                    .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                tracing::error!(panic = said.unwrap_or("without words"), "a request panicked");
                Poll::Ready(None)
            }
        }
    })
    .await
}

fn secure(headers: &mut HeaderMap, path: &str) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if path.starts_with("/api/") || path.starts_with(GATEWAY) {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}

fn log(span: &tracing::Span, status: StatusCode, took: Duration) {
    let duration_ms = took.as_secs_f64() * 1_000.0;
    span.record("status", status.as_u16());
    span.record("duration_ms", duration_ms);
    span.in_scope(|| match status.as_u16() {
        500.. => tracing::warn!(status = status.as_u16(), duration_ms, "answered"),
        400.. => tracing::info!(status = status.as_u16(), duration_ms, "answered"),
        _ => tracing::debug!(status = status.as_u16(), duration_ms, "answered"),
    });
}

/// Nothing is at this address.
pub async fn no_such_route() -> Failure {
    EdgeError::NoSuchRoute.into()
}

/// Something is at this address, but not for this method. axum adds the header `Allow`.
pub async fn method_not_allowed(method: Method) -> Failure {
    EdgeError::MethodNotAllowed { method: method.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_plain() {
        for good in ["a", "req_01k", "2f1b-33:x.y+z/=", &"x".repeat(128)] {
            assert!(is_request_id(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\nb", "ü", &"x".repeat(129)] {
            assert!(!is_request_id(bad.as_bytes()), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_too() {
        assert_eq!(caught(async { 7 }).await, Some(7));
        assert_eq!(
            caught(async {
                if true {
                    panic!("for this test")
                }
            })
            .await,
            None
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_is_answered() {
        let response = answered(std::future::pending(), LONGEST).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.extensions().get::<Failure>().map(Failure::code), Some("outcome_unknown"));
    }

    #[test]
    fn api_answers_are_not_kept_by_caches() {
        let mut headers = HeaderMap::new();
        secure(&mut headers, "/docs");
        assert!(!headers.contains_key(header::CACHE_CONTROL));
        secure(&mut headers, "/api/v1/usage");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}
