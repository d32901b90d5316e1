//! What goes wrong on purpose, and what a caller sees of it.

use std::time::Duration;

use serde_json::json;

use crate::stage::{Stage, chat, events, streamed_chat};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_refused_connection_has_no_byte() {
    let stage = Stage::start().await;
    for body in [chat("[[fault=refuse]]"), streamed_chat("[[fault=refuse]]")] {
        let error = stage.post(CHAT, &body).send().await.unwrap_err();
        assert!(error.is_request() && error.status().is_none(), "{error:?}");
    }
    let served = stage.served().await;
    assert_eq!((&served["faults"], &served["prompt_tokens"], &served["cancelled"]), (&json!(2), &json!(0), &json!(0)));
}

#[tokio::test]
async fn a_plain_answer_is_cut_in_the_middle_of_its_body() {
    let stage = Stage::start().await;
    let (text, is_whole) = stage.until_cut(CHAT, chat("[[fault=cut]]")).await;
    assert!(!is_whole && text.starts_with("{\"id\":\"chatcmpl-"), "{text}");
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_err());
    let served = stage.served().await;
    assert_eq!((&served["faults"], &served["completion_tokens_sent"]), (&json!(1), &json!(0)));
    assert_eq!((&served["completion_tokens"], &served["usages_sent"]), (&json!(16), &json!(0)));
}

#[tokio::test]
async fn a_long_stream_is_cut_after_its_last_delta_was_delivered() {
    let stage = Stage::start().await;
    let (text, is_whole) = stage.until_cut(CHAT, streamed_chat("[[tokens=20000 fault=cut after=19999]]")).await;
    assert_eq!((is_whole, events(&text).len()), (false, 1 + 19_999));
    assert_eq!(stage.served().await["deltas_sent"], 19_999);
}

#[tokio::test]
async fn an_error_comes_in_the_middle_of_a_stream_or_in_place_of_a_plain_answer() {
    let stage = Stage::start().await;
    let events = stage.stream(CHAT, streamed_chat("[[fault=error after=2 delay_ms=1]]")).await;
    assert_eq!(events.len(), 1 + 2 + 1);
    assert_eq!(events[3].json()["error"]["type"], "server_error");
    let (status, answer) = stage.try_ask(CHAT, chat("[[fault=error]]")).await;
    assert_eq!((status, &answer["error"]["type"]), (500, &json!("server_error")));
}

#[tokio::test]
async fn a_stalled_stream_sends_nothing_more_until_the_caller_leaves() {
    let stage = Stage::start().await;
    for (body, told) in [(streamed_chat("[[fault=stall after=3]]"), "data: "), (chat("[[fault=stall]]"), "{\"id\"")] {
        let mut response = stage.post(CHAT, &body).send().await.unwrap();
        assert!(response.chunk().await.unwrap().unwrap().starts_with(told.as_bytes()));
        let more = tokio::time::timeout(Duration::from_millis(100), response.chunk()).await;
        assert!(more.is_err(), "{more:?}");
    }
    let served = stage.served_when("cancelled", 2).await;
    assert_eq!((&served["completion_tokens_sent"], &served["open_streams"]), (&json!(3), &json!(0)));
}

#[tokio::test]
async fn garbage_is_not_json() {
    let stage = Stage::start().await;
    let (text, is_whole) = stage.until_cut(CHAT, chat("[[fault=garbage]]")).await;
    assert!(is_whole && serde_json::from_str::<serde_json::Value>(&text).is_err());
    let events = stage.stream(CHAT, streamed_chat("[[fault=garbage after=4]]")).await;
    assert_eq!(events.len(), 1 + 4 + 1);
    assert!(serde_json::from_str::<serde_json::Value>(&events[5].data).is_err());
    let mut body = streamed_chat("[[fault=garbage after=4]]");
    body["max_tokens"] = json!(99);
    let events = stage.stream("/v1/messages", body).await;
    assert_eq!((events.len(), events[7].name.as_deref()), (3 + 4 + 1, Some("content_block_delta")));
    assert!(serde_json::from_str::<serde_json::Value>(&events[7].data).is_err());
}

#[tokio::test]
async fn an_error_status_has_the_shape_of_its_provider() {
    let stage = Stage::start().await;
    let response = stage.post(CHAT, &chat("[[status=429 retry_after=2]]")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"2".parse().unwrap()));
    let (status, answer) = stage.try_ask(CHAT, chat("[[status=503]]")).await;
    assert_eq!((status, &answer["error"]["type"]), (503, &json!("server_error")));
    let mut body = chat("[[status=529]]");
    body["max_tokens"] = json!(5);
    let (status, answer) = stage.try_ask("/v1/messages", body).await;
    assert_eq!((status, &answer["error"]["type"], &answer["type"]), (529, &json!("overloaded_error"), &json!("error")));
}

#[tokio::test]
async fn a_failure_lasts_as_many_calls_as_it_is_told() {
    let stage = Stage::start().await;
    for (prompt, statuses) in [("a [[status=500 times=2]]", [500, 500, 200]), ("b [[status=500 times=0]]", [200; 3])] {
        for status in statuses {
            assert_eq!(stage.try_ask(CHAT, chat(prompt)).await.0, status);
        }
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let stage = Stage::start().await;
    let mut unknown = chat("hi");
    unknown["model"] = json!("no-such-model");
    for (body, status, code) in [
        (chat("[[speed=9]]"), 400, json!(null)),
        (json!({ "model": "small" }), 400, json!(null)),
        (unknown, 404, json!("model_not_found")),
    ] {
        let (answered, answer) = stage.try_ask(CHAT, body).await;
        assert_eq!((answered, &answer["error"]["code"]), (status, &code), "{answer}");
    }
    assert_eq!(stage.try_ask("/v1/nothing", json!({})).await.0, 404);
    let wrong = stage.post(CHAT, &chat("hi")).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert_eq!(stage.post(CHAT, &chat("hi")).bearer_auth("right").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn pauses_are_kept() {
    let stage = Stage::start().await;
    #[expect(clippy::disallowed_methods, reason = "the duration is what is tested")]
    let begun = std::time::Instant::now();
    let response = stage.post(CHAT, &streamed_chat("[[ttft_ms=40 tokens=5 delay_ms=10]]")).send().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(40));
    let text = response.text().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(80));
    assert_eq!(events(&text).len(), 1 + 5 + 3);
    stage.ask(CHAT, chat("[[tokens=5 delay_ms=10]]")).await;
    assert!(begun.elapsed() >= Duration::from_millis(130));
}
