//! Errors in Stripe's shape: `{"error": {"type", "code", "message", "param", "decline_code", "doc_url", …}}`.
//!
//! A refusal undoes all that its request did, unless it says that the work is kept: a declined charge stays on record.
//! Start with [`Refusal`].

use serde_json::{Map, Value, json};

/// An error instead of an answer.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: u16,
    pub kind: &'static str,
    pub code: Option<Box<str>>,
    pub message: String,
    pub param: Option<Box<str>>,
    pub decline_code: Option<Box<str>>,
    /// Objects that the error speaks of, such as `payment_intent`.
    pub more: Map<String, Value>,
    /// What the request did stays done.
    pub is_work_kept: bool,
}

impl Refusal {
    /// 400: the request is not understood or not possible.
    pub fn invalid(message: impl Into<String>) -> Refusal {
        Refusal {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            message: message.into(),
            param: None,
            decline_code: None,
            more: Map::new(),
            is_work_kept: false,
        }
    }

    /// 404: there is no such object.
    pub fn no_such(kind: &str, id: &str, param: &str) -> Refusal {
        let name = kind.replace(['.', '_'], " ");
        let refusal = Refusal::invalid(format!("No such {name}: '{id}'")).code("resource_missing").param(param);
        Refusal { status: 404, ..refusal }
    }

    pub fn missing(param: &str) -> Refusal {
        Refusal::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    pub fn unknown(param: &str) -> Refusal {
        Refusal::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").param(param)
    }

    /// Stripe takes it; the stand-in does not.
    pub fn not_supported(what: &str) -> Refusal {
        Refusal::invalid(format!("{what} is not supported by the sandbox.")).param(what)
    }

    /// 402: the card was declined or must be authenticated.
    pub fn card(code: &str, decline_code: Option<&str>, message: &str) -> Refusal {
        Refusal {
            status: 402,
            kind: "card_error",
            decline_code: decline_code.map(Box::from),
            ..Refusal::invalid(message).code(code)
        }
    }

    pub fn code(self, code: &str) -> Refusal {
        Refusal { code: Some(code.into()), ..self }
    }

    pub fn param(self, param: &str) -> Refusal {
        Refusal { param: Some(param.into()), ..self }
    }

    pub fn with(mut self, name: &str, value: Value) -> Refusal {
        self.more.insert(name.to_owned(), value);
        self
    }

    pub fn keeping_work(self) -> Refusal {
        Refusal { is_work_kept: true, ..self }
    }

    pub fn body(&self) -> Value {
        let mut error = self.more.clone();
        error.insert("message".to_owned(), json!(self.message));
        error.insert("type".to_owned(), json!(self.kind));
        if let Some(code) = &self.code {
            error.insert("code".to_owned(), json!(code));
            error.insert(
                "doc_url".to_owned(),
                json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))),
            );
        }
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), json!(param));
        }
        if let Some(code) = &self.decline_code {
            error.insert("decline_code".to_owned(), json!(code));
        }
        json!({ "error": error })
    }
}
