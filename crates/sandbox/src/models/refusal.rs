//! Errors, in the shape of the provider that was called.
//!
//! OpenAI's is `{"error": {"message", "type", "param", "code"}}`; Anthropic's is
//! `{"type": "error", "error": {"type", "message"}, "request_id"}`. Start with [`Refusal`].

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::play::Play;

/// Whose shapes are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    OpenAi,
    Anthropic,
}

/// An error instead of an answer.
#[derive(Debug)]
pub enum Refusal {
    /// An error with its status.
    Said {
        provider: Provider,
        status: StatusCode,
        message: String,
        code: Option<&'static str>,
        retry_after: Option<u64>,
    },
    /// The connection ends before any byte.
    Silent,
}

impl Refusal {
    pub fn new(provider: Provider, status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal::Said { provider, status, message: message.into(), code: None, retry_after: None }
    }

    /// The call is not understood.
    pub fn bad_request(provider: Provider, message: impl Into<String>) -> Refusal {
        Refusal::new(provider, StatusCode::BAD_REQUEST, message)
    }

    fn wrong_key(provider: Provider) -> Refusal {
        let (message, code) = match provider {
            Provider::OpenAi => ("Incorrect API key provided: wrong.", Some("invalid_api_key")),
            Provider::Anthropic => ("invalid x-api-key", None),
        };
        Refusal::Said {
            provider,
            status: StatusCode::UNAUTHORIZED,
            message: message.to_owned(),
            code,
            retry_after: None,
        }
    }

    pub fn no_such_model(provider: Provider, model: &str) -> Refusal {
        let (message, code) = match provider {
            Provider::OpenAi => {
                let message = format!("The model `{model}` does not exist or you do not have access to it.");
                (message, Some("model_not_found"))
            }
            Provider::Anthropic => (format!("model: {model}"), None),
        };
        Refusal::Said { provider, status: StatusCode::NOT_FOUND, message, code, retry_after: None }
    }

    /// The status that a directive asked for.
    pub fn asked_for(provider: Provider, status: u16, retry_after: Option<u64>) -> Refusal {
        let status = StatusCode::from_u16(status).expect("the directive takes 400 to 599 alone");
        let (code, message) = match status.as_u16() {
            429 => (Some("rate_limit_exceeded"), "Rate limit reached for requests."),
            500 => (None, "The server had an error while processing your request. Sorry about that!"),
            503 | 529 => (None, "The engine is currently overloaded, please try again later."),
            _ => (None, "The prompt asked for this error."),
        };
        Refusal::Said { provider, status, message: message.to_owned(), code, retry_after }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal::Said { provider, status, message, code, retry_after } = self else {
            return Response::new(Body::new(Play::nothing()));
        };
        let body = match provider {
            Provider::OpenAi => openai_error(&message, openai_type(status), code),
            Provider::Anthropic => {
                let mut body = anthropic_error(anthropic_type(status), &message);
                body["request_id"] = json!("req_sandbox");
                body
            }
        };
        let content_type = HeaderValue::from_static("application/json");
        let mut response = (status, [(header::CONTENT_TYPE, content_type)], body.to_string()).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// OpenAI's shape of an error.
pub fn openai_error(message: &str, kind: &str, code: Option<&str>) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

/// Anthropic's shape of an error, as it stands in a stream.
pub fn anthropic_error(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message } })
}

fn openai_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// Every key is right, and none too, but for `wrong`.
pub fn authorize(provider: Provider, headers: &HeaderMap) -> Result<(), Refusal> {
    let is_wrong = |name: &str, value: &str| headers.get(name).is_some_and(|header| header == value);
    if is_wrong("authorization", "Bearer wrong") || is_wrong("x-api-key", "wrong") {
        return Err(Refusal::wrong_key(provider));
    }
    Ok(())
}

/// What is answered where there is no such endpoint.
pub async fn no_such_endpoint(method: axum::http::Method, uri: Uri) -> Refusal {
    let message = format!("Invalid URL ({method} {})", uri.path());
    Refusal::new(Provider::OpenAi, StatusCode::NOT_FOUND, message)
}
