//! What one event of a streamed answer means, in every provider's form. Start at [`StreamEvent::read`].

use std::borrow::Cow;

use serde::Deserialize;

use super::Endpoint;
use super::loose::{Count, Object, Text, from_bytes};
use super::spoken::Spoken;
use super::usage::Usage;

/// The fields of events that mean something here; which of them an event has depends on its form.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields<'json> {
    #[serde(borrow, rename = "type")]
    kind: Text<'json>,
    /// Chat and completions.
    #[serde(borrow)]
    choices: Option<Spoken<'json>>,
    /// Responses, transcripts: the text itself. Anthropic: an object.
    #[serde(borrow)]
    delta: Spoken<'json>,
    /// Anthropic: the beginning of a piece of content.
    #[serde(borrow)]
    content_block: Spoken<'json>,
    /// Few events have one, and it is large: every event would be moved with room for it.
    usage: Object<Box<Usage>>,
    /// Groq puts a stream's usage here.
    x_groq: Object<Inner>,
    /// Anthropic: the message that begins.
    message: Object<Inner>,
    /// Responses: as far as it has come.
    response: Object<Inner>,
    error: Object<Failure>,
    /// Responses: an error's code stands beside its type.
    #[serde(borrow)]
    code: Text<'json>,
    /// Responses number their events.
    sequence_number: Count,
    /// Sound of speech.
    #[serde(borrow)]
    audio: Text<'json>,
    /// A picture, or one that is still being drawn.
    #[serde(borrow, alias = "partial_image_b64")]
    b64_json: Text<'json>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Inner {
    usage: Object<Box<Usage>>,
    error: Object<Failure>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    #[serde(rename = "type")]
    kind: Name,
    code: Name,
}

/// A name of a provider's, kept only when it is one: letters, digits and a few signs, so that no message gets in.
#[derive(Default)]
struct Name(Option<String>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| Self::of(&text.0))
    }
}

impl Name {
    fn of(text: &str) -> Self {
        const LONGEST: usize = 64;
        let is_name = |letter: u8| letter.is_ascii_alphanumeric() || b"_-.".contains(&letter);
        Self((!text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_name)).then(|| text.to_owned()))
    }
}

impl Failure {
    fn name(self) -> String {
        self.code.0.or(self.kind.0).unwrap_or_else(|| UNNAMED.to_owned())
    }
}

/// What an error is called that has no name.
const UNNAMED: &str = "error";

/// What an event means.
#[derive(Default)]
pub struct StreamEvent<'json> {
    /// Text in pieces, in order.
    pub texts: Vec<Cow<'json, str>>,
    /// Sound or a picture.
    pub has_bytes: bool,
    pub usage: Option<Box<Usage>>,
    /// It is there for the usage alone, as `include_usage` asks for.
    pub is_usage_alone: bool,
    pub error: Option<String>,
    /// Its place in the stream, where it was read.
    pub sequence_number: Option<u64>,
    /// Nothing that matters follows.
    pub is_terminal: bool,
    /// The work is done, though the stream may go on.
    pub is_complete: bool,
}

/// What a stream that ends so has to say at its end: the whole stands in it again, so it is not read as said.
const TERMINAL: [&str; 6] = [
    "message_stop",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "transcript.text.done",
    "speech.audio.done",
];

/// Pictures come one after the other, each complete.
const COMPLETE: [&str; 2] = ["image_generation.completed", "image_edit.completed"];

/// Their `delta` is sound in the form of text.
const AUDIO_DELTAS: [&str; 2] = ["response.audio.delta", "response.output_audio.delta"];

/// By name alone: large events that say nothing that others do not.
const SILENT: [&str; 12] = [
    "ping",
    "content_block_stop",
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.done",
    "response.function_call_arguments.done",
    "response.reasoning_summary_text.done",
];

impl<'json> StreamEvent<'json> {
    /// Reads an event's data. `None` when it is no JSON object, so that nobody knows what it says.
    pub fn read(endpoint: Endpoint, name: Option<&[u8]>, data: &'json [u8]) -> Option<Self> {
        if data.trim_ascii() == b"[DONE]" {
            return Some(Self { is_terminal: true, is_complete: true, ..Self::default() });
        }
        if name.is_some_and(|name| SILENT.iter().any(|silent| silent.as_bytes() == name)) {
            return Some(Self::default());
        }
        let Object(fields) = from_bytes::<Object<Fields<'json>>>(data).ok()?;
        fields.map(|fields| Self::of(endpoint, fields))
    }

    fn of(endpoint: Endpoint, fields: Fields<'json>) -> Self {
        let kind = &*fields.kind.0;
        let is_terminal = TERMINAL.contains(&kind);
        let has_choices = fields.choices.is_some();
        let choices = fields.choices.unwrap_or_default();
        let is_sound = AUDIO_DELTAS.contains(&kind);
        let is_delta = kind.is_empty() || kind == "content_block_delta" || kind.ends_with(".delta");
        let [message, response] = [fields.message, fields.response].map(|inner| inner.0.unwrap_or_default());
        let usage = fields.usage.0.or(fields.x_groq.0.and_then(|groq| groq.usage.0));
        let usage = usage.or(message.usage.0).or(response.usage.0);
        let failure = fields.error.0.or(response.error.0);
        let error = match failure {
            Some(failure) => Some(failure.name()),
            None if kind == "error" => Some(Name::of(&fields.code.0).0.unwrap_or_else(|| UNNAMED.to_owned())),
            None if kind == "response.failed" => Some(UNNAMED.to_owned()),
            None => None,
        };
        let has_bytes = choices.has_bytes || !fields.audio.0.is_empty() || !fields.b64_json.0.is_empty();
        let is_usage_alone = endpoint.has_stream_options() && has_choices && choices.is_empty_list && usage.is_some();
        let mut texts = choices.texts;
        if is_delta && !is_sound {
            texts.extend(fields.delta.texts);
        }
        texts.extend(fields.content_block.texts);
        Self {
            has_bytes: has_bytes || is_sound || fields.content_block.has_bytes,
            texts,
            usage,
            is_usage_alone,
            error,
            sequence_number: fields.sequence_number.0,
            is_terminal,
            is_complete: is_terminal || COMPLETE.contains(&kind),
        }
    }
}
