//! What a client asks a model for. Start at [`ModelRequest::read`].
//!
//! The body is read once, for the few facts that a plan is judged by, and kept as it came. A body that two readers
//! could take for two different requests is refused: a field given twice, or in letters of another case.

use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::Endpoint;
use super::fields::{self, Fields, StreamOptions};
use super::rewrite::Edits;
use super::upload::{self, Upload};

/// What a message costs beside its text, and what each prompt does: the frame that providers put around them.
const TOKENS_A_MESSAGE: u64 = 4;
const TOKENS_A_PROMPT: u64 = 3;
/// Prose in any script and code are longer than this for each token; dense JSON is a fifth shorter.
const BYTES_PER_TOKEN: u64 = 3;
/// gpt-4o-mini counts pictures many times over, to cost what they do elsewhere: 25,501 is one of 1,024 by 1,024.
const DEAR_IMAGES: (&str, u64) = ("gpt-4o-mini", 25_501);

/// A request as far as Tollway needs to know it, with its bytes.
#[derive(Clone)]
pub struct ModelRequest {
    pub endpoint: Endpoint,
    pub model: String,
    pub stream: bool,
    /// The client itself asks for the usage of a stream.
    pub wants_usage: bool,
    /// The larger one where several are given.
    pub max_output_tokens: Option<u64>,
    /// How many answers it asks for, at least 1: `n` or `best_of`, for each prompt of a completion.
    pub choices: u64,
    /// `user`, else `safety_identifier`; of a message `metadata.user_id`.
    pub user: Option<String>,
    pub metadata: Option<Map<String, Value>>,
    /// All text of the prompt, with the system's, the tools and their schemas.
    pub prompt_bytes: u64,
    pub messages: u64,
    pub images: u64,
    /// The size of the uploaded file.
    pub audio_bytes: Option<u64>,
    /// Text to speech: the characters of its input, as Unicode scalar values.
    pub characters: Option<u64>,
    /// What pictures, recordings and documents in the prompt are held for.
    media_tokens: u64,
    /// A bound that the client did not ask for.
    added_bound: Option<u64>,
    places: Places,
    body: Bytes,
}

/// What can be replaced, and where it stands.
#[derive(Clone)]
enum Places {
    Json(Box<Fields>),
    Upload(Upload),
}

/// Why a request cannot be understood. It names the field and never repeats what was sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    #[error("the body is not UTF-8 text")]
    NotText,
    #[error("the body is not valid JSON: the mistake is at line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("the body is nested too deeply")]
    TooDeep,
    #[error("the body is not a JSON object")]
    NotAnObject,
    #[error("`{field}` is missing")]
    Missing { field: &'static str },
    #[error("`{field}` must be {wanted}")]
    Wrong { field: &'static str, wanted: &'static str },
    #[error("`{field}` is given more than once")]
    Repeated { field: &'static str },
    #[error("`{field}` must be written exactly so, in small letters")]
    Misspelled { field: &'static str },
    #[error("the body must be sent as multipart/form-data with a boundary")]
    NotMultipart,
    #[error("the body is not a valid upload: {reason}")]
    BrokenMultipart { reason: &'static str },
}

impl RequestError {
    /// The field that is wrong, where it is one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Missing { field }
            | Self::Wrong { field, .. }
            | Self::Repeated { field }
            | Self::Misspelled { field } => Some(field),
            _ => None,
        }
    }
}

impl ModelRequest {
    /// Reads what a client sent. The content type matters for uploads alone; everything else is read as JSON.
    pub fn read(endpoint: Endpoint, content_type: Option<&str>, body: Bytes) -> Result<Self, RequestError> {
        if endpoint.is_multipart() {
            return Ok(Self::of_upload(endpoint, upload::read(content_type, &body)?, body));
        }
        let text = std::str::from_utf8(&body).map_err(|_| RequestError::NotText)?;
        let mut fields = fields::read(endpoint, text)?;
        let model = fields.model.take().ok_or(RequestError::Missing { field: "model" })?;
        let asked =
            matches!(&fields.stream_options, Some(StreamOptions::Object { include_usage: Some((true, _)), .. }));
        let prompts = if endpoint == Endpoint::Completions { fields.weight.messages.max(1) } else { 1 };
        let answers = fields.choices.unwrap_or(1).max(fields.best_of.unwrap_or(1)).max(1);
        Ok(Self {
            endpoint,
            model,
            stream: fields.stream.unwrap_or(false),
            wants_usage: asked,
            max_output_tokens: fields.max_output_tokens,
            choices: answers.saturating_mul(prompts),
            user: user(endpoint, &mut fields),
            metadata: fields.metadata.take(),
            prompt_bytes: fields.weight.text_bytes,
            messages: fields.weight.messages,
            images: fields.weight.images,
            audio_bytes: None,
            characters: fields.characters,
            media_tokens: fields.weight.media_tokens,
            added_bound: None,
            places: Places::Json(Box::new(fields)),
            body,
        })
    }

    fn of_upload(endpoint: Endpoint, upload: Upload, body: Bytes) -> Self {
        Self {
            endpoint,
            model: upload.model.clone(),
            stream: upload.stream,
            wants_usage: false,
            max_output_tokens: None,
            choices: 1,
            user: None,
            metadata: None,
            prompt_bytes: upload.prompt_bytes,
            messages: 0,
            images: 0,
            audio_bytes: Some(upload.file_bytes),
            characters: None,
            media_tokens: 0,
            added_bound: None,
            places: Places::Upload(upload),
            body,
        }
    }

    /// How many tokens the prompt probably is, to hold quota for: rarely less than the provider reports. Not in it are
    /// uploaded speech, which is what `audio_bytes` is for, and what the provider itself adds: an earlier response, a
    /// stored prompt, results of a search.
    pub fn prompt_estimate(&self) -> u64 {
        let (dear_model, dear_image) = DEAR_IMAGES;
        let dear = if self.model.contains(dear_model) { self.images.saturating_mul(dear_image) } else { 0 };
        let text = self.prompt_bytes.div_ceil(BYTES_PER_TOKEN);
        let frame = self.messages.saturating_mul(TOKENS_A_MESSAGE).saturating_add(TOKENS_A_PROMPT);
        text.saturating_add(frame).saturating_add(self.media_tokens.max(dear))
    }

    /// The same request with a bound on the answer's length, in the field that is right for the endpoint. Changes
    /// nothing where the client gave one or the endpoint knows none.
    #[must_use]
    pub fn with_max_output(mut self, tokens: u64) -> Self {
        if self.max_output_tokens.is_none() && !self.endpoint.max_output_fields().is_empty() {
            self.max_output_tokens = Some(tokens);
            self.added_bound = Some(tokens);
        }
        self
    }

    /// The body to send on: the same bytes where nothing changes.
    ///
    /// Only the value of `model` is replaced, `stream_options.include_usage` set where `ask_for_usage` is wanted, the
    /// request is for a stream and the endpoint has it, and the bound of [`Self::with_max_output`] added; every other
    /// byte is as it came.
    pub fn rewritten(&self, model: &str, ask_for_usage: bool) -> Bytes {
        let mut edits = Edits::default();
        match &self.places {
            Places::Upload(upload) if model != self.model => {
                edits.replace(upload.model_place.clone(), model.to_owned());
            }
            Places::Upload(_) => {}
            Places::Json(fields) => {
                if model != self.model {
                    edits.replace(fields.model_place.clone(), Value::from(model).to_string());
                }
                if ask_for_usage && self.stream && self.endpoint.has_stream_options() {
                    edits.ask_for_usage(fields);
                }
                if let (Some(tokens), [field, ..]) = (self.added_bound, self.endpoint.max_output_fields()) {
                    edits.bound_output(fields, field, tokens);
                }
            }
        }
        edits.applied(&self.body)
    }
}

fn user(endpoint: Endpoint, fields: &mut Fields) -> Option<String> {
    if endpoint == Endpoint::Messages {
        let user = fields.metadata.as_ref()?.get("user_id")?;
        return user.as_str().map(str::to_owned);
    }
    fields.user.take().or(fields.safety_identifier.take())
}

/// Shows no text of the request.
impl fmt::Debug for ModelRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ModelRequest")
            .field("endpoint", &self.endpoint)
            .field("stream", &self.stream)
            .field("prompt_bytes", &self.prompt_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const CHAT: &str = r#"{
        "model": "gpt-4o-mini", "stream": true, "max_completion_tokens": 500, "n": 2, "user": "user-42",
        "metadata": {"ticket": "7"}, "temperature": 0.2, "stream_options": {"include_obfuscation": false},
        "messages": [
            {"role": "system", "content": "You are helpful."},
            {"role": "user", "content": [{"type": "text", "text": "Grüße"},
                {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]}
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    }"#;

    fn read(endpoint: Endpoint, body: &str) -> Result<ModelRequest, RequestError> {
        ModelRequest::read(endpoint, Some("application/json"), Bytes::copy_from_slice(body.as_bytes()))
    }

    fn chat(body: &str) -> Result<ModelRequest, RequestError> {
        read(Endpoint::ChatCompletions, body)
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_chat_is_read() {
        let request = chat(CHAT).expect("a request");
        assert_eq!(request.model, "gpt-4o-mini");
        assert!(request.stream && !request.wants_usage);
        assert_eq!((request.max_output_tokens, request.choices), (Some(500), 2));
        assert_eq!(request.user.as_deref(), Some("user-42"));
        assert_eq!(request.metadata.as_ref().map(|map| map["ticket"].clone()), Some(json!("7")));
        assert_eq!((request.messages, request.images), (2, 1));
        let (prose, url, tools) = (16 + 7, 3 + 27, 4 + 8 + 8 + 4 + 7 + 10 + 4 + 6);
        assert_eq!(request.prompt_bytes, prose + url + tools);
        assert_eq!(request.prompt_estimate(), (prose + url + tools).div_ceil(3) + 2 * 4 + 3 + 25_501);
    }

    #[test]
    fn a_response_a_message_a_completion_an_embedding_and_speech_are_read() {
        let response = r#"{"model":"gpt-5","instructions":"Be short.","input":[{"role":"user","content":
            [{"type":"input_text","text":"Hi"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}],
            "max_output_tokens":64,"max_tokens":1,"safety_identifier":"u1"}"#;
        let response = read(Endpoint::Responses, response).expect("a request");
        assert_eq!((response.max_output_tokens, response.messages, response.images), (Some(64), 1, 1));
        assert_eq!(
            (response.prompt_estimate(), response.user.as_deref()),
            ((9 + 2 + 3_u64).div_ceil(3) + 5_007, Some("u1"))
        );

        let message = r#"{"model":"claude-sonnet-4-5","max_tokens":1024,"system":[{"type":"text","text":"Short."}],
            "messages":[{"role":"user","content":"Hello"}],"metadata":{"user_id":"u2"},"stream":true}"#;
        let message = read(Endpoint::Messages, message).expect("a request");
        assert_eq!((message.max_output_tokens, message.user.as_deref()), (Some(1_024), Some("u2")));
        assert_eq!((message.stream, message.wants_usage, message.messages), (true, false, 1));

        let completion = r#"{"model":"davinci-002","prompt":["one","two","three"],"n":1,"best_of":4}"#;
        let completion = read(Endpoint::Completions, completion).expect("a request");
        assert_eq!((completion.choices, completion.prompt_bytes), (12, 11));

        let tokens = r#"{"model":"text-embedding-3-small","input":[1,2,3,4]}"#;
        let tokens = read(Endpoint::Embeddings, tokens).expect("a request");
        assert_eq!((tokens.messages, tokens.choices, tokens.prompt_estimate()), (0, 1, 4 + 3));

        let speech = r#"{"model":"tts-1","voice":"alloy","input":"Gr\u00fc\u00dfe 👋","stream_format":"sse"}"#;
        let speech = read(Endpoint::Speech, speech).expect("a request");
        assert_eq!((speech.characters, speech.stream), (Some(7), true));
        assert_eq!(speech.with_max_output(5).max_output_tokens, None);
    }

    #[test]
    fn only_the_fields_that_bind_the_provider_are_believed() {
        let request = chat(r#"{"model":"m","max_output_tokens":1,"max_tokens":90,"max_completion_tokens":80}"#);
        assert_eq!(request.expect("a request").max_output_tokens, Some(90));
        let request = read(Endpoint::Responses, r#"{"model":"m","max_tokens":1,"input":"Hi"}"#).expect("a request");
        assert_eq!((request.max_output_tokens, request.messages), (None, 1));
    }

    #[test]
    fn null_is_as_good_as_nothing() {
        let body = r#"{"model":"m","stream":null,"n":null,"user":null,"max_tokens":null,"metadata":null,
            "stream_options":null,"messages":null}"#;
        let request = chat(body).expect("a request");
        assert_eq!((request.stream, request.choices, request.max_output_tokens), (false, 1, None));
        assert_eq!((request.user, request.metadata), (None, None));
    }

    #[test]
    fn what_is_wrong_is_named_and_never_repeated() {
        let wrong = |body: &str| chat(body).expect_err(body);
        assert_eq!(wrong("[1]"), RequestError::NotAnObject);
        assert_eq!(wrong("\"secret\""), RequestError::NotAnObject);
        assert_eq!(wrong("{}"), RequestError::Missing { field: "model" });
        assert_eq!(wrong(r#"{"model":null}"#), RequestError::Missing { field: "model" });
        for body in
            ["", "{", "{\"model\":\"secret", "{\"model\":\"m\"} secret", "\u{feff}{\"model\":\"m\"}", "{'model':1}"]
        {
            let error = wrong(body);
            assert!(matches!(error, RequestError::NotJson { .. }), "{body}: {error}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
        let long = format!(r#"{{"model":"{}"}}"#, "m".repeat(257));
        for body in [r#"{"model":7}"#, r#"{"model":""}"#, r#"{"model":["secret"]}"#, r#"{"model":"a\u0000b"}"#, &long] {
            let error = wrong(body);
            assert_eq!(error.field(), Some("model"), "{body}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
        for (field, value) in [
            ("stream", "1"),
            ("stream", "\"true\""),
            ("max_tokens", "-1"),
            ("max_tokens", "1.5"),
            ("max_tokens", "1e3"),
            ("max_tokens", "\"5\""),
            ("max_completion_tokens", "18446744073709551616"),
            ("n", "[]"),
            ("best_of", "true"),
            ("user", "7"),
            ("metadata", "[]"),
            ("stream_options", "[]"),
        ] {
            let body = format!(r#"{{"model":"m","{field}":{value}}}"#);
            assert_eq!(wrong(&body).field(), Some(field), "{body}");
        }
        let body = r#"{"model":"m","stream_options":{"include_usage":1}}"#;
        assert_eq!(wrong(body).field(), Some("include_usage"));
        assert_eq!(
            ModelRequest::read(Endpoint::ChatCompletions, None, Bytes::from_static(b"{\"model\":\"\xff\"}")).err(),
            Some(RequestError::NotText)
        );
    }

    #[test]
    fn a_request_that_can_be_read_in_two_ways_is_refused() {
        for field in ["model", "stream", "max_tokens", "n", "messages", "stream_options", "user", "metadata"] {
            let value = if field == "model" { "\"m\"" } else { "null" };
            let body = format!(r#"{{"model":"m","{field}":{value},"{field}":{value}}}"#);
            assert_eq!(chat(&body).err(), Some(RequestError::Repeated { field }), "{body}");
        }
        assert_eq!(chat(r#"{"model":"m","mod\u0065l":"n"}"#).err(), Some(RequestError::Repeated { field: "model" }));
        for (field, key) in [("model", "Model"), ("stream", "ſtream"), ("max_tokens", "max_to\u{212a}ens"), ("n", "N")]
        {
            let body = format!(r#"{{"model":"m","{key}":1}}"#);
            assert_eq!(chat(&body).err(), Some(RequestError::Misspelled { field }), "{body}");
        }
        for options in [r#"{"include_usage":true,"include_usage":false}"#, r#"{"Include_Usage":false}"#] {
            let body = format!(r#"{{"model":"m","stream":true,"stream_options":{options}}}"#);
            assert_eq!(chat(&body).err().and_then(|error| error.field()), Some("include_usage"));
        }
    }

    #[test]
    fn depth_is_bounded_and_needs_no_stack() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for field in ["messages", "tools", "temperature", "metadata"] {
                let value = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
                let outcome = chat(&format!(r#"{{"model":"m","{field}":{value}}}"#));
                assert!(outcome.is_ok() == (field == "temperature"), "{field}");
            }
        }
    }

    #[test]
    fn nothing_changed_is_the_same_bytes() {
        let body = Bytes::from_static(br#" {"model":"m","stream":true,"stream_options":{"include_usage":true}}"#);
        let request = ModelRequest::read(Endpoint::ChatCompletions, None, body.clone()).expect("a request");
        assert!(request.wants_usage);
        assert_eq!(request.rewritten("m", true).as_ptr(), body.as_ptr());
        let whole = chat(r#"{"model":"m"}"#).expect("a request");
        assert_eq!(whole.rewritten("m", true), whole.body, "usage is asked for where there is a stream");
    }

    #[test]
    fn only_what_is_replaced_changes() {
        let rewritten = |body: &str, model: &str| {
            let request = chat(body).expect(body).with_max_output(9);
            text(&request.rewritten(model, true)).to_owned()
        };
        let body =
            r#" { "messages":[{"model":"x"}], "model" : "a\"b" , "max_completion_tokens" : 5, "temperature":1.0 } "#;
        assert_eq!(rewritten(body, "y\"z"), body.replace(r#"a\"b"#, r#"y\"z"#));
        for (before, after) in [
            ("", r#""stream_options":{"include_usage":true},"#),
            (r#""stream_options" : null,"#, r#""stream_options" : {"include_usage":true},"#),
            (r#""stream_options": { },"#, r#""stream_options": { "include_usage":true},"#),
            (r#""stream_options":{"x":"}" },"#, r#""stream_options":{"x":"}" ,"include_usage":true},"#),
            (
                r#""stream_options":{"include_usage": false,"x":1},"#,
                r#""stream_options":{"include_usage": true,"x":1},"#,
            ),
            (r#""stream_options":{"include_usage":null},"#, r#""stream_options":{"include_usage":true},"#),
        ] {
            let rest = r#""model":"m","max_tokens":1,"stream":true}"#;
            assert_eq!(rewritten(&format!("{{{before}{rest}"), "m"), format!("{{{after}{rest}"));
        }
        assert_eq!(rewritten(r#"{"model":"m"}"#, "m"), r#"{"max_completion_tokens":9,"model":"m"}"#);
        let empty = r#"{"model":"m","max_completion_tokens":null}"#;
        assert_eq!(rewritten(empty, "m"), r#"{"model":"m","max_completion_tokens":9}"#);
    }

    #[test]
    fn debug_shows_no_text() {
        let shown = format!("{:?}", chat(CHAT).expect("a request"));
        for text in ["helpful", "Grüße", "weather", "user-42", "ticket"] {
            assert!(!shown.contains(text), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            for endpoint in Endpoint::ALL {
                let _ = ModelRequest::read(endpoint, Some("multipart/form-data; boundary=b"), body.clone().into());
            }
        }

        #[test]
        fn a_request_cut_anywhere_is_refused(at in 0..CHAT.len()) {
            prop_assume!(CHAT.is_char_boundary(at));
            prop_assert!(chat(&CHAT[..at]).is_err());
        }

        #[test]
        fn what_is_rewritten_reads_as_asked(model in "[^\\p{Cc}]{1,40}", new in "[^\\p{Cc}]{1,40}",
            options in prop_oneof![Just(json!(null)), Just(json!({})), Just(json!({"include_usage": false, "a": [1]}))]) {
            let body = json!({"model": model, "stream": true, "stream_options": options, "messages": ["x"]});
            let request = chat(&body.to_string()).expect("a request").with_max_output(7);
            let again = chat(text(&request.rewritten(&new, true))).expect("a request");
            prop_assert_eq!(&again.model, &new);
            prop_assert!(again.wants_usage && again.max_output_tokens == Some(7));
            prop_assert_eq!(again.prompt_bytes, request.prompt_bytes);
        }
    }
}
