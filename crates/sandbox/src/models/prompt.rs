//! The text of a prompt, in the forms that the providers take it: a string, or a list of parts.
//!
//! The rule of the stand-in for prompt tokens is its own: the words in all text, as spaces divide them, and three a
//! message. Images, files and tools count nothing.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Added for each message.
pub const TOKENS_A_MESSAGE: u64 = 3;

/// The texts of one message, of a system prompt or of an input; what is no text is left out.
#[derive(Debug, Default)]
pub struct Text<'a>(pub Vec<Cow<'a, str>>);

impl Text<'_> {
    pub fn words(&self) -> u64 {
        self.0.iter().map(|piece| words(piece)).sum()
    }

    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// How many words a text has.
pub fn words(text: &str) -> u64 {
    text.split_ascii_whitespace().count() as u64
}

/// One message, OpenAI's or Anthropic's.
#[derive(Debug, serde::Deserialize)]
pub struct Message<'a> {
    #[serde(borrow, default)]
    pub role: Cow<'a, str>,
    #[serde(borrow, default)]
    pub content: Text<'a>,
}

/// The tokens of a conversation.
pub fn conversation_tokens(messages: &[Message<'_>]) -> u64 {
    messages.iter().map(|message| message.content.words() + TOKENS_A_MESSAGE).sum()
}

/// The last message of the user, where directives stand.
pub fn last_of_user<'a, 'b>(messages: &'a [Message<'b>]) -> &'a [Cow<'b, str>] {
    let last = messages.iter().rev().find(|message| message.role == "user");
    last.map_or(&[], |message| message.content.0.as_slice())
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = Text::default();
        deserializer.deserialize_any(Reader(&mut text)).map(|()| text)
    }
}

/// Reads a string, a list of strings or parts, or a part with the field `text`, into one text.
struct Reader<'t, 'a>(&'t mut Text<'a>);

impl<'de: 'a, 'a> serde::de::DeserializeSeed<'de> for Reader<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Reader<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or a list of parts")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.0.0.push(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.0.push(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut parts: S) -> Result<(), S::Error> {
        while parts.next_element_seed(Reader(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut part: M) -> Result<(), M::Error> {
        while let Some(field) = part.next_key::<Cow<'de, str>>()? {
            if field == "text" {
                part.next_value_seed(Reader(self.0))?;
            } else {
                part.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Vec<String> {
        serde_json::from_str::<Text<'_>>(json).unwrap().pieces().map(str::to_owned).collect()
    }

    #[test]
    fn text_is_read_in_every_form() {
        assert_eq!(read(r#""hello you""#), ["hello you"]);
        assert_eq!(read(r#""say \"hi\"""#), ["say \"hi\""]);
        assert_eq!(read(r#"[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}}]"#), ["a"]);
        assert_eq!(read(r#"["a", "b"]"#), ["a", "b"]);
        assert!(read("null").is_empty());
    }

    #[test]
    fn prompt_tokens_are_words_and_three_a_message() {
        let json =
            r#"[{"role":"system","content":"be kind"},{"role":"user","content":[{"type":"text","text":"a b c"}]}]"#;
        let messages: Vec<Message<'_>> = serde_json::from_str(json).unwrap();
        assert_eq!(conversation_tokens(&messages), 2 + 3 + 3 + 3);
        assert_eq!(last_of_user(&messages), ["a b c"]);
    }
}
