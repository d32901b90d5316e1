//! The fields of a request's JSON that Tollway knows, read in one pass. Start at [`read`].
//!
//! The prompt is walked where it stands; of the few small fields the places are kept too, so that they can be replaced.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::prompt::{Part, Prompt, Weight};
use super::{Endpoint, RequestError};

const LONGEST_MODEL: usize = 256;
pub const WANTED_MODEL: &str = "text of 1 to 256 characters without control characters";
const WANTED_COUNT: &str = "a whole number from 0 to 18446744073709551615";
const INCLUDE_USAGE: &str = "include_usage";

/// What was read, with places as offsets into the body.
#[derive(Clone, Default)]
pub struct Fields {
    /// Behind the brace that opens the object.
    pub start: usize,
    pub model: Option<String>,
    pub model_place: Range<usize>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub max_output_tokens: Option<u64>,
    /// The field to cap by stands there as `null`.
    pub empty_max_output: Option<Range<usize>>,
    pub choices: Option<u64>,
    pub best_of: Option<u64>,
    pub user: Option<String>,
    pub safety_identifier: Option<String>,
    pub metadata: Option<Map<String, Value>>,
    pub characters: Option<u64>,
    pub weight: Weight,
    /// One bit for each known field that was met.
    met: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StreamOptions {
    Null(Range<usize>),
    /// Where the object ends before its closing brace, whether it has no field, and where `include_usage` is.
    Object {
        end: usize,
        is_empty: bool,
        include_usage: Option<(bool, Range<usize>)>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    Model,
    Stream,
    StreamOptions,
    StreamFormat,
    MaxOutput(&'static str),
    Choices,
    BestOf,
    User,
    SafetyIdentifier,
    Metadata,
    /// The prompt itself.
    Prompt(&'static str),
    /// Tools, schemas, instructions.
    MorePrompt,
    Setting,
    /// Means a field to a reader that takes letters of any case for the same.
    Misspelled(&'static str),
}

/// Settings that are no part of the prompt, whatever text they hold.
const SETTINGS: [&str; 22] = [
    "audio",
    "background",
    "cache_control",
    "encoding_format",
    "include",
    "logit_bias",
    "modalities",
    "moderation",
    "output_format",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "quality",
    "reasoning",
    "reasoning_effort",
    "service_tier",
    "size",
    "stop",
    "store",
    "temperature",
    "thinking",
    "top_p",
];

impl Field {
    fn of(endpoint: Endpoint, key: &str) -> Self {
        if let Some(name) = endpoint.max_output_fields().iter().find(|name| **name == key) {
            return Self::MaxOutput(name);
        }
        if key == prompt_field(endpoint) {
            return Self::Prompt(prompt_field(endpoint));
        }
        match key {
            "model" => Self::Model,
            "stream" => Self::Stream,
            "stream_options" if endpoint.has_stream_options() => Self::StreamOptions,
            "stream_format" if endpoint == Endpoint::Speech => Self::StreamFormat,
            "n" => Self::Choices,
            "best_of" => Self::BestOf,
            "user" => Self::User,
            "safety_identifier" => Self::SafetyIdentifier,
            "metadata" => Self::Metadata,
            _ if SETTINGS.contains(&key) => Self::Setting,
            _ => misspelled(endpoint, key).map_or(Self::MorePrompt, Self::Misspelled),
        }
    }

    /// The name and a bit of its own, for fields that may be given once.
    fn once(self) -> Option<(&'static str, u32)> {
        match self {
            Self::Model => Some(("model", 1)),
            Self::Stream => Some(("stream", 1 << 1)),
            Self::StreamOptions => Some(("stream_options", 1 << 2)),
            Self::StreamFormat => Some(("stream_format", 1 << 3)),
            Self::MaxOutput("max_tokens") => Some(("max_tokens", 1 << 4)),
            Self::MaxOutput(name) => Some((name, 1 << 5)),
            Self::Choices => Some(("n", 1 << 6)),
            Self::BestOf => Some(("best_of", 1 << 7)),
            Self::User => Some(("user", 1 << 8)),
            Self::SafetyIdentifier => Some(("safety_identifier", 1 << 9)),
            Self::Metadata => Some(("metadata", 1 << 10)),
            Self::Prompt(name) => Some((name, 1 << 11)),
            Self::MorePrompt | Self::Setting | Self::Misspelled(_) => None,
        }
    }
}

fn prompt_field(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::ChatCompletions | Endpoint::Messages => "messages",
        Endpoint::Responses | Endpoint::Embeddings | Endpoint::Speech => "input",
        _ => "prompt",
    }
}

/// The field that a key means to a reader that ignores case, as those written in Go do, where a wrong reading would
/// choose another model or another bound.
fn misspelled(endpoint: Endpoint, key: &str) -> Option<&'static str> {
    let names = ["model", "stream", "stream_options", "n", "best_of"];
    let mut names = names.iter().chain(endpoint.max_output_fields());
    names.find(|name| same_without_case(name, key)).copied()
}

pub fn same_without_case(name: &str, key: &str) -> bool {
    // Two letters outside of ASCII fold to letters inside.
    let folded = key.chars().map(|letter| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    });
    folded.eq(name.chars())
}

/// Reads a body. Nothing of its text gets into an error.
pub fn read(endpoint: Endpoint, text: &str) -> Result<Fields, RequestError> {
    let mut reader = Reader { endpoint, text, fields: Fields::default(), refused: None };
    reader.fields.start = text.find('{').map_or(0, |at| at + 1);
    let mut json = serde_json::Deserializer::from_str(text);
    let outcome = json.deserialize_map(&mut reader).and_then(|()| json.end());
    match (reader.refused, outcome) {
        (Some(refused), _) => Err(refused),
        (None, Err(error)) => Err(no_request(&error)),
        (None, Ok(())) => Ok(reader.fields),
    }
}

fn no_request(error: &serde_json::Error) -> RequestError {
    if error.to_string().starts_with("recursion limit exceeded") {
        return RequestError::TooDeep;
    }
    match error.classify() {
        Category::Data => RequestError::NotAnObject,
        _ => RequestError::NotJson { line: error.line(), column: error.column() },
    }
}

struct Reader<'body> {
    endpoint: Endpoint,
    text: &'body str,
    fields: Fields,
    /// Why the request is refused, which serde's error would not carry.
    refused: Option<RequestError>,
}

impl<'de> Visitor<'de> for &mut Reader<'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(FieldOf(self.endpoint))? {
            if let Some((name, bit)) = field.once() {
                if self.fields.met & bit != 0 {
                    return self.refuse(RequestError::Repeated { field: name });
                }
                self.fields.met |= bit;
            }
            self.value(field, &mut map)?;
        }
        Ok(())
    }
}

impl<'body> Reader<'body> {
    fn refuse<E: serde::de::Error>(&mut self, error: RequestError) -> Result<(), E> {
        self.refused = Some(error);
        Err(E::custom("refused"))
    }

    fn value<A: MapAccess<'body>>(&mut self, field: Field, map: &mut A) -> Result<(), A::Error> {
        match field {
            Field::Setting => map.next_value::<IgnoredAny>().map(|_| ()),
            Field::Misspelled(field) => self.refuse(RequestError::Misspelled { field }),
            Field::Prompt(_) if self.endpoint == Endpoint::Speech => {
                let raw = map.next_value::<&RawValue>()?;
                let spoken = self.small(raw, "input", "text", read_text)?.unwrap_or_default();
                self.fields.characters = Some(spoken.chars().count() as u64);
                self.fields.weight.text_bytes += spoken.len() as u64;
                Ok(())
            }
            Field::Prompt(_) => self.walk(Part::Whole, map),
            Field::MorePrompt => self.walk(Part::Schema, map),
            _ => {
                let raw = map.next_value::<&RawValue>()?;
                self.known(field, raw)
            }
        }
    }

    fn walk<A: MapAccess<'body>>(&mut self, part: Part, map: &mut A) -> Result<(), A::Error> {
        map.next_value_seed(Prompt { weight: &mut self.fields.weight, part }).map(|_| ())
    }

    fn known<E: serde::de::Error>(&mut self, field: Field, raw: &'body RawValue) -> Result<(), E> {
        match field {
            Field::Model => {
                self.fields.model_place = self.place(raw);
                self.fields.model = self.small(raw, "model", WANTED_MODEL, read_model)?;
            }
            Field::Stream => self.fields.stream = self.small(raw, "stream", "true or false", read_flag)?,
            Field::StreamFormat => {
                let format = self.small(raw, "stream_format", "text", read_text)?;
                self.fields.stream = format.map(|format| format == "sse");
            }
            Field::StreamOptions => self.stream_options(raw)?,
            Field::MaxOutput(name) => {
                let tokens = self.small(raw, name, WANTED_COUNT, read_count)?;
                if tokens.is_none() && name == self.endpoint.max_output_fields()[0] {
                    self.fields.empty_max_output = Some(self.place(raw));
                }
                self.fields.max_output_tokens = self.fields.max_output_tokens.max(tokens);
            }
            Field::Choices => self.fields.choices = self.small(raw, "n", WANTED_COUNT, read_count)?,
            Field::BestOf => self.fields.best_of = self.small(raw, "best_of", WANTED_COUNT, read_count)?,
            Field::User => self.fields.user = self.small(raw, "user", "text", read_text)?.map(Cow::into_owned),
            Field::SafetyIdentifier => {
                let text = self.small(raw, "safety_identifier", "text", read_text)?;
                self.fields.safety_identifier = text.map(Cow::into_owned);
            }
            Field::Metadata => self.fields.metadata = self.small(raw, "metadata", "an object", read_object)?,
            _ => {}
        }
        Ok(())
    }

    fn stream_options<E: serde::de::Error>(&mut self, raw: &'body RawValue) -> Result<(), E> {
        let place = self.place(raw);
        if raw.get() == "null" {
            self.fields.stream_options = Some(StreamOptions::Null(place));
            return Ok(());
        }
        let Ok(Pairs(pairs)) = serde_json::from_str::<Pairs<'body>>(raw.get()) else {
            return self.refuse(RequestError::Wrong { field: "stream_options", wanted: "an object" });
        };
        let mut include_usage = None;
        for (key, raw) in &pairs {
            if key != INCLUDE_USAGE {
                if same_without_case(INCLUDE_USAGE, key) {
                    return self.refuse(RequestError::Misspelled { field: INCLUDE_USAGE });
                }
                continue;
            }
            if include_usage.is_some() {
                return self.refuse(RequestError::Repeated { field: INCLUDE_USAGE });
            }
            let flag = self.small(raw, INCLUDE_USAGE, "true or false", read_flag)?;
            include_usage = Some((flag.unwrap_or(false), self.place(raw)));
        }
        let object = StreamOptions::Object { end: place.end - 1, is_empty: pairs.is_empty(), include_usage };
        self.fields.stream_options = Some(object);
        Ok(())
    }

    /// Reads a small value; `null` is as good as nothing.
    fn small<T, E: serde::de::Error>(
        &mut self,
        raw: &'body RawValue,
        field: &'static str,
        wanted: &'static str,
        read: fn(&'body str) -> Option<T>,
    ) -> Result<Option<T>, E> {
        if raw.get() == "null" {
            return Ok(None);
        }
        let value = read(raw.get());
        if value.is_none() {
            self.refuse(RequestError::Wrong { field, wanted })?;
        }
        Ok(value)
    }

    /// Where a value stands in the body: it is borrowed from there.
    fn place(&self, raw: &RawValue) -> Range<usize> {
        let start = raw.get().as_ptr().addr() - self.text.as_ptr().addr();
        start..start + raw.get().len()
    }
}

fn read_text(raw: &str) -> Option<Cow<'_, str>> {
    // Text without an escape is taken as it stands; what serde_json would copy is the rest.
    let plain = raw.strip_prefix('"')?.strip_suffix('"')?;
    if plain.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(plain)) }
}

fn read_model(raw: &str) -> Option<String> {
    let text = read_text(raw)?;
    is_model(&text).then(|| text.into_owned())
}

pub fn is_model(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST_MODEL && !text.contains(char::is_control)
}

fn read_flag(raw: &str) -> Option<bool> {
    raw.parse().ok()
}

fn read_count(raw: &str) -> Option<u64> {
    raw.bytes().all(|byte| byte.is_ascii_digit()).then(|| raw.parse().ok()).flatten()
}

fn read_object(raw: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(raw).ok()
}

/// The key of the outermost object, looked up without being kept.
struct FieldOf(Endpoint);

impl<'de> DeserializeSeed<'de> for FieldOf {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldOf {
    type Value = Field;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Field, E> {
        Ok(Field::of(self.0, key))
    }
}

/// The fields of a small object with their values as they stand, those that are repeated too.
struct Pairs<'body>(Vec<(String, &'body RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Pairs<'de> {
    type Value = Self;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(pair) = map.next_entry()? {
            self.0.push(pair);
        }
        Ok(self)
    }
}
