//! JSON bodies: read within a limit and a time, parsed once, every mistake told with its field or its place.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::wording;
use crate::problem::{EdgeError, Failure};

/// The longest body of all requests but batches.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// The longest batch of events.
pub const BATCH_LIMIT: usize = 4 * 1024 * 1024;
/// How much of a body that is too long is still read.
const READ_ON: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(15);

/// A JSON body.
pub struct JsonBody<T>(pub T);

/// A JSON body that may be left out, where every field may be.
pub struct JsonBodyOrNone<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        must_be_json(request.headers())?;
        let bytes = read_bytes(request.into_body(), BODY_LIMIT).await?;
        parse_json(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBodyOrNone<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let headers = request.headers().clone();
        let bytes = read_bytes(request.into_body(), BODY_LIMIT).await?;
        if bytes.trim_ascii().is_empty() {
            return parse_json(b"{}").map(Self);
        }
        must_be_json(&headers)?;
        parse_json(&bytes).map(Self)
    }
}

/// Reads a whole body of at most `limit` bytes.
pub async fn read_bytes(body: Body, limit: usize) -> Result<Bytes, Failure> {
    read_bytes_within(body, limit, BODY_TIME).await
}

/// Reads a whole body of at most `limit` bytes that arrives in this time.
pub async fn read_bytes_within(body: Body, limit: usize, time: Duration) -> Result<Bytes, Failure> {
    match tokio::time::timeout(time, collect(body, limit)).await {
        Ok(collected) => collected.map_err(Failure::from),
        Err(_) => Err(EdgeError::BodyTooSlow.into()),
    }
}

/// Most bodies come in one piece, which is not copied. One that is too long is read on for a while and thrown away: who
/// is still writing would not see the answer.
async fn collect(mut body: Body, limit: usize) -> Result<Bytes, EdgeError> {
    let mut first = Bytes::new();
    let mut all: Vec<u8> = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| EdgeError::BodyBroken)?.into_data() else { continue };
        length += data.len();
        if length > limit + READ_ON {
            break;
        }
        if length > limit {
            continue;
        }
        if first.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    match length > limit {
        true => Err(EdgeError::BodyTooLarge { limit }),
        false if all.is_empty() => Ok(first),
        false => Ok(all.into()),
    }
}

/// The media type of a body without its parameters, in lower case. Empty when none is said.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// JSON may be called so, or not called at all; anything else is a body of another kind.
pub fn must_be_json(headers: &HeaderMap) -> Result<(), Failure> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|value| value == "application/json") {
        return Ok(());
    }
    let media_type = media_type(headers);
    let is_json = media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
        || media_type.is_empty();
    if is_json { Ok(()) } else { Err(EdgeError::MediaType { found: media_type }.into()) }
}

/// Parses JSON. Text that is no JSON is a 400 with its place; a value that does not fit is a 422 with its field.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) if error.classify() == Category::Data => Err(explain::<T>(bytes)),
        Err(error) => Err(EdgeError::MalformedJson(error.to_string()).into()),
    }
}

/// Reads again, this time keeping track of where it is.
fn explain<T: DeserializeOwned>(bytes: &[u8]) -> Failure {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => wording::field_error(&error.path().to_string(), &error.inner().to_string()).into(),
        Ok(_) => EdgeError::MalformedJson("more text follows the value".to_owned()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::fields::{Exact, Text};

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "read, never looked at")]
        usage: Vec<Item>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, never looked at")]
    struct Item {
        meter: Text<1, 5>,
        quantity: Exact,
    }

    fn told(json: &str) -> (&'static str, String) {
        let failure = parse_json::<Sample>(json.as_bytes()).unwrap_err();
        (failure.code(), failure.to_string())
    }

    #[test]
    fn a_wrong_value_is_told_with_its_path() {
        let tells = |json: &str, code: &str, sentence: &str| {
            let (told_code, told_sentence) = told(json);
            assert_eq!((told_code, told_sentence.as_str()), (code, sentence), "{json}");
        };
        tells(
            r#"{"usage": [{"meter": "a", "quantity": 0.0000001}]}"#,
            "invalid_request",
            "`usage[0].quantity` has more than six decimal places.",
        );
        tells(
            r#"{"usage": [{"meter": "abcdef"}]}"#,
            "invalid_request",
            "`usage[0].meter` is longer than 5 characters.",
        );
        tells(r#"{"usage": [{"meter": "a"}]}"#, "invalid_request", "`quantity` is missing.");
        tells(r#"{"usag": []}"#, "invalid_request", "There is no field `usag` here. Did you mean `usage`?");
        tells("{}", "invalid_request", "`usage` is missing.");
        tells(r#"{"usage": 7}"#, "invalid_request", "`usage` is integer `7`, where a sequence belongs.");
    }

    #[test]
    fn text_that_is_no_json_is_told_with_its_place() {
        let (code, sentence) = told(r#"{"usage": [}"#);
        assert_eq!(code, "invalid_request");
        assert!(sentence.ends_with("at line 1 column 12."), "{sentence}");
        assert_eq!(told("{} {}").0, "invalid_request");
    }

    #[test]
    fn bodies_of_another_kind_are_refused() {
        let headers = |value: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
        assert!(must_be_json(&HeaderMap::new()).is_ok());
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"] {
            assert!(must_be_json(&headers(good)).is_ok(), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
            assert!(must_be_json(&headers(bad)).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_body_past_its_limit_is_refused() {
        assert_eq!(read_bytes(Body::from("12345"), 5).await.unwrap(), "12345");
        assert_eq!(read_bytes(Body::from("123456"), 5).await.unwrap_err().code(), "body_too_large");
        assert_eq!(read_bytes(Body::empty(), 5).await.unwrap(), "");
    }
}
