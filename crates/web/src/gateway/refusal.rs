//! Errors as the clients of each provider expect them, with the facts that the API tells too.

use app::gateway::{ApiKind, CallError};
use app::{App, AppError};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::ledger::DenialReason;

use crate::answer;
use crate::extract::wording::sentence;
use crate::headers::REQUEST_ID;
use crate::operations::RequestId;
use crate::problem::{self, Failure, Place};

/// Tells the providers' own clients whether trying again can help.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Where Anthropic's clients look for the request's id; OpenAI's look where it always is.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// The account is named by a header here, not by a field.
const ACCOUNT_NOT_NAMED: &str =
    "A service key acts for many accounts: name one with the header Tollway-Account or Tollway-External-Id.";

/// Why a call was not answered.
pub enum Refused {
    Call(CallError),
    /// What went wrong before the gateway was asked: a body that is too long, for one.
    Edge(Failure),
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        match error {
            CallError::App(error) => Self::Edge(error.into()),
            other => Self::Call(other),
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Edge(failure)
    }
}

/// How an error is named to a client.
struct Told {
    status: StatusCode,
    /// OpenAI's `type` and `code`.
    kind: &'static str,
    code: &'static str,
    message: String,
    param: Option<String>,
}

/// Writes the error in the form of the endpoint.
pub async fn write(app: &App, kind: ApiKind, refused: &Refused, parts: &Parts) -> Response {
    let request_id = parts.extensions.get::<RequestId>().map(RequestId::as_str).unwrap_or_default();
    written(app, kind, refused, Place { path: parts.uri.path(), request_id })
}

/// Writes the failure that a response carries, if any: no endpoint at the address, or one that broke.
pub fn finish(response: Response, app: &App, kind: ApiKind, place: Place<'_>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(failure) = parts.extensions.remove::<Failure>() else { return Response::from_parts(parts, body) };
    let mut response = written(app, kind, &Refused::Edge(failure), place);
    // The methods that are allowed.
    response.headers_mut().extend(parts.headers);
    response
}

fn written(app: &App, kind: ApiKind, refused: &Refused, place: Place<'_>) -> Response {
    let request_id = place.request_id;
    let told = told(refused);
    let error = match refused {
        Refused::Edge(failure) => failure.app_error(),
        Refused::Call(_) => None,
    };
    let mut response = answer::json_text(told.status, body(app, kind, &told, error, request_id));
    let headers = response.headers_mut();
    headers.insert(SHOULD_RETRY, HeaderValue::from_static(if helps_to_retry(&told) { "true" } else { "false" }));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        if kind == ApiKind::Anthropic {
            headers.insert(ANTHROPIC_REQUEST_ID, id.clone());
        }
        headers.insert(REQUEST_ID, id);
    }
    match refused {
        Refused::Edge(failure) => {
            problem::log(failure, place);
            problem::add_headers(headers, failure, app);
        }
        Refused::Call(CallError::Saturated { retry_after_seconds }) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
        }
        Refused::Call(CallError::Upstream { retry_after_seconds: Some(seconds), .. }) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
        }
        Refused::Call(_) => {}
    }
    response
}

/// A quota does not fill up again in the seconds that a client waits.
fn helps_to_retry(told: &Told) -> bool {
    told.code == "rate_limit_exceeded" || told.status.is_server_error()
}

fn told(refused: &Refused) -> Told {
    match refused {
        Refused::Call(error) => told_of_call(error),
        Refused::Edge(failure) => told_of_failure(failure),
    }
}

fn told_of_call(error: &CallError) -> Told {
    let (status, kind, code) = match error {
        CallError::ModelNotFound(_) => (404, "invalid_request_error", "model_not_found"),
        CallError::Request(_) => (400, "invalid_request_error", "invalid_request"),
        CallError::Saturated { .. } => (503, "server_error", "upstream_busy"),
        CallError::Upstream { status, code, .. } => (*status, "server_error", *code),
        CallError::App(error) => (500, "server_error", error.code()),
    };
    let param = match error {
        CallError::Request(error) => error.field().map(str::to_owned),
        CallError::ModelNotFound(_) => Some("model".into()),
        _ => None,
    };
    Told { status: status_of(status), kind, code, message: sentence(error.to_string()), param }
}

fn told_of_failure(failure: &Failure) -> Told {
    let mut status = failure.status();
    let (kind, code) = match (failure.app_error(), failure.code()) {
        (_, "unauthenticated") => ("invalid_request_error", "invalid_api_key"),
        (Some(AppError::Denied(denied)), code) => match denied.denial.reason {
            DenialReason::QuotaExceeded => ("insufficient_quota", "insufficient_quota"),
            _ => ("insufficient_quota", code),
        },
        (Some(AppError::RateLimited { .. }), _) => ("requests", "rate_limit_exceeded"),
        (_, code) if status.is_server_error() => ("server_error", code),
        (_, code) => ("invalid_request_error", code),
    };
    // What cannot be read is a bad request to the providers' clients, and 422 nothing they know.
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        status = StatusCode::BAD_REQUEST;
    }
    let param = match failure.app_error() {
        Some(AppError::Invalid { field, .. }) => Some(field.clone()),
        Some(AppError::FeatureNotInPlan { model: true, .. }) => Some("model".into()),
        _ => None,
    };
    let message = match failure.app_error() {
        Some(AppError::AccountNotNamed) => ACCOUNT_NOT_NAMED.to_owned(),
        _ => failure.to_string(),
    };
    Told { status, kind, code, message, param }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The body of an error.
fn body(app: &App, kind: ApiKind, told: &Told, error: Option<&AppError>, request_id: &str) -> String {
    answer::object(|json| {
        if kind == ApiKind::Anthropic {
            json.text("type", Some("error"));
        }
        json.inner("error", Some(told), |json, told| {
            json.text("message", Some(&told.message));
            let kind = match kind {
                ApiKind::OpenAi => told.kind,
                ApiKind::Anthropic => anthropic_type(told.status),
            };
            json.text("type", Some(kind));
            json.text("param", told.param.as_deref());
            json.text("code", Some(told.code));
            if let Some(error) = error {
                problem::write_facts(json, error, &app.settings);
            }
        });
        if kind == ApiKind::Anthropic {
            json.text("request_id", Some(request_id));
        }
    })
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_that_clients_know() {
        let told = |error: AppError| {
            let told = told_of_failure(&error.into());
            (told.status.as_u16(), told.kind, told.code)
        };
        assert_eq!(told(AppError::Unauthenticated), (401, "invalid_request_error", "invalid_api_key"));
        assert_eq!(told(AppError::TooLate), (503, "server_error", "too_late"));
        let limited =
            AppError::RateLimited { scope: "api".into(), requests: 1, window_seconds: 60, retry_after_seconds: 3 };
        assert_eq!(told(limited), (429, "requests", "rate_limit_exceeded"));
        assert_eq!(told(AppError::invalid("x", "No.")), (400, "invalid_request_error", "invalid_request"));
    }
}
