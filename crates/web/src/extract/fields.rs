//! The values that requests carry, each read into a type that cannot hold a wrong one.
//!
//! Their messages are the second half of a sentence that begins with the field's name: "is longer than 255 characters".

use std::borrow::Cow;
use std::fmt;

use domain::name::Name;
use domain::quantity::{Quantity, parse_decimal};
use domain::time::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The most tokens, bytes or characters that one call may tell of.
const MAX_COUNT: i64 = 1_000_000_000_000;
/// The longest metadata, in bytes of JSON.
const MAX_METADATA_BYTES: usize = 16 * 1024;

/// Text of `MIN` to `MAX` characters, without U+0000, which PostgreSQL cannot keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text<const MIN: usize, const MAX: usize>(pub String);

/// A name of a meter, a model, a member: 1 to 255 characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word(pub Name);

/// An exact decimal, given as a JSON number or as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exact(pub Quantity);

/// A whole number of tokens, bytes or characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count(pub u64);

/// RFC 3339, with any offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Time(pub Timestamp);

/// What the caller wants kept: any JSON object of at most 16 KB.
#[derive(Clone, PartialEq, Debug)]
pub struct Metadata(pub Map<String, Value>);

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    pub fn parse(text: &str) -> Result<Self, String> {
        check_text(text, MIN, MAX).map(|()| Self(text.to_owned()))
    }
}

impl Word {
    pub const MAX: usize = 255;

    pub fn parse(text: &str) -> Result<Self, String> {
        check_text(text, 1, Self::MAX).map(|()| Self(Name::new(text)))
    }
}

impl Exact {
    pub fn parse(text: &str) -> Result<Self, String> {
        Quantity::parse(text).map(Self).map_err(|error| error.to_string())
    }
}

impl Count {
    fn parse(text: &str) -> Result<Self, String> {
        let count = parse_decimal(text, 0).map_err(|_| "is not a whole number".to_owned())?;
        match u64::try_from(count) {
            Err(_) => Err("is negative".to_owned()),
            Ok(_) if count > MAX_COUNT => Err(format!("is more than {MAX_COUNT}")),
            Ok(count) => Ok(Self(count)),
        }
    }
}

impl Time {
    pub fn parse(text: &str) -> Result<Self, String> {
        let problem = "is not a time like 2026-03-31T12:00:00Z, between 1970 and 9999";
        Timestamp::parse(text).map(Self).ok_or_else(|| problem.to_owned())
    }
}

impl Metadata {
    fn parse(json: &str) -> Result<Self, String> {
        if json.len() > MAX_METADATA_BYTES {
            return Err(format!("is longer than {MAX_METADATA_BYTES} bytes of JSON"));
        }
        let map: Map<String, Value> = serde_json::from_str(json).map_err(|_| "is not a JSON object".to_owned())?;
        let has_nul = json.contains("\\u0000") && map.iter().any(|(key, value)| key.contains('\0') || holds_nul(value));
        if has_nul { Err("contains the character U+0000".to_owned()) } else { Ok(Self(map)) }
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn check_text(text: &str, min: usize, max: usize) -> Result<(), String> {
    if text.len() > max && text.chars().count() > max {
        return Err(format!("is longer than {max} characters"));
    }
    if text.contains('\0') {
        return Err("contains the character U+0000".to_owned());
    }
    if text.len() < min && text.chars().count() < min {
        return Err(if min == 1 { "is empty".to_owned() } else { format!("is shorter than {min} characters") });
    }
    Ok(())
}

/// Reads a JSON string by `parse`.
struct FromText<T>(fn(&str) -> Result<T, String>);

impl<T> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText(Self::parse))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText(Self::parse))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText(Self::parse))
    }
}

// Numbers are read from the raw text: serde_json would hand over a float.
impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &RawValue = Deserialize::deserialize(deserializer)?;
        let text = match raw.get().starts_with('"') {
            true => serde_json::from_str::<JsonText<'_>>(raw.get()).map_err(D::Error::custom)?.0,
            false => Cow::Borrowed(raw.get()),
        };
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &RawValue = Deserialize::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &RawValue = Deserialize::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(D::Error::custom)
    }
}

/// A JSON string, borrowed where it has no escapes.
pub(super) struct JsonText<'t>(pub Cow<'t, str>);

// Written out because a derived newtype hides a map's keys from whoever keeps track of the path.
impl<'de> Deserialize<'de> for JsonText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Borrowing)
    }
}

struct Borrowing;

impl<'de> Visitor<'de> for Borrowing {
    type Value = JsonText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<JsonText<'de>, E> {
        Ok(JsonText(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<JsonText<'de>, E> {
        Ok(JsonText(Cow::Owned(text.to_owned())))
    }
}

fn text_schema(min: usize, max: usize) -> ObjectBuilder {
    let without_nul = Some(r"^[^\u0000]*$");
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(min)).max_length(Some(max)).pattern(without_nul)
}

impl<const MIN: usize, const MAX: usize> PartialSchema for Text<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        text_schema(MIN, MAX).into()
    }
}

impl<const MIN: usize, const MAX: usize> ToSchema for Text<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Text{MIN}To{MAX}").into()
    }
}

impl PartialSchema for Word {
    fn schema() -> RefOr<Schema> {
        text_schema(1, Self::MAX).into()
    }
}

impl ToSchema for Word {}

impl PartialSchema for Exact {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .multiple_of(Some(0.000_001))
            .exclusive_minimum(Some(-9_200_000_000_000i64))
            .exclusive_maximum(Some(9_200_000_000_000i64));
        let text = text_schema(1, 64).pattern(Some(r"^-?[0-9]{1,13}(\.[0-9]{1,6})?$"));
        OneOfBuilder::new()
            .description(Some("A decimal with at most six places and below 9.2e12, as a number or as text."))
            .item(number)
            .item(text)
            .into()
    }
}

impl ToSchema for Exact {
    fn name() -> Cow<'static, str> {
        "Quantity".into()
    }
}

impl PartialSchema for Count {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0i64)).maximum(Some(MAX_COUNT)).into()
    }
}

impl ToSchema for Count {}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Time {}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("Any JSON object of at most 16 KB."))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .into()
    }
}

impl ToSchema for Metadata {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, String> {
        serde_json::from_slice(json.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn quantities_are_exact_whether_numbers_or_text() {
        for json in ["0.1", "\"0.1\"", "1e-1", "\"\\u0030.1\"", "0.100"] {
            assert_eq!(read::<Exact>(json).unwrap().0.millionths(), 100_000, "{json}");
        }
        let largest = read::<Exact>("9199999999999.999999").unwrap();
        assert_eq!(largest.0.millionths(), 9_199_999_999_999_999_999);
        assert!(read::<Exact>("0.0000001").unwrap_err().contains("more than six decimal places"));
        for json in ["true", "\"one\"", "{}", "\"\"", "9200000000000"] {
            assert!(read::<Exact>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        assert_eq!(read::<Count>("1000"), Ok(Count(1000)));
        assert_eq!(read::<Count>("2.0"), Ok(Count(2)));
        assert!(read::<Count>("1.5").unwrap_err().contains("is not a whole number"));
        assert!(read::<Count>("-1").unwrap_err().contains("is negative"));
        assert!(read::<Count>("1000000000001").unwrap_err().contains("is more than 1000000000000"));
        assert!(read::<Count>("\"5\"").is_err());
    }

    #[test]
    fn text_has_a_length_and_no_nul() {
        assert_eq!(read::<Text<1, 3>>("\"äöü\""), Ok(Text("äöü".into())));
        assert!(read::<Text<1, 3>>("\"äöüß\"").unwrap_err().contains("is longer than 3 characters"));
        assert!(read::<Text<1, 3>>("\"\"").unwrap_err().contains("is empty"));
        assert!(read::<Word>("\"a\\u0000\"").unwrap_err().contains("U+0000"));
        assert!(read::<Word>("7").is_err());
    }

    #[test]
    fn metadata_is_a_small_object() {
        assert!(read::<Metadata>(r#"{"a": {"b": [1, "x"]}}"#).is_ok());
        assert!(read::<Metadata>("[1]").unwrap_err().contains("is not a JSON object"));
        assert!(read::<Metadata>(r#"{"a": ["\u0000"]}"#).unwrap_err().contains("U+0000"));
        assert!(read::<Metadata>(r#"{"a": "\\u0000"}"#).is_ok());
        let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(MAX_METADATA_BYTES));
        assert!(read::<Metadata>(&long).unwrap_err().contains("is longer"));
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(read::<Time>("\"1970-01-01T01:00:01+01:00\"").unwrap().0.micros(), 1_000_000);
        assert!(read::<Time>("\"1970\"").unwrap_err().contains("is not a time"));
    }
}
