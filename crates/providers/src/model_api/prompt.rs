//! How heavy a prompt is: its text in bytes, its messages, its pictures, recordings and documents in tokens.
//! Start at [`Prompt`], a seed that walks any JSON and keeps none of it.
//!
//! What is not text is told by the `type` of the part it belongs to, in OpenAI's and Anthropic's forms. What only
//! claims to be a picture, by a key such as `image_url` in a part of another type, counts as the text that it may be.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// What one picture is held for. Providers report 77 to 4,800 tokens for most; a large photo sent inline may be more,
/// so its bytes raise the amount up to [`MOST_IMAGE_TOKENS`].
const IMAGE_TOKENS: u64 = 5_000;
const MOST_IMAGE_TOKENS: u64 = 15_000;
/// The base64 text of a photo is this long for each token, about.
const IMAGE_BYTES_PER_TOKEN: u64 = 256;
/// Speech is about ten tokens a second, and rarely recorded at less than 4,000 bytes a second.
const AUDIO_BYTES_PER_TOKEN: u64 = 256;
/// A page of a document is about 3,000 tokens, with the picture of it that providers make, and rarely smaller than 48
/// kB.
const FILE_BYTES_PER_TOKEN: u64 = 16;
const FILE_TOKENS: u64 = 3_000;
const MOST_FILE_TOKENS: u64 = 300_000;
/// Labels such as a role are no text of the prompt, unless they are longer than any label.
const LONGEST_LABEL_BYTES: usize = 32;
/// A number counts as one token, the shortest it can be.
const NUMBER_BYTES: u64 = 3;

/// What has been found so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Weight {
    pub text_bytes: u64,
    /// Elements of the outermost list.
    pub messages: u64,
    pub images: u64,
    /// What is held for pictures, recordings and documents.
    pub media_tokens: u64,
    /// Inside a part whose type is not known yet: text that stands for bytes.
    encoded_bytes: u64,
}

/// Walks a value and adds up what it weighs.
pub struct Prompt<'weight> {
    pub weight: &'weight mut Weight,
    pub part: Part,
}

/// Where in a prompt a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The list of messages, or a text instead of it.
    Whole,
    /// A message and what is in it.
    Message,
    /// Under a key that carries bytes.
    Media,
    /// Tools, schemas and whatever is not known: every key and every text counts.
    Schema,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Role,
    Type,
    /// Says where a text stands and is none itself.
    Frame,
    Media,
    Data,
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Image,
    Audio,
    File,
    Other,
}

impl Key {
    fn of(text: &str) -> Self {
        match text {
            "role" => Self::Role,
            "type" => Self::Type,
            "content" | "text" => Self::Frame,
            "image_url" | "source" | "input_audio" | "audio_url" | "file" | "file_data" | "file_url" | "video_url"
            | "result" => Self::Media,
            "data" => Self::Data,
            _ => Self::Other,
        }
    }
}

impl Kind {
    fn of(text: &str) -> Self {
        match text {
            "text" | "input_text" | "output_text" => Self::Text,
            "image" | "image_url" | "input_image" | "computer_screenshot" | "image_generation_call" => Self::Image,
            "input_audio" | "audio" | "audio_url" => Self::Audio,
            "document" | "file" | "input_file" | "video_url" => Self::File,
            _ => Self::Other,
        }
    }
}

impl Weight {
    fn add_text(&mut self, bytes: u64) {
        self.text_bytes = self.text_bytes.saturating_add(bytes);
    }

    /// Adds what was found under a part's keys that carry bytes, now that the part's type is known.
    fn add_media(&mut self, kind: Kind, found: Self) {
        self.add_text(found.text_bytes);
        self.images = self.images.saturating_add(found.images);
        let bytes = found.encoded_bytes;
        let tokens = match kind {
            Kind::Image => (bytes / IMAGE_BYTES_PER_TOKEN).clamp(IMAGE_TOKENS, MOST_IMAGE_TOKENS),
            Kind::Audio => bytes / AUDIO_BYTES_PER_TOKEN,
            Kind::File => (bytes / FILE_BYTES_PER_TOKEN).clamp(FILE_TOKENS, MOST_FILE_TOKENS),
            Kind::Text | Kind::Other => {
                self.add_text(bytes);
                0
            }
        };
        self.images = self.images.saturating_add(u64::from(kind == Kind::Image));
        self.media_tokens = self.media_tokens.saturating_add(found.media_tokens).saturating_add(tokens);
    }
}

impl Prompt<'_> {
    fn inner(&mut self, part: Part) -> Prompt<'_> {
        Prompt { weight: self.weight, part }
    }

    /// What the elements of a list or the values of an object are.
    fn below(&self) -> Part {
        if self.part == Part::Whole { Part::Message } else { self.part }
    }

    fn text(&mut self, text: &str) {
        if self.part == Part::Media && is_data_url(text) {
            self.weight.encoded_bytes = self.weight.encoded_bytes.saturating_add(text.len() as u64);
        } else {
            self.weight.add_text(text.len() as u64);
        }
    }

    fn number(self) -> Walked {
        self.weight.add_text(NUMBER_BYTES);
        Walked::Number
    }

    fn object<'de, A: MapAccess<'de>>(&mut self, mut map: A) -> Result<(), A::Error> {
        let (mut kind, mut media, mut data) = (Kind::Other, Weight::default(), Weight::default());
        while let Some((key, length)) = map.next_key_seed(Named(Key::of))? {
            match key {
                Key::Role => {
                    map.next_value_seed(self.label(|_| ()))?;
                }
                Key::Type => kind = map.next_value_seed(self.label(Kind::of))?.unwrap_or(Kind::Other),
                Key::Frame => {
                    map.next_value_seed(self.inner(Part::Message))?;
                }
                Key::Media => {
                    map.next_value_seed(Prompt { weight: &mut media, part: Part::Media })?;
                }
                Key::Data if self.part == Part::Media => {
                    map.next_value_seed(Prompt { weight: &mut data, part: Part::Message })?;
                }
                Key::Data | Key::Other => {
                    self.weight.add_text(length as u64);
                    let below = self.below();
                    map.next_value_seed(self.inner(below))?;
                }
            }
        }
        if self.part == Part::Media {
            // The part around this object says what its bytes are; `source` says by its own type when they are text.
            let encoded = if kind == Kind::Text { 0 } else { data.text_bytes };
            self.weight.add_text(data.text_bytes - encoded);
            self.weight.encoded_bytes =
                self.weight.encoded_bytes.saturating_add(encoded).saturating_add(media.encoded_bytes);
            media.encoded_bytes = 0;
            self.weight.add_media(Kind::Other, media);
        } else if kind != Kind::Other || media != Weight::default() {
            self.weight.add_media(kind, media);
        }
        Ok(())
    }

    fn schema<'de, A: MapAccess<'de>>(&mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(((), length)) = map.next_key_seed(Named(|_| ()))? {
            self.weight.add_text(length as u64);
            map.next_value_seed(self.inner(Part::Schema))?;
        }
        Ok(())
    }

    fn label<T>(&mut self, read: fn(&str) -> T) -> Label<'_, T> {
        Label { read, prompt: self.inner(Part::Message) }
    }
}

fn is_data_url(text: &str) -> bool {
    text.starts_with("data:") && memchr::memmem::find(&text.as_bytes()[..text.len().min(256)], b";base64,").is_some()
}

impl<'de> DeserializeSeed<'de> for Prompt<'_> {
    type Value = Walked;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Walked, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Prompt<'_> {
    type Value = Walked;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Walked, E> {
        Ok(Walked::Other)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Walked, E> {
        Ok(Walked::Other)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Walked, E> {
        Ok(self.number())
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Walked, E> {
        Ok(self.number())
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Walked, E> {
        Ok(self.number())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<Walked, E> {
        if self.part == Part::Whole {
            self.weight.messages += 1;
        }
        self.text(text);
        Ok(Walked::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Walked, A::Error> {
        let below = self.below();
        while let Some(walked) = list.next_element_seed(self.inner(below))? {
            // A list of numbers is one prompt in tokens, not as many messages.
            self.weight.messages += u64::from(self.part == Part::Whole && walked == Walked::Other);
        }
        Ok(Walked::Other)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<Walked, A::Error> {
        if self.part == Part::Schema {
            self.schema(map)?
        } else {
            self.object(map)?
        }
        Ok(Walked::Other)
    }
}

/// What a value turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walked {
    Number,
    Other,
}

/// A key, looked up without being kept, and its length.
struct Named<T>(fn(&str) -> T);

impl<'de, T> DeserializeSeed<'de> for Named<T> {
    type Value = (T, usize);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T> Visitor<'_> for Named<T> {
    type Value = (T, usize);

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(((self.0)(text), text.len()))
    }
}

/// A short text that says what something is; anything else weighs what it weighs.
struct Label<'weight, T> {
    read: fn(&str) -> T,
    prompt: Prompt<'weight>,
}

impl<'de, T> DeserializeSeed<'de> for Label<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T> Visitor<'de> for Label<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a label")
    }

    fn visit_str<E>(mut self, text: &str) -> Result<Self::Value, E> {
        if text.len() > LONGEST_LABEL_BYTES {
            self.prompt.text(text);
        }
        Ok(Some((self.read)(text)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        self.prompt.visit_seq(list).map(|_| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.prompt.visit_map(map).map(|_| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn weigh(part: Part, value: &Value) -> Weight {
        let mut weight = Weight::default();
        let text = value.to_string();
        let mut json = serde_json::Deserializer::from_str(&text);
        Prompt { weight: &mut weight, part }.deserialize(&mut json).expect("a value");
        weight
    }

    fn message(content: Value) -> Weight {
        weigh(Part::Whole, &json!([{"role": "user", "content": content}]))
    }

    fn base64(bytes: usize) -> String {
        "A".repeat(bytes)
    }

    #[test]
    fn text_counts_wherever_it_stands_and_frames_do_not() {
        assert_eq!(message(json!("Hello")).text_bytes, 5);
        assert_eq!(message(json!([{"type": "text", "text": "Hello"}])).text_bytes, 5);
        assert_eq!(weigh(Part::Whole, &json!("Hello")), Weight { text_bytes: 5, messages: 1, ..Weight::default() });
        let call = json!([{"role": "assistant", "tool_calls": [{"id": "c1", "function": {"arguments": "{\"a\":1}"}}]}]);
        assert_eq!(weigh(Part::Whole, &call).text_bytes, 10 + 2 + 2 + 8 + 9 + 7);
        let used = json!([{"type": "tool_use", "name": "f", "input": {"city": "Rome", "days": 3}}]);
        assert_eq!(message(used).text_bytes, 4 + 1 + 5 + 4 + 4 + 4 + 3);
        let long = "r".repeat(100);
        assert_eq!(weigh(Part::Whole, &json!([{"role": long, "type": long}])).text_bytes, 200);
        assert_eq!(weigh(Part::Schema, &json!({"type": "object", "n": [1, true, null]})).text_bytes, 4 + 6 + 1 + 3);
    }

    #[test]
    fn lists_of_short_texts_and_of_numbers_are_told_apart() {
        assert_eq!(weigh(Part::Whole, &json!(["abc", "def"])).messages, 2);
        assert_eq!(weigh(Part::Whole, &json!([1, -2, 3.5])), Weight { text_bytes: 9, ..Weight::default() });
        assert_eq!(weigh(Part::Whole, &json!([[1, 2], [3]])).messages, 2);
    }

    #[test]
    fn pictures_are_counted_in_every_form_whatever_the_order_of_keys() {
        let data = format!("data:image/png;base64,{}", base64(1_000));
        for part in [
            json!({"type": "image_url", "image_url": {"url": data}}),
            json!({"type": "input_image", "image_url": data, "detail": "low"}),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": base64(1_000)}}),
            json!({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}),
            json!({"source": {"type": "base64", "data": base64(1_000)}, "type": "image"}),
            json!({"type": "input_image", "file_id": "file-1"}),
        ] {
            for wrapped in [json!([part]), json!([{"type": "tool_result", "tool_use_id": "t", "content": [part]}])] {
                let weight = message(wrapped);
                assert_eq!((weight.images, weight.media_tokens), (1, IMAGE_TOKENS), "{part}");
                assert!(weight.text_bytes < 100, "{part}");
            }
        }
        let photo = format!("data:image/jpeg;base64,{}", base64(3_000_000));
        let weight = message(json!([{"type": "image_url", "image_url": {"url": photo}}]));
        assert_eq!((weight.images, weight.media_tokens), (1, (3_000_000 + 23) / IMAGE_BYTES_PER_TOKEN));
    }

    #[test]
    fn recordings_and_documents_weigh_by_their_size() {
        let recording = json!([{"type": "input_audio", "input_audio": {"data": base64(25_600), "format": "mp3"}}]);
        assert_eq!(message(recording).media_tokens, 100);
        let pages = json!([{"type": "file", "file": {"filename": "a.pdf",
            "file_data": format!("data:application/pdf;base64,{}", base64(160_000))}}]);
        assert_eq!(message(pages).media_tokens, (160_000 + 28) / 16);
        let book = json!([{"type": "document", "source": {"type": "base64", "data": base64(9_000_000)}}]);
        assert_eq!(message(book).media_tokens, MOST_FILE_TOKENS);
        let plain = json!([{"type": "document", "source": {"type": "text", "data": "x".repeat(9_000)}}]);
        assert_eq!(message(plain.clone()).media_tokens, FILE_TOKENS);
        assert!(message(plain).text_bytes >= 9_000);
    }

    #[test]
    fn what_only_claims_to_be_a_picture_counts_as_text() {
        let claim = format!("data:image/png;base64,{}", base64(9_000));
        for part in [
            json!({"type": "text", "text": claim}),
            json!({"type": "text", "image_url": {"url": claim}}),
            json!({"image_url": claim}),
            json!({"type": "text", "source": {"data": claim}}),
            json!({"type": "text", "source": {"source": {"type": "image", "image_url": claim}}}),
            json!({"type": "image_url", "image_url": {"url": base64(9_000)}}),
            json!({"data": claim}),
            json!(claim),
        ] {
            assert!(message(json!([part])).text_bytes >= 9_000, "{part}");
        }
        assert!(weigh(Part::Schema, &json!({"type": "image_url", "image_url": claim})).text_bytes >= 9_000);
    }
}
