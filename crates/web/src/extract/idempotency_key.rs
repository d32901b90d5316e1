//! The caller's own name for a command, so that sending it twice does it once.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use crate::problem::{EdgeError, Failure};

pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const NAME: &str = "Idempotency-Key";
const LONGEST: usize = 255;

/// What the header names, if there is one.
pub struct KeyHeader(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for KeyHeader {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Self(of_header(&parts.headers)?.map(str::to_owned)))
    }
}

/// The key in the header, if there is one.
pub fn of_header(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let key = value.to_str().map_err(|_| wrong("is not visible ASCII text".to_owned()))?;
    check(key).map_err(wrong)?;
    Ok(Some(key))
}

/// The key of the header and the one of the body are the same thing.
pub fn one_of(header: Option<&str>, body: Option<String>) -> Result<Option<String>, Failure> {
    match (header, body) {
        (Some(header), Some(body)) if header != body => Err(EdgeError::KeyMismatch.into()),
        (Some(header), None) => Ok(Some(header.to_owned())),
        (_, body) => Ok(body),
    }
}

/// Keys are 1 to 255 visible characters.
pub fn check(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("is empty".to_owned());
    }
    if key.chars().count() > LONGEST {
        return Err(format!("is longer than {LONGEST} characters"));
    }
    if key.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err("contains a blank or a control character".to_owned());
    }
    Ok(())
}

fn wrong(problem: String) -> Failure {
    EdgeError::Header { name: NAME, problem }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_and_short() {
        assert!(check("order-4711/1").is_ok());
        assert!(check(&"x".repeat(255)).is_ok());
        for bad in ["", "a b", "a\tb", "a\0b"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&"x".repeat(256)).is_err());
        let headers = HeaderMap::from_iter([(HEADER, "a b".parse().unwrap())]);
        assert_eq!(of_header(&headers).unwrap_err().code(), "invalid_header");
    }

    #[test]
    fn header_and_body_agree() {
        let body = |text: &str| Some(text.to_owned());
        assert_eq!(one_of(Some("a"), body("a")).unwrap(), body("a"));
        assert_eq!(one_of(None, body("a")).unwrap(), body("a"));
        assert_eq!(one_of(Some("a"), None).unwrap(), body("a"));
        assert_eq!(one_of(None, None).unwrap(), None);
        assert_eq!(one_of(Some("a"), body("b")).unwrap_err().code(), "idempotency_key_mismatch");
    }
}
