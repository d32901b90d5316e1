//! `POST /v1/messages`.

use serde_json::{Value, json};

use crate::stage::Stage;

const MESSAGES: &str = "/v1/messages";

fn message(text: &str) -> Value {
    json!({ "model": "claude-small", "max_tokens": 100, "messages": [{ "role": "user", "content": text }] })
}

#[tokio::test]
async fn input_tokens_leave_out_what_a_cache_had_to_do_with() {
    let stage = Stage::start().await;
    let answer = stage.ask(MESSAGES, message("[[prompt_tokens=1000 cached=400 cache_write=10 reasoning=7]]")).await;
    let usage = &answer["usage"];
    assert_eq!((&usage["input_tokens"], &usage["cache_read_input_tokens"]), (&json!(590), &json!(400)));
    assert_eq!((&usage["cache_creation_input_tokens"], &usage["output_tokens"]), (&json!(10), &json!(23)));
    assert_eq!(stage.served().await["prompt_tokens"], 1000);
}

#[tokio::test]
async fn a_stream_tells_the_input_first_and_the_output_last() {
    let stage = Stage::start().await;
    let mut body = message("[[tokens=5 prompt_tokens=9]]");
    body["stream"] = json!(true);
    let events = stage.stream(MESSAGES, body).await;
    let names: Vec<&str> = events.iter().map(|event| event.name.as_deref().unwrap_or_default()).collect();
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(names[3..8], ["content_block_delta"; 5]);
    assert_eq!(names[8..], ["content_block_stop", "message_delta", "message_stop"]);
    assert!(events.iter().all(|event| event.json()["type"] == event.name.as_deref().unwrap_or_default()));
    assert_eq!(events[0].json()["message"]["usage"]["input_tokens"], 9);
    assert_eq!(events[9].json()["usage"]["output_tokens"], 5);
}

#[tokio::test]
async fn a_message_needs_a_limit() {
    let stage = Stage::start().await;
    let mut body = message("hi");
    body.as_object_mut().unwrap().remove("max_tokens");
    let (status, answer) = stage.try_ask(MESSAGES, body).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("max_tokens: Field required")));
    let mut body = message("hi");
    body["max_tokens"] = json!(3);
    assert_eq!(stage.ask(MESSAGES, body).await["stop_reason"], "max_tokens");
}
