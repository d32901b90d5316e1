//! What a model said, found anywhere in an answer or a piece of one, in OpenAI's and Anthropic's forms: text,
//! reasoning, refusals, calls of tools. Start at [`Spoken`]. Text without escapes is borrowed.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What was found in a value of any form.
#[derive(Default)]
pub struct Spoken<'json> {
    pub texts: Vec<Cow<'json, str>>,
    /// Sound or a picture.
    pub has_bytes: bool,
    /// The value was a list without elements.
    pub is_empty_list: bool,
}

/// Whether texts are taken where the walk stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    /// Only under the keys that carry what is said.
    Nothing,
    /// The text that stands here.
    Text,
    /// Every text below, and every key: the arguments of a tool as an object.
    Everything,
    /// No text, but bytes in the form of one.
    Bytes,
    Skip,
}

impl Take {
    fn of_key(key: &str) -> Self {
        match key {
            "content" | "text" | "refusal" | "reasoning" | "reasoning_content" | "thinking" | "transcript" | "name"
            | "arguments" | "partial_json" => Self::Text,
            "input" => Self::Everything,
            "data" | "b64_json" | "result" => Self::Bytes,
            "logprobs" | "annotations" | "citations" => Self::Skip,
            _ => Self::Nothing,
        }
    }
}

impl<'de: 'json, 'json> Deserialize<'de> for Spoken<'json> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut spoken = Spoken::<'de>::default();
        Walk { spoken: &mut spoken, take: Take::Text, is_outermost: true }.deserialize(deserializer)?;
        Ok(spoken)
    }
}

struct Walk<'walk, 'json> {
    spoken: &'walk mut Spoken<'json>,
    take: Take,
    is_outermost: bool,
}

impl<'json> Walk<'_, 'json> {
    fn text(self, text: impl FnOnce() -> Cow<'json, str>, is_empty: bool) {
        match self.take {
            Take::Text | Take::Everything if !is_empty => self.spoken.texts.push(text()),
            Take::Bytes => self.spoken.has_bytes |= !is_empty,
            _ => {}
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.take {
            Take::Skip => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _value: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        if self.take == Take::Everything {
            self.spoken.texts.push(Cow::Owned(value.to_string()));
        }
        Ok(())
    }

    fn visit_i64<E>(self, _value: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _value: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(|| Cow::Owned(text.to_owned()), text.is_empty());
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.text(|| Cow::Borrowed(text), text.is_empty());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let take = if self.take == Take::Everything { Take::Everything } else { Take::Nothing };
        let mut is_empty = true;
        while list.next_element_seed(Walk { spoken: self.spoken, take, is_outermost: false })?.is_some() {
            is_empty = false;
        }
        self.spoken.is_empty_list |= self.is_outermost && is_empty;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.take == Take::Everything {
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                self.spoken.texts.push(key);
                map.next_value_seed(Walk { spoken: self.spoken, take: Take::Everything, is_outermost: false })?;
            }
            return Ok(());
        }
        while let Some(take) = map.next_key_seed(KeyTake)? {
            map.next_value_seed(Walk { spoken: self.spoken, take, is_outermost: false })?;
        }
        Ok(())
    }
}

/// A key, looked up without being kept.
struct KeyTake;

impl<'de> DeserializeSeed<'de> for KeyTake {
    type Value = Take;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Take, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyTake {
    type Value = Take;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Take, E> {
        Ok(Take::of_key(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Vec<String> {
        let spoken: Spoken<'_> = serde_json::from_str(json).expect("json");
        spoken.texts.iter().map(|text| text.clone().into_owned()).collect()
    }

    #[test]
    fn what_is_said_is_found_in_pieces_of_every_form() {
        assert_eq!(said(r#""Hi""#), ["Hi"]);
        assert_eq!(said(r#"[{"index":0,"delta":{"role":"assistant","content":"H\n"},"finish_reason":null}]"#), ["H\n"]);
        assert_eq!(said(r#"[{"delta":{"content":null,"reasoning_content":"Hm"}},{"text":"x"}]"#), ["Hm", "x"]);
        let call =
            r#"[{"delta":{"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a"}}]}}]"#;
        assert_eq!(said(call), ["f", "{\"a"]);
        assert_eq!(
            said(r#"{"type":"tool_use","id":"t","name":"f","input":{"city":["Rome",3]}}"#),
            ["f", "city", "Rome", "3"]
        );
        assert_eq!(said(r#"{"type":"signature_delta","signature":"abc"}"#), [""; 0]);
        assert_eq!(said(r#"[{"message":{"content":"x"},"logprobs":{"content":[{"token":"x","text":"y"}]}}]"#), ["x"]);
    }

    #[test]
    fn sound_and_empty_lists_are_noticed() {
        let spoken = |json: &'static str| serde_json::from_str::<Spoken<'_>>(json).expect("json");
        assert!(spoken(r#"[{"delta":{"audio":{"data":"UklGR"}}}]"#).has_bytes);
        assert!(!spoken(r#"[{"delta":{"audio":{"data":""}}}]"#).has_bytes);
        assert!(spoken("[]").is_empty_list);
        for json in ["[[]]", "null", "{}", "7", "-7", "1.5", "true", r#"{"a":[]}"#] {
            let spoken = spoken(json);
            assert!(!spoken.is_empty_list && !spoken.has_bytes && spoken.texts.is_empty(), "{json}");
        }
    }
}
