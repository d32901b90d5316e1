//! Why a call to Stripe did not do what was asked.

use http::StatusCode;
use serde_json::Value;

use super::object::{Object, Unreadable};

/// Longer messages are cut.
const LONGEST_MESSAGE: usize = 500;

/// None of them repeats a key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StripeError {
    /// The customer's bank or card said no, in words that the customer may read.
    #[error("Stripe declined it: {message}")]
    Declined { code: String, decline_code: Option<String>, message: String },
    /// Our mistake, or a state that does not allow it. Asking again changes nothing.
    #[error("Stripe refused it: {message}")]
    Invalid { code: Option<String>, param: Option<String>, message: String },
    #[error("Stripe has no such object: {what}")]
    NotFound { what: String },
    #[error("Stripe does not accept the secret key, or the key may not do this")]
    Unauthorized,
    #[error("Stripe is asked too often")]
    RateLimited,
    /// The key for doing things once was used before, for something else.
    #[error("the idempotency key was used before with other parameters")]
    KeyReused,
    /// No answer that says what happened: it may have been done or not. The same key may be used again.
    #[error("Stripe is unavailable: {0}")]
    Unavailable(String),
}

impl StripeError {
    /// Whether asking again later, with the same key, may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable(_))
    }

    /// What an answer that is not good means, after all tries.
    pub(super) fn of(status: StatusCode, request_id: Option<&str>, body: &[u8]) -> Self {
        let answered = || {
            let request = request_id.map(|id| format!(" (request {id})")).unwrap_or_default();
            Self::Unavailable(format!("it answered with status {}{request}", status.as_u16()))
        };
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Self::Unauthorized;
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Self::RateLimited;
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(error) = Object::of(&body).at("/error").filter(|_| status.is_client_error()) else {
            return answered();
        };
        let (code, kind) = (error.words("/code"), error.words("/type"));
        let message = message(error);
        match status {
            _ if kind.as_deref() == Some("idempotency_error") => Self::KeyReused,
            StatusCode::PAYMENT_REQUIRED => {
                let code = code.or(kind).unwrap_or_default();
                Self::Declined { code, decline_code: error.words("/decline_code"), message }
            }
            // Another call with the same key, or about the same object, is still being worked on.
            StatusCode::CONFLICT => answered(),
            StatusCode::NOT_FOUND if code.as_deref() == Some("resource_missing") => Self::NotFound { what: message },
            _ => Self::Invalid { code, param: error.words("/param"), message },
        }
    }
}

fn message(error: Object<'_>) -> String {
    let message = error.words("/message").unwrap_or_else(|| "it does not say why".to_owned());
    message.chars().take(LONGEST_MESSAGE).collect()
}

impl From<Unreadable> for StripeError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unavailable(format!("its answer cannot be read: {unreadable}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(status: u16, body: &Value) -> StripeError {
        StripeError::of(StatusCode::from_u16(status).unwrap(), Some("req_1"), body.to_string().as_bytes())
    }

    fn invalid(code: Option<&str>, param: Option<&str>, message: &str) -> StripeError {
        StripeError::Invalid { code: code.map(Into::into), param: param.map(Into::into), message: message.into() }
    }

    #[test]
    fn an_answer_tells_what_is_wrong() {
        let declined = json!({"error": {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline",
            "message": "Your card was declined."}});
        let told = StripeError::Declined {
            code: "card_declined".into(),
            decline_code: Some("generic_decline".into()),
            message: "Your card was declined.".into(),
        };
        assert_eq!(error(402, &declined), told);
        let unknown = json!({"error": {"type": "invalid_request_error", "code": "parameter_unknown", "param": "x",
            "message": "Received unknown parameter: x"}});
        assert_eq!(
            error(400, &unknown),
            invalid(Some("parameter_unknown"), Some("x"), "Received unknown parameter: x")
        );
        let missing = json!({"error": {"type": "invalid_request_error", "code": "resource_missing", "param": "id",
            "message": "No such customer: 'cus_1'"}});
        assert_eq!(error(404, &missing), StripeError::NotFound { what: "No such customer: 'cus_1'".into() });
        assert_eq!(error(400, &missing), invalid(Some("resource_missing"), Some("id"), "No such customer: 'cus_1'"));
        let no_url = json!({"error": {"type": "invalid_request_error", "message": "Unrecognized request URL"}});
        assert_eq!(error(404, &no_url), invalid(None, None, "Unrecognized request URL"));
        let reused = json!({"error": {"type": "idempotency_error", "message": "Keys for idempotent requests …"}});
        assert_eq!(error(400, &reused), StripeError::KeyReused);
        assert_eq!(error(401, &unknown), StripeError::Unauthorized);
        assert_eq!(error(403, &unknown), StripeError::Unauthorized);
        assert_eq!(error(429, &unknown), StripeError::RateLimited);
    }

    #[test]
    fn what_tells_nothing_leaves_the_outcome_unknown() {
        for (status, body) in [
            (500, json!({"error": {"type": "api_error", "message": "secret internals"}})),
            (503, json!("<html>")),
            (404, json!("<html>")),
            (400, json!({})),
            (302, json!({"error": {"message": "elsewhere"}})),
            (409, json!({"error": {"type": "invalid_request_error", "code": "idempotency_key_in_use"}})),
        ] {
            let expected = format!("it answered with status {status} (request req_1)");
            assert_eq!(error(status, &body), StripeError::Unavailable(expected));
        }
    }

    #[test]
    fn a_message_has_an_end() {
        let StripeError::Invalid { message, .. } = error(400, &json!({"error": {"message": "é".repeat(9_000)}}))
        else {
            panic!("a refusal");
        };
        assert_eq!(message.chars().count(), LONGEST_MESSAGE);
    }
}
