//! Query strings, read into typed fields; a parameter that nobody reads is refused by name.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::wording;
use crate::problem::Failure;

pub struct QueryFields<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryFields<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(fields)) => Ok(Self(fields)),
            Err(rejection) => Err(explain(&rejection.body_text())),
        }
    }
}

/// axum says `Failed to deserialize query string: limit: invalid digit found in string`.
fn explain(text: &str) -> Failure {
    let text = text.split_once("query string: ").map_or(text, |(_, message)| message);
    let (path, message) = match text.split_once(": ") {
        Some((path, message)) if !path.contains(' ') => (path, message),
        _ => ("", text),
    };
    wording::field_error(path, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, never looked at")]
    struct Sample {
        limit: Option<u32>,
        cursor: Option<crate::extract::fields::Text<1, 3>>,
    }

    async fn told(query: &str) -> String {
        let (mut parts, ()) = axum::http::Request::get(format!("/x?{query}")).body(()).unwrap().into_parts();
        match QueryFields::<Sample>::from_request_parts(&mut parts, &()).await {
            Ok(_) => "fine".into(),
            Err(failure) => failure.to_string(),
        }
    }

    #[tokio::test]
    async fn parameters_are_read_and_mistakes_told() {
        assert_eq!(told("limit=5&cursor=abc").await, "fine");
        assert_eq!(told("limit=x").await, "`limit` invalid digit found in string.");
        assert_eq!(told("limt=5").await, "There is no field `limt` here. Did you mean `limit`?");
        assert_eq!(told("cursor=abcd").await, "`cursor` is longer than 3 characters.");
    }
}
