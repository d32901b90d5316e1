//! `POST /v1/responses`, `/v1/completions` and `/v1/embeddings`.

use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn the_events_of_a_response_are_numbered_through() {
    let stage = Stage::start().await;
    let body = json!({ "model": "small", "input": "[[tokens=12]]", "stream": true });
    let events = stage.stream("/v1/responses", body).await;
    for (number, event) in events.iter().enumerate() {
        let data = event.json();
        assert_eq!((&data["sequence_number"], data["type"].as_str()), (&json!(number), event.name.as_deref()));
    }
    assert_eq!(events[0].name.as_deref(), Some("response.created"));
    let last = events.last().unwrap().json();
    assert_eq!(
        (&last["type"], &last["response"]["usage"]["output_tokens"]),
        (&json!("response.completed"), &json!(12))
    );
}

#[tokio::test]
async fn a_response_that_fails_says_so_last() {
    let stage = Stage::start().await;
    let body = json!({ "model": "small", "input": "[[fault=error after=1]]", "stream": true });
    let events = stage.stream("/v1/responses", body).await;
    assert_eq!(events.last().unwrap().json()["response"]["status"], "failed");
    assert_eq!(events.last().unwrap().json()["response"]["usage"], json!(null));
}

#[tokio::test]
async fn every_prompt_of_a_completion_has_its_choice() {
    let stage = Stage::start().await;
    let answer = stage.ask("/v1/completions", json!({ "model": "small", "prompt": ["a", "b"], "max_tokens": 3 })).await;
    assert_eq!((&answer["choices"][1]["text"], &answer["usage"]["total_tokens"]), (&json!(" of and to"), &json!(8)));
    let body = json!({ "model": "small", "prompt": "[[tokens=3]]", "stream": true,
        "stream_options": { "include_usage": true } });
    let events = stage.stream("/v1/completions", body).await;
    assert_eq!(events.len(), 3 + 1 + 1 + 1);
    assert_eq!(events[4].json()["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn the_same_text_has_the_same_vector() {
    let stage = Stage::start().await;
    let body = json!({ "model": "embed", "input": ["a b", "c", "a b"], "dimensions": 64 });
    let answer = stage.ask("/v1/embeddings", body).await;
    let data = &answer["data"];
    assert_eq!(data[0]["embedding"], data[2]["embedding"]);
    assert_ne!(data[0]["embedding"], data[1]["embedding"]);
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 5, "total_tokens": 5 }));
    assert_eq!(stage.served().await["completion_tokens"], 0);
}
