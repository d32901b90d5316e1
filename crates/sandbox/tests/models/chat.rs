//! `POST /v1/chat/completions`.

use serde_json::{Value, json};

use crate::stage::{Event, Stage, chat, events, streamed_chat};

const CHAT: &str = "/v1/chat/completions";

/// The texts of a stream's deltas, by choice.
fn deltas(events: &[Event], choice: u64) -> Vec<String> {
    let chunks = events.iter().filter(|event| event.data != "[DONE]").map(Event::json);
    let choices = chunks.flat_map(|chunk| chunk["choices"].as_array().cloned().unwrap_or_default());
    let of_choice = choices.filter(|delta| delta["index"] == json!(choice));
    of_choice
        .filter_map(|delta| delta["delta"]["content"].as_str().map(str::to_owned))
        .filter(|text| !text.is_empty())
        .collect()
}

#[tokio::test]
async fn an_answer_has_sixteen_tokens_and_its_usage() {
    let stage = Stage::start().await;
    let answer = stage.ask(CHAT, chat("one two")).await;
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(text.split_whitespace().count(), 16);
    let usage = &answer["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(5), &json!(16)));
    assert_eq!(usage["total_tokens"], 21);
}

#[tokio::test]
async fn the_same_request_has_the_same_answer() {
    let stage = Stage::start().await;
    let [first, second] = [stage.ask(CHAT, chat("hi")).await, stage.ask(CHAT, chat("hi")).await];
    assert_eq!(first, second);
    assert_ne!(first["id"], stage.ask(CHAT, chat("ho")).await["id"]);
}

#[tokio::test]
async fn the_limit_cuts_every_choice() {
    let stage = Stage::start().await;
    for limit in ["max_tokens", "max_completion_tokens"] {
        let mut body = chat("[[tokens=200 reasoning=2]]");
        body[limit] = json!(7);
        body["n"] = json!(2);
        let answer = stage.ask(CHAT, body).await;
        assert_eq!(answer["choices"].as_array().unwrap().len(), 2);
        assert_eq!(answer["choices"][1]["finish_reason"], "length");
        assert_eq!(answer["usage"]["completion_tokens"], 14);
        assert_eq!(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 4);
    }
}

#[tokio::test]
async fn usage_has_the_details_that_the_prompt_asks_for() {
    let stage = Stage::start().await;
    let text = "[[prompt_tokens=1000 cached=400 cache_write=10 audio=3 reasoning=7 audio_out=2 tokens=20]]";
    let usage = &stage.ask(CHAT, chat(text)).await["usage"];
    let prompt = json!({ "cached_tokens": 400, "cache_write_tokens": 10, "audio_tokens": 3 });
    assert_eq!((&usage["prompt_tokens"], &usage["prompt_tokens_details"]), (&json!(1000), &prompt));
    assert_eq!(usage["completion_tokens"], 29);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 7);
    assert_eq!(usage["completion_tokens_details"]["audio_tokens"], 2);
    assert_eq!(stage.ask(CHAT, chat("[[usage=none]]")).await.get("usage"), None);
    assert_eq!(stage.ask(CHAT, chat("[[usage=zero]]")).await["usage"]["total_tokens"], 0);
}

#[tokio::test]
async fn a_stream_has_one_token_a_delta_and_usage_when_asked() {
    let stage = Stage::start().await;
    let events = stage.stream(CHAT, streamed_chat("[[tokens=20]]")).await;
    assert_eq!(deltas(&events, 0).len(), 20);
    let plain = stage.ask(CHAT, chat("[[tokens=20]]")).await;
    assert_eq!(deltas(&events, 0).concat(), plain["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(events.last().unwrap().data, "[DONE]");
    let usage = events[events.len() - 2].json();
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(20)));
    assert!(events[..events.len() - 2].iter().all(|event| event.json()["usage"] == Value::Null));
    assert!(events[0].json().as_object().unwrap().contains_key("usage"));
}

#[tokio::test]
async fn a_stream_says_nothing_of_usage_unless_asked() {
    let stage = Stage::start().await;
    let mut body = streamed_chat("hi");
    body.as_object_mut().unwrap().remove("stream_options");
    let events = stage.stream(CHAT, body).await;
    assert!(!events[..events.len() - 1].iter().any(|event| event.json().as_object().unwrap().contains_key("usage")));
    assert_eq!(events[events.len() - 2].json()["choices"][0]["finish_reason"], "stop");
    assert_eq!(stage.served().await["usages_sent"], 0);
}

#[tokio::test]
async fn the_choices_of_a_stream_come_in_turn() {
    let stage = Stage::start().await;
    let mut body = streamed_chat("[[tokens=3 delay_ms=1]]");
    body["n"] = json!(2);
    let events = stage.stream(CHAT, body).await;
    assert_eq!(deltas(&events, 0), [" the", " of", " and"]);
    assert_eq!(deltas(&events, 1), [" of", " and", " to"]);
}

#[tokio::test]
async fn each_token_is_sent_by_itself_on_demand() {
    let stage = Stage::start().await;
    for (text, expected) in [("[[tokens=5]]", 1), ("[[tokens=5 frames=together]]", 1), ("[[tokens=5 frames=token]]", 5)]
    {
        let mut response = stage.post(CHAT, &streamed_chat(text)).send().await.unwrap();
        let (mut frames, mut whole) = (0, Vec::new());
        while let Some(frame) = response.chunk().await.unwrap() {
            frames += 1;
            whole.extend_from_slice(&frame);
        }
        assert_eq!(frames, expected, "{text}");
        assert_eq!(deltas(&events(&String::from_utf8(whole).unwrap()), 0).len(), 5, "{text}");
    }
}

#[tokio::test]
async fn usage_is_said_twice_on_demand() {
    let stage = Stage::start().await;
    let events = stage.stream(CHAT, streamed_chat("[[usage=twice]]")).await;
    assert_eq!(events.iter().filter(|event| event.data.contains("\"prompt_tokens\"")).count(), 2);
    let served = stage.served().await;
    assert_eq!((&served["usages_sent"], &served["completion_tokens_reported"]), (&json!(1), &json!(16)));
}

#[tokio::test]
async fn a_cut_stream_delivers_what_was_asked_and_counts_it() {
    let stage = Stage::start().await;
    for (text, sent) in
        [("[[fault=cut after=5]]", 5), ("[[fault=cut after=0]]", 0), ("[[fault=cut after=99 tokens=9]]", 9)]
    {
        stage.client.delete(format!("{}/sandbox/served", stage.url)).send().await.unwrap();
        let (text, is_whole) = stage.until_cut(CHAT, streamed_chat(text)).await;
        assert!(!is_whole);
        assert_eq!(deltas(&events(&text), 0).len(), sent);
        assert!(!text.contains("[DONE]"));
        let served = stage.served().await;
        assert_eq!((&served["completion_tokens_sent"], &served["faults"]), (&json!(sent), &json!(1)));
        assert_eq!((&served["cancelled"], &served["open_streams"]), (&json!(0), &json!(0)));
    }
}
