//! JSON of providers, read so that a field of another type than expected is as good as absent: one odd field must not
//! hide what the others say. Only what is no JSON fails, and an object that names one of its known fields twice.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Reads JSON from bytes. They are looked at once for whether they are text: to look at each key costs more. What is
/// none is read too, since only keys and texts that are wanted have to be text.
pub fn from_bytes<'json, T: Deserialize<'json>>(json: &'json [u8]) -> serde_json::Result<T> {
    match std::str::from_utf8(json) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(json),
    }
}

/// Text, or empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text<'json>(pub Cow<'json, str>);

/// A count of tokens: `None` when it is absent or no whole number that is not negative.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Count(pub Option<u64>);

/// The fields of an object, when it is one.
#[derive(Clone, Copy)]
pub struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// Takes a value of any kind; each of the four is told of those it wants.
trait Taking<'de>: Default {
    fn text(_text: &str) -> Self {
        Self::default()
    }

    fn borrowed(text: &'de str) -> Self {
        Self::text(text)
    }

    fn whole(_number: u64) -> Self {
        Self::default()
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

impl<'de> Taking<'de> for Text<'de> {
    fn text(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }

    fn borrowed(text: &'de str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Codes of errors are numbers sometimes.
    fn whole(number: u64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

impl<'de> Taking<'de> for Count {
    fn whole(number: u64) -> Self {
        Self(Some(number))
    }
}

impl<'de, T: Deserialize<'de>> Taking<'de> for Object<T> {
    fn object<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Self(Some(value)))
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Taking<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, _value: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(u64::try_from(value).map_or_else(|_| T::default(), T::whole))
    }

    fn visit_f64<E>(self, _value: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::borrowed(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::object(map)
    }
}

impl<'de: 'json, 'json> Deserialize<'de> for Text<'json> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any::<Text<'de>>(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Known<'json> {
        #[serde(borrow)]
        text: Text<'json>,
        count: Count,
        inner: Object<Inner>,
    }

    #[derive(Deserialize, Default, Clone, Copy)]
    #[serde(default)]
    struct Inner {
        count: Count,
    }

    const VALUES: [&str; 12] =
        ["null", "true", "7", "-7", "1.5", "1e400", "\"x\"", "\"\\n\"", "[]", "[{\"count\":1}]", "{}", "{\"count\":1}"];

    #[test]
    fn a_field_of_another_type_hides_nothing() {
        for value in VALUES.into_iter().filter(|value| *value != "1e400") {
            let json = format!(r#"{{"text":{value},"count":{value},"inner":{value},"more":{value},"count2":1}}"#);
            let read: Object<Known<'_>> = serde_json::from_str(&json).expect("json");
            let read = read.0.expect("an object");
            assert_eq!(read.count.0, if value == "7" { Some(7) } else { None }, "{value}");
            assert_eq!(read.inner.0.is_some(), value.starts_with('{'), "{value}");
            assert_eq!(read.inner.0.and_then(|inner| inner.count.0).is_some(), value.starts_with("{\"c"), "{value}");
            let text = match value {
                "7" => "7",
                "\"x\"" => "x",
                "\"\\n\"" => "\n",
                _ => "",
            };
            assert_eq!(read.text.0, text, "{value}");
        }
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for value in VALUES.into_iter().filter(|value| !value.starts_with('{')) {
            assert!(serde_json::from_str::<Object<Inner>>(value).map_or(true, |object| object.0.is_none()), "{value}");
        }
    }
}
