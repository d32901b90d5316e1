//! Recordings, speech and pictures.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::stage::Stage;

async fn transcribe(stage: &Stage, fields: &[(&'static str, &'static str)]) -> (u16, String) {
    let part = Part::bytes(vec![0; 40_000]).file_name("a.mp3");
    let form = fields.iter().fold(Form::new().part("file", part), |form, (name, value)| form.text(*name, *value));
    let call = stage.client.post(format!("{}/v1/audio/transcriptions", stage.url)).multipart(form);
    let response = call.send().await.expect("the stand-in answers");
    (response.status().as_u16(), response.text().await.expect("the answer is whole"))
}

#[tokio::test]
async fn a_recording_is_counted_in_tokens_or_in_seconds() {
    let stage = Stage::start().await;
    let usage = |text: &str| serde_json::from_str::<Value>(text).expect("JSON")["usage"].clone();
    let (_, text) = transcribe(&stage, &[("model", "listen"), ("prompt", "[[seconds=90]]")]).await;
    assert_eq!((&usage(&text)["type"], &usage(&text)["input_tokens"]), (&json!("tokens"), &json!(901)));
    let (_, text) = transcribe(&stage, &[("model", "whisper-1")]).await;
    assert_eq!(usage(&text), json!({ "type": "duration", "seconds": 3 }));
    assert_eq!(stage.served().await["audio_seconds"], 93);
}

#[tokio::test]
async fn a_form_without_a_model_is_refused() {
    let stage = Stage::start().await;
    let (status, text) = transcribe(&stage, &[]).await;
    assert!(status == 400 && text.contains("you must provide a model parameter"), "{text}");
}

#[tokio::test]
async fn speech_and_pictures_are_counted() {
    let stage = Stage::start().await;
    let body = json!({ "model": "speak", "voice": "alloy", "input": "Grüß dich [[tokens=3]]" });
    let response = stage.post("/v1/audio/speech", &body).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "audio/mpeg");
    assert_eq!(response.bytes().await.unwrap().len(), 3 * 417);
    let body = json!({ "model": "speak", "voice": "alloy", "input": "a [[tokens=3]]", "stream_format": "sse" });
    let events = stage.stream("/v1/audio/speech", body).await;
    assert_eq!((events.len(), &events[3].json()["usage"]["output_tokens"]), (4, &json!(3)));
    let answer = stage.ask("/v1/images/generations", json!({ "model": "draw", "prompt": "a cat", "n": 2 })).await;
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    let served = stage.served().await;
    assert_eq!((&served["characters"], &served["images"]), (&json!(22 + 14), &json!(2)));
}

#[tokio::test]
async fn broken_speech_delivers_what_was_asked() {
    let stage = Stage::start().await;
    let body = json!({ "model": "speak", "voice": "alloy", "input": "a [[tokens=9 fault=cut after=2]]" });
    let mut response = stage.post("/v1/audio/speech", &body).send().await.unwrap();
    let mut bytes = 0;
    let error = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes += chunk.len(),
            Ok(None) => panic!("the answer was whole"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!((bytes, &stage.served().await["deltas_sent"]), (2 * 417, &json!(2)));
}
