//! `POST /v1/audio/speech`: silence, piece by piece, as bytes or as events.
//!
//! A token is one piece: a frame of 26 ms of silent MP3, or 20 ms of silent samples for `wav` and `pcm`. The formats
//! `opus`, `aac` and `flac` carry the same frames under their own content type. Usage is told in events alone, as
//! OpenAI does.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::call::{Call, EVENTS, read};
use super::chat::stream_error;
use super::directives::UsageReport;
use super::plan::Plan;
use super::play::{Delta, Score, write_event};
use super::prompt::words;
use super::refusal::{Provider, Refusal};
use super::served::{Count, Served};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: Cow<'a, str>,
    #[serde(borrow, default)]
    instructions: Cow<'a, str>,
    #[serde(borrow, default)]
    response_format: Cow<'a, str>,
    #[serde(borrow, default)]
    stream_format: Cow<'a, str>,
}

/// MPEG-1 layer III, 128 kbit/s, 44.1 kHz: a frame is 417 bytes.
static MP3_FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xFF, 0xFB, 0x90, 0xC4];
    frame
};

/// 24 kHz, 16 bits, one channel.
static PCM_PIECE: [u8; 960] = [0; 960];

pub async fn speak(State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let request: Request<'_> = read(Provider::OpenAi, &headers, &body)?;
    let call = Call::begin(Provider::OpenAi, &served, &request.model, &body, [&*request.input].into_iter()).await?;
    let plan = call.plan(words(&request.input) + words(&request.instructions), None, 1);
    call.count(Count::Characters, request.input.chars().count() as u64);
    if request.stream_format == "sse" {
        let score = events(&plan);
        return Ok(call.stream(&plan, EVENTS, score));
    }
    let (content_type, piece, head): (_, &'static [u8], _) = match &*request.response_format {
        "wav" => ("audio/wav", &PCM_PIECE, wav_head(plan.tokens)),
        "pcm" => ("audio/pcm", &PCM_PIECE, Vec::new()),
        "opus" => ("audio/opus", &MP3_FRAME, Vec::new()),
        "aac" => ("audio/aac", &MP3_FRAME, Vec::new()),
        "flac" => ("audio/flac", &MP3_FRAME, Vec::new()),
        _ => ("audio/mpeg", &MP3_FRAME, Vec::new()),
    };
    let score = Score { head, delta: Delta::raw(piece), tail: Vec::new(), error: Vec::new() };
    Ok(call.stream(&Plan { report: UsageReport::None, ..plan }, content_type, score))
}

fn events(plan: &Plan) -> Score {
    let delta = r#"{"type":"speech.audio.delta","audio":""}"#.to_owned();
    let name = "speech.audio.done";
    let mut done = json!({ "type": name });
    if let Some(usage) = plan.reported() {
        done["usage"] = json!({
            "input_tokens": usage.prompt,
            "output_tokens": usage.completion,
            "total_tokens": usage.total(),
        });
    }
    let mut tail = Vec::new();
    let times = if plan.report == UsageReport::Twice { 2 } else { 1 };
    (0..times).for_each(|_| write_event(&mut tail, Some(name), &done.to_string()));
    let audio = STANDARD.encode(MP3_FRAME).into_bytes();
    let delta = Delta::of_events(Some("speech.audio.delta"), &[delta], "audio", None).carrying(audio);
    Score { head: Vec::new(), delta, tail, error: stream_error() }
}

/// The 44 bytes before the samples.
fn wav_head(pieces: u64) -> Vec<u8> {
    let length = u32::try_from(pieces * PCM_PIECE.len() as u64).expect("a million pieces are below 4 GB");
    let mut head = Vec::with_capacity(44);
    head.extend_from_slice(b"RIFF");
    head.extend_from_slice(&(length + 36).to_le_bytes());
    head.extend_from_slice(b"WAVEfmt ");
    // Size of this part; samples uncompressed; one channel; 24,000 samples and 48,000 bytes a second; 2 bytes; 16 bits.
    head.extend_from_slice(&16_u32.to_le_bytes());
    head.extend_from_slice(&1_u16.to_le_bytes());
    head.extend_from_slice(&1_u16.to_le_bytes());
    head.extend_from_slice(&24_000_u32.to_le_bytes());
    head.extend_from_slice(&48_000_u32.to_le_bytes());
    head.extend_from_slice(&2_u16.to_le_bytes());
    head.extend_from_slice(&16_u16.to_le_bytes());
    head.extend_from_slice(b"data");
    head.extend_from_slice(&length.to_le_bytes());
    head
}
