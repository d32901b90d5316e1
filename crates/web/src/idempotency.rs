//! Requests that are sent twice and done once: a POST with an `Idempotency-Key` keeps its answer for a day.
//!
//! Metered usage goes another way: there the key is the command's own, and the ledger knows it. A request that is under
//! way goes on when its caller hangs up, so that what was done is also what is answered next time.

use std::sync::Arc;

use app::Caller;
use app::idempotency::{self, RunningRequest, Start};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Serialize;

use crate::WebState;
use crate::answer;
use crate::canonical::Meaning;
use crate::extract::body::{BODY_LIMIT, read_bytes};
use crate::extract::{caller, idempotency_key};
use crate::headers::REPLAYED;
use crate::operations::RequestId;
use crate::problem::{self, EdgeError, Failure, Place};

/// Kept in place of the answer's own body, which holds a secret.
#[derive(Clone)]
pub struct StoredInstead(Bytes);

impl StoredInstead {
    pub fn of(body: &impl Serialize) -> Self {
        Self(answer::json_bytes(body).into())
    }

    pub fn attach(self, response: &mut Response) {
        response.extensions_mut().insert(self);
    }
}

/// The layer. A request without a key passes through.
pub async fn once(State(state): State<Arc<WebState>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(idempotency_key::HEADER) {
        return next.run(request).await;
    }
    run_once(state, request, next).await.unwrap_or_else(Failure::into_response)
}

async fn run_once(state: Arc<WebState>, request: Request, next: Next) -> Result<Response, Failure> {
    let caller = caller::authenticate(&state, request.method(), request.headers()).await?;
    let (parts, body) = request.into_parts();
    let key = idempotency_key::of_header(&parts.headers)?.unwrap_or_default().to_owned();
    let bytes = read_bytes(body, BODY_LIMIT).await?;
    let path = parts.uri.path().to_owned();
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned()).unwrap_or_default();
    let meaning = meaning(parts.method.as_str(), &path, &bytes);
    match idempotency::begin(&state.app, &name_of(&caller), &key, meaning).await? {
        Start::Replay { status, content_type, body } => Ok(replay(status, content_type, body)),
        Start::Run(running) => {
            let request = Request::from_parts(parts, Body::from(bytes));
            let running = run(state, running, (path, request_id), next.run(request));
            tokio::spawn(running).await.map_err(|error| {
                tracing::error!(%error, "a request panicked");
                Failure::from(EdgeError::Panicked)
            })?
        }
    }
}

/// Answers, and keeps the answer; what is our trouble, or only of this moment, is forgotten.
async fn run(
    state: Arc<WebState>,
    running: RunningRequest,
    (path, request_id): (String, String),
    answering: impl Future<Output = Response>,
) -> Result<Response, Failure> {
    let place = Place { path: &path, request_id: &request_id };
    let response = problem::finish(answering.await, &state.app, place);
    if !is_worth_keeping(response.status()) {
        idempotency::abandon(&state.app, running).await?;
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|_| Failure::from(EdgeError::Panicked))?.to_bytes();
    let kept = parts.extensions.remove::<StoredInstead>().map_or_else(|| bytes.clone(), |instead| instead.0);
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    idempotency::finish(&state.app, running, parts.status.as_u16(), content_type, kept.to_vec()).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn is_worth_keeping(status: StatusCode) -> bool {
    let passing = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.as_u16() < 500 && !passing.contains(&status)
}

fn replay(status: u16, content_type: Option<String>, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Some(content_type) = content_type.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Keys of one caller are not another's.
fn name_of(caller: &Caller) -> String {
    match caller {
        Caller::Service { .. } => "service".to_owned(),
        Caller::Account { account, .. } => account.to_string(),
        Caller::Person(person) => person.user.to_string(),
        Caller::Visitor(visiting) => visiting.account.to_string(),
    }
}

/// What the request asks for. A body that is no JSON stands for its bytes.
fn meaning(method: &str, path: &str, body: &[u8]) -> [u8; 32] {
    let mut meaning = Meaning::of(method);
    meaning.text(path);
    match serde_json::from_slice(body) {
        Ok(value) => meaning.json(&value),
        Err(_) => meaning.bytes(body),
    }
    meaning.hash()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_means_the_same_however_it_is_written() {
        let first = meaning("POST", "/a", br#"{"a": 1, "b": 2}"#);
        assert_eq!(meaning("POST", "/a", br#"{"b":2.0,"a":1}"#), first);
        assert_ne!(meaning("POST", "/b", br#"{"a": 1, "b": 2}"#), first);
        assert_ne!(meaning("POST", "/a", br#"{"a": 1}"#), first);
        assert_ne!(meaning("POST", "/a", b"{"), meaning("POST", "/a", b"["));
    }

    #[test]
    fn only_answers_that_last_are_kept() {
        for (status, kept) in
            [(200, true), (201, true), (404, true), (422, true), (401, false), (429, false), (503, false)]
        {
            assert_eq!(is_worth_keeping(StatusCode::from_u16(status).unwrap()), kept, "{status}");
        }
    }
}
