//! The stand-in's own count of what it served.

use serde_json::json;

use crate::stage::{Stage, chat, streamed_chat};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn every_call_is_counted_by_its_model() {
    let stage = Stage::start().await;
    let mut large = streamed_chat("a b [[cached=2 reasoning=3]]");
    large["model"] = json!("large");
    stage.ask(CHAT, chat("one two")).await;
    stage.stream(CHAT, large).await;
    stage.try_ask(CHAT, chat("[[status=500]]")).await;
    let served = stage.served().await;
    let (small, large) = (&served["by_model"]["small"], &served["by_model"]["large"]);
    assert_eq!((&small["calls"], &small["errors"], &small["prompt_tokens"]), (&json!(2), &json!(1), &json!(5)));
    assert_eq!((&small["completion_tokens"], &small["completion_tokens_sent"]), (&json!(16), &json!(16)));
    assert_eq!((&large["streams"], &large["cached_tokens"], &large["deltas_sent"]), (&json!(1), &json!(2), &json!(16)));
    assert_eq!((&large["completion_tokens"], &large["completion_tokens_sent"]), (&json!(19), &json!(19)));
    assert_eq!((&served["calls"], &served["usages_sent"]), (&json!(3), &json!(2)));
    assert_eq!(served["prompt_tokens"], served["prompt_tokens_reported"]);
    assert_eq!(served["completion_tokens_reported"], 35);

    stage.client.delete(format!("{}/sandbox/served", stage.url)).send().await.unwrap();
    let served = stage.served().await;
    assert_eq!((&served["calls"], &served["by_model"]), (&json!(0), &json!({})));
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_noticed() {
    let stage = Stage::start().await;
    let mut response = stage.post(CHAT, &streamed_chat("[[tokens=1000 delay_ms=20]]")).send().await.unwrap();
    let mut seen = 0;
    while seen < 3 {
        let chunk = response.chunk().await.unwrap().unwrap();
        seen += String::from_utf8_lossy(&chunk).matches("\"content\":\" ").count();
    }
    assert_eq!(stage.served().await["open_streams"], 1);
    drop(response);
    let served = stage.served_when("cancelled", 1).await;
    let sent = served["completion_tokens_sent"].as_u64().unwrap();
    assert!((3..1000).contains(&sent), "{sent}");
    assert_eq!((&served["open_streams"], &served["usages_sent"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn a_caller_that_leaves_before_a_plain_answer_is_noticed() {
    let stage = Stage::start().await;
    let body = chat("[[ttft_ms=600000]]");
    let call = stage.post(CHAT, &body).timeout(std::time::Duration::from_millis(100)).send();
    assert!(call.await.unwrap_err().is_timeout());
    let served = stage.served_when("cancelled", 1).await;
    assert_eq!((&served["calls"], &served["completion_tokens_sent"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn calls_at_the_same_time_are_all_counted() {
    let stage = std::sync::Arc::new(Stage::start().await);
    let calls = (0..200).map(|number| {
        let stage = stage.clone();
        tokio::spawn(async move {
            let text = format!("[[tokens={} after=2 fault={}]]", 4 + number % 7, "cut");
            if number % 2 == 0 {
                stage.stream(CHAT, streamed_chat(&format!("[[tokens={}]]", number % 7))).await;
            } else {
                stage.until_cut(CHAT, streamed_chat(&text)).await;
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let served = stage.served().await;
    let whole: u64 = (0..200).filter(|number| number % 2 == 0).map(|number| number % 7).sum();
    assert_eq!((&served["calls"], &served["deltas_sent"]), (&json!(200), &json!(whole + 200)));
    assert_eq!((&served["faults"], &served["cancelled"]), (&json!(100), &json!(0)));
}
