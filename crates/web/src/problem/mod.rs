//! What goes wrong, told as problem details (RFC 9457) with a stable `code`, a sentence that helps and facts to act on.
//!
//! Handlers answer a [`Failure`]; it travels in the response until [`finish`] writes it, where the request's id and path
//! are known. [`table`] says which status and title a code has, [`facts`] what is told beside the sentence.

mod edge;
mod facts;
mod schema;
pub mod table;

use std::sync::Arc;

use app::{App, AppError};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub use edge::EdgeError;
pub(crate) use facts::write as write_facts;
pub use schema::{Problem, Problems};

use self::table::Entry;
use crate::extract::wording::sentence;
use crate::{answer, headers};

/// A request that was not answered with what it asked for.
#[derive(Debug, Clone)]
pub struct Failure(Arc<Caused>);

#[derive(Debug)]
struct Caused {
    cause: Cause,
    /// What the table says of the code, looked up once.
    entry: &'static Entry,
}

#[derive(Debug)]
enum Cause {
    App(AppError),
    Edge(EdgeError),
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        let entry = table::entry(error.code());
        Self(Arc::new(Caused { cause: Cause::App(error), entry }))
    }
}

impl From<EdgeError> for Failure {
    fn from(error: EdgeError) -> Self {
        let entry = table::entry(error.code());
        Self(Arc::new(Caused { cause: Cause::Edge(error), entry }))
    }
}

impl Failure {
    /// The stable name of what went wrong.
    pub fn code(&self) -> &'static str {
        match &self.0.cause {
            Cause::App(error) => error.code(),
            Cause::Edge(error) => error.code(),
        }
    }

    pub fn status(&self) -> StatusCode {
        let status = self.own_status().unwrap_or(self.0.entry.status);
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A quota is denied with the status its limit says.
    fn own_status(&self) -> Option<u16> {
        match &self.0.cause {
            Cause::Edge(error) => error.status(),
            Cause::App(AppError::Denied(denied))
                if denied.denial.reason == domain::ledger::DenialReason::QuotaExceeded =>
            {
                denied.denial.limit.as_ref().map(|limit| limit.denied_status)
            }
            _ => None,
        }
    }

    pub fn app_error(&self) -> Option<&AppError> {
        match &self.0.cause {
            Cause::App(error) => Some(error),
            Cause::Edge(_) => None,
        }
    }
}

/// The sentence that callers are told. Of our own troubles no more than that there are some.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.0.cause, self.0.entry.instead) {
            (_, Some(instead)) => f.write_str(instead),
            // Told more often than all others, and a sentence already.
            (Cause::App(AppError::Denied(denied)), None) => write!(f, "{denied}"),
            (Cause::App(error), None) => f.write_str(&sentence(error.to_string())),
            (Cause::Edge(error), None) => write!(f, "{error}"),
        }
    }
}

/// The failure travels in the response; [`finish`] writes it.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

/// Where a problem arose.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    pub path: &'p str,
    pub request_id: &'p str,
}

/// Writes the failure that a response carries, if any. What is our trouble is logged here, once.
pub fn finish(response: Response, app: &App, place: Place<'_>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(failure) = parts.extensions.remove::<Failure>() else { return Response::from_parts(parts, body) };
    log(&failure, place);
    let bytes = answer::json_bytes(&Written { failure: &failure, app, place, status: parts.status });
    let headers = &mut parts.headers;
    headers.reserve(answer::HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    add_headers(headers, &failure, app);
    Response::from_parts(parts, Body::from(bytes))
}

pub(crate) fn log(failure: &Failure, place: Place<'_>) {
    let Place { path, request_id } = place;
    match (failure.app_error(), failure.code()) {
        (Some(error), code @ "internal") => tracing::error!(code, path, request_id, %error, "a request failed"),
        (Some(error), code @ ("unavailable" | "outcome_unknown")) => {
            tracing::warn!(code, path, request_id, %error, "a request could not be answered");
        }
        _ => {}
    }
}

pub(crate) fn add_headers(headers: &mut axum::http::HeaderMap, failure: &Failure, app: &App) {
    match failure.app_error() {
        Some(AppError::Unauthenticated) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tollway\""));
        }
        Some(AppError::Denied(denied)) => headers::add_denial(headers, denied),
        Some(AppError::RateLimited { scope, requests, window_seconds, retry_after_seconds }) => {
            headers::add_rate_limit(
                headers,
                app.now(),
                scope.as_str(),
                (*requests, *window_seconds, *retry_after_seconds),
            );
        }
        Some(AppError::FeatureNotInPlan { suggested_plan, .. }) => {
            headers::put(headers, headers::UPGRADE_URL, &app.upgrade_url(suggested_plan.as_ref()));
        }
        _ => {}
    }
    if let Some(seconds) = failure.0.entry.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// A problem as JSON.
struct Written<'w> {
    failure: &'w Failure,
    app: &'w App,
    place: Place<'w>,
    /// What is answered, which a caller may have asked to be another than the table's.
    status: StatusCode,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let code = self.failure.code();
        let mut map = serializer.serialize_map(None)?;
        let base = self.app.settings.public_url.trim_end_matches('/');
        map.serialize_entry("type", &format_args!("{base}/docs#{code}"))?;
        map.serialize_entry("title", self.failure.0.entry.title)?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("detail", &format_args!("{}", self.failure))?;
        map.serialize_entry("instance", self.place.path)?;
        map.serialize_entry("code", code)?;
        map.serialize_entry("request_id", self.place.request_id)?;
        match &self.failure.0.cause {
            Cause::App(error) => facts::write(&mut map, error, self.app)?,
            Cause::Edge(error) => error.write_facts(&mut map)?,
        }
        map.end()
    }
}
