//! How answers are written: JSON bodies, exact numbers, times, and pages of lists.

use std::fmt::Display;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::catalog::{COST_METER, places_of};
use domain::json::Json;
use domain::plain::Plain;
use domain::quantity::{Quantity, write_decimal};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};

/// Most bodies are shorter, and then are written without asking for more memory.
const BODY_BYTES: usize = 1024;
/// As many headers as an answer has that tells of limits.
pub const HEADERS: usize = 16;

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    json_text(status, json_bytes(body))
}

/// An answer of JSON that is written already.
pub fn json_text(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An object as it is sent, null where there is no value: for what is answered often.
pub fn object(put: impl FnOnce(&mut Json)) -> String {
    let mut json = Json::with_nulls(BODY_BYTES);
    json.object(put);
    json.into_text()
}

/// A body as it is sent.
pub fn json_bytes(body: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BODY_BYTES);
    serde_json::to_writer(&mut bytes, body).expect("answers are maps with text keys, which JSON can always write");
    bytes
}

pub fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

/// Done, and nothing to tell.
pub fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// An integer of `10^-places` units, written as a JSON number without ever passing through a float.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimal {
    pub value: i64,
    pub places: usize,
}

impl Decimal {
    /// An amount of a meter in its integer unit.
    pub fn of_meter(meter: &str, amount: i64) -> Self {
        Self { value: amount, places: places_of(meter) }
    }

    /// Whole units, rounded down; never negative.
    pub fn whole(self) -> i64 {
        self.value.max(0) / self.scale()
    }

    /// Units, where there are no parts of one.
    pub fn as_whole(self) -> Option<i64> {
        (self.value % self.scale() == 0).then(|| self.value / self.scale())
    }

    fn scale(self) -> i64 {
        10i64.pow(self.places as u32)
    }
}

/// A quantity in the meter's integer unit. `None`: too large.
pub fn in_units(meter: &str, quantity: Quantity) -> Option<i64> {
    let factor = if meter == COST_METER { 1_000 } else { 1 };
    quantity.millionths().checked_mul(factor)
}

impl Plain for Decimal {
    fn write_to(&self, text: &mut impl std::fmt::Write) -> std::fmt::Result {
        write_decimal(text, self.value, self.places)
    }
}

impl Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.write_to(f)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(whole) = self.as_whole() {
            return serializer.serialize_i64(whole);
        }
        let raw = RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl utoipa::PartialSchema for Decimal {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Number).into()
    }
}

impl utoipa::ToSchema for Decimal {}

/// Anything that is written as text: ids, times, names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written<T>(pub T);

impl<T: Display> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A point in time in an answer, RFC 3339.
pub type Time = Written<domain::time::Timestamp>;

impl utoipa::PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl utoipa::ToSchema for Time {
    fn name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }
}

/// Part of a list, and where the next part begins.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Give it as `cursor` to get the next part. Null at the end.
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_json_numbers() {
        let written = |value, places| serde_json::to_string(&Decimal { value, places }).unwrap();
        assert_eq!(written(1_000_000, 6), "1");
        assert_eq!(written(250_000, 6), "0.25");
        assert_eq!(written(-1, 6), "-0.000001");
        assert_eq!(written(9_199_999_999_999_999_999, 6), "9199999999999.999999");
        assert_eq!(written(4_250_000_001, 9), "4.250000001");
        assert_eq!(serde_json::to_string(&Decimal::of_meter("cost", 5_000_000_000)).unwrap(), "5");
        assert_eq!(Decimal::of_meter("requests", 2_900_000).whole(), 2);
        assert_eq!(Decimal::of_meter("requests", -1).whole(), 0);
    }
}
