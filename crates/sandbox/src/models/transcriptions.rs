//! `POST /v1/audio/transcriptions` and `/v1/audio/translations`: a multipart form with a recording.
//!
//! Nobody listens. A recording is as long as the header of a WAV file says, else a second for each 16,000 bytes, else
//! what `[[seconds=90]]` in the form's `prompt` says. Ten audio tokens a second. Models whose names begin with `whisper`
//! tell usage as a duration in whole seconds, the others as tokens.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::call::{Call, EVENTS, JSON};
use super::chat::stream_error;
use super::directives::UsageReport;
use super::plan::Plan;
use super::play::{Delta, Score, write_event};
use super::prompt::words;
use super::refusal::{Provider, Refusal, authorize};
use super::served::{Count, Served};
use super::words::text;

const BYTES_A_SECOND: f64 = 16_000.0;
const AUDIO_TOKENS_A_SECOND: u64 = 10;
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// What a caller sends.
#[derive(Default)]
struct Form {
    file: Option<Bytes>,
    model: String,
    prompt: String,
    response_format: String,
    language: String,
    stream: bool,
}

pub async fn transcribe(State(served): State<Arc<Served>>, request: Request) -> Result<Response, Refusal> {
    let (call, form, recording) = listen(&served, request).await?;
    let duration = form.model.starts_with("whisper");
    let plan = if duration { Plan { report: UsageReport::None, ..recording.plan } } else { recording.plan.clone() };
    let says_nothing = call.directives.usage == UsageReport::None;
    let usage = match plan.reported() {
        _ if says_nothing => None,
        None => Some(json!({ "type": "duration", "seconds": recording.whole_seconds() })),
        Some(usage) => {
            let audio = recording.audio_tokens.min(usage.prompt);
            Some(json!({
                "type": "tokens",
                "input_tokens": usage.prompt,
                "input_token_details": { "text_tokens": usage.prompt - audio, "audio_tokens": audio },
                "output_tokens": usage.completion,
                "total_tokens": usage.total(),
            }))
        }
    };
    if form.stream && !duration {
        let score = score(&plan, usage);
        return Ok(call.stream(&plan, EVENTS, score));
    }
    let (content_type, mut body) = recording.written(&form, "transcribe");
    if let (Some(usage), Value::Object(fields)) = (usage, &mut body) {
        fields.insert("usage".to_owned(), usage);
    }
    Ok(call.plain(&plan, content_type, bytes(body)).await)
}

pub async fn translate(State(served): State<Arc<Served>>, request: Request) -> Result<Response, Refusal> {
    let (call, form, recording) = listen(&served, request).await?;
    let (content_type, body) = recording.written(&form, "translate");
    Ok(call.plain(&Plan { report: UsageReport::None, ..recording.plan }, content_type, bytes(body)).await)
}

async fn listen(served: &Arc<Served>, request: Request) -> Result<(Call, Form, Recording), Refusal> {
    authorize(Provider::OpenAi, request.headers())?;
    let form = read_form(request).await.map_err(|message| Refusal::bad_request(Provider::OpenAi, message))?;
    let Some(file) = &form.file else {
        return Err(Refusal::bad_request(Provider::OpenAi, "The form has no part named file."));
    };
    let call = Call::begin(Provider::OpenAi, served, &form.model, file, [&*form.prompt].into_iter()).await?;
    let seconds = call.directives.seconds.map_or_else(|| seconds(file), |seconds| seconds as f64);
    let audio_tokens = seconds.ceil() as u64 * AUDIO_TOKENS_A_SECOND;
    let plan = call.plan(words(&form.prompt) + audio_tokens, None, 1);
    let recording = Recording { seconds, audio_tokens, plan };
    call.count(Count::AudioSeconds, recording.whole_seconds());
    Ok((call, form, recording))
}

async fn read_form(request: Request) -> Result<Form, String> {
    let mut parts = Multipart::from_request(request, &()).await.map_err(|error| error.body_text())?;
    let mut form = Form::default();
    while let Some(part) = parts.next_field().await.map_err(|error| error.body_text())? {
        let name = part.name().unwrap_or_default().to_owned();
        let content = part.bytes().await.map_err(|error| error.body_text())?;
        let text = || String::from_utf8_lossy(&content).into_owned();
        match name.as_str() {
            "file" => form.file = Some(content),
            "model" => form.model = text(),
            "prompt" => form.prompt = text(),
            "response_format" => form.response_format = text(),
            "language" => form.language = text(),
            "stream" => form.stream = content.eq_ignore_ascii_case(b"true"),
            _ => {}
        }
    }
    if form.model.is_empty() { Err("you must provide a model parameter".to_owned()) } else { Ok(form) }
}

/// By the header of a WAV file, else by its size.
fn seconds(file: &Bytes) -> f64 {
    let bytes_a_second = file.get(28..32).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    if file.starts_with(b"RIFF") && file.len() > 44 && bytes_a_second > 0 {
        return (file.len() - 44) as f64 / f64::from(bytes_a_second);
    }
    file.len() as f64 / BYTES_A_SECOND
}

struct Recording {
    seconds: f64,
    audio_tokens: u64,
    plan: Plan,
}

impl Recording {
    /// As it is billed.
    fn whole_seconds(&self) -> u64 {
        self.seconds.ceil() as u64
    }

    /// In the form that was asked for; a text in JSON where that is none.
    fn written(&self, form: &Form, task: &str) -> (&'static str, Value) {
        let said = text(0, self.plan.tokens as usize);
        match form.response_format.as_str() {
            "text" => (PLAIN_TEXT, format!("{}\n", said.trim()).into()),
            "srt" => {
                let (from, until) = (clock(0.0, ','), clock(self.seconds, ','));
                (PLAIN_TEXT, format!("1\n{from} --> {until}\n{}\n\n", said.trim()).into())
            }
            "vtt" => {
                let (from, until) = (clock(0.0, '.'), clock(self.seconds, '.'));
                (PLAIN_TEXT, format!("WEBVTT\n\n{from} --> {until}\n{}\n\n", said.trim()).into())
            }
            "verbose_json" => (JSON, self.verbose(form, task, &said)),
            _ => (JSON, json!({ "text": said })),
        }
    }

    fn verbose(&self, form: &Form, task: &str, said: &str) -> Value {
        let language = if form.language.is_empty() || task == "translate" { "english" } else { &form.language };
        let segment = json!({
            "id": 0,
            "seek": 0,
            "start": 0.0,
            "end": self.seconds,
            "text": said,
            "tokens": [],
            "temperature": 0.0,
            "avg_logprob": -0.1,
            "compression_ratio": 1.0,
            "no_speech_prob": 0.0,
        });
        json!({ "task": task, "language": language, "duration": self.seconds, "text": said, "segments": [segment] })
    }
}

fn bytes(body: Value) -> Vec<u8> {
    match body {
        Value::String(text) => text.into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

/// `00:01:02,500`.
fn clock(seconds: f64, separator: char) -> String {
    let milliseconds = (seconds * 1_000.0).round() as u64;
    let (whole, rest) = (milliseconds / 1_000, milliseconds % 1_000);
    format!("{:02}:{:02}:{:02}{separator}{rest:03}", whole / 3_600, whole / 60 % 60, whole % 60)
}

fn score(plan: &Plan, usage: Option<Value>) -> Score {
    let delta = r#"{"type":"transcript.text.delta","delta":""}"#.to_owned();
    let name = "transcript.text.done";
    let mut done = json!({ "type": name, "text": text(0, plan.tokens as usize) });
    if let Some(usage) = usage {
        done["usage"] = usage;
    }
    let mut tail = Vec::new();
    let times = if plan.report == UsageReport::Twice { 2 } else { 1 };
    (0..times).for_each(|_| write_event(&mut tail, Some(name), &done.to_string()));
    let delta = Delta::of_events(Some("transcript.text.delta"), &[delta], "delta", None);
    Score { head: Vec::new(), delta, tail, error: stream_error() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wav_file_says_how_long_it_is() {
        let mut file = vec![0; 44 + 48_000 * 3];
        file[..4].copy_from_slice(b"RIFF");
        file[28..32].copy_from_slice(&48_000_u32.to_le_bytes());
        assert_eq!(seconds(&file.into()), 3.0);
        assert_eq!(seconds(&vec![0; 40_000].into()), 2.5);
    }

    #[test]
    fn subtitles_have_hours_minutes_and_milliseconds() {
        assert_eq!(clock(3_725.5, ','), "01:02:05,500");
    }
}
