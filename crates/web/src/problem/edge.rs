//! What goes wrong before a use case is asked: bodies, media types, routes, time.

use domain::json::Json;

/// A request that no use case has seen, or whose answer never came.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    #[error("The body is not valid JSON: {0}.")]
    MalformedJson(String),
    #[error("The body is longer than {limit} bytes.")]
    BodyTooLarge { limit: usize },
    #[error("The body ended before it was complete.")]
    BodyBroken,
    #[error("The body took too long to arrive.")]
    BodyTooSlow,
    #[error("A body of type `{found}` cannot be read here. Send JSON with `Content-Type: application/json`.")]
    MediaType { found: String },
    #[error("The header {name} {problem}.")]
    Header { name: &'static str, problem: String },
    #[error(
        "The header Idempotency-Key and the body's `id` name the same thing: send one of them, or the same value in both."
    )]
    KeyMismatch,
    #[error("An account is named by `account` or by `external_id`, not by both.")]
    AccountNamedTwice,
    #[error("A page of another site made your browser ask this, which is not allowed.")]
    CrossSite,
    #[error("Nothing is found at this address. The endpoints are described at /docs.")]
    NoSuchRoute,
    #[error("This address does not take {method}.")]
    MethodNotAllowed { method: String },
    #[error(
        "The answer took too long, and it is not known whether the request was carried out. Send it again with the same idempotency key to find out."
    )]
    TookTooLong,
    #[error("No event was recorded; send them again.")]
    NothingRecorded { code: &'static str },
    #[error("Something went wrong on our side. It has been logged under this request's id.")]
    Panicked,
}

impl EdgeError {
    pub fn code(&self) -> &'static str {
        match self {
            EdgeError::MalformedJson(_) | EdgeError::BodyBroken => "invalid_request",
            EdgeError::BodyTooLarge { .. } => "body_too_large",
            EdgeError::BodyTooSlow => "body_too_slow",
            EdgeError::MediaType { .. } => "unsupported_media_type",
            EdgeError::Header { .. } => "invalid_header",
            EdgeError::KeyMismatch => "idempotency_key_mismatch",
            EdgeError::AccountNamedTwice => "account_named_twice",
            EdgeError::CrossSite => "cross_site",
            EdgeError::NoSuchRoute => "no_such_route",
            EdgeError::MethodNotAllowed { .. } => "method_not_allowed",
            EdgeError::TookTooLong => "outcome_unknown",
            EdgeError::NothingRecorded { code } => code,
            EdgeError::Panicked => "internal",
        }
    }

    /// The table's status, but where a code has two: what cannot even be read is a 400.
    pub(super) fn status(&self) -> Option<u16> {
        matches!(self, EdgeError::MalformedJson(_) | EdgeError::BodyBroken).then_some(400)
    }

    pub(super) fn write_facts(&self, json: &mut Json) {
        match self {
            EdgeError::BodyTooLarge { limit } => json.number("limit", Some(*limit)),
            EdgeError::Header { name, .. } => json.text("header", Some(name)),
            _ => {}
        }
    }
}
