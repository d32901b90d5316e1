//! Every way a call can end, and what it costs then.

use serde_json::{Value, json};
use testkit::server::{Engine, TestServer};

use super::caller::{ModelCaller, Streamed, Used, chat, served};
use crate::stage::{Site, on_each_engine, until};

/// The stand-in counts the words of a message, and three for it.
fn prompt(message: &str) -> u64 {
    message.split_whitespace().count() as u64 + 3
}

async fn event(server: &TestServer, stream: &Streamed) -> Value {
    let id = stream.told("event").expect("the comment names the event");
    server.get(&format!("/api/v1/usage/events/{id}")).await.expect(200).json()
}

#[tokio::test]
async fn a_whole_answer_costs_what_the_provider_reports() {
    on_each_engine(async |server| {
        let caller = ModelCaller::new(server, "whole").await;
        let answer = caller.chat("Hello [[tokens=10 prompt_tokens=1000 cached=400]]").await.expect(200);
        assert_eq!(answer.json()["usage"]["total_tokens"], 1_010);
        // 600 at 0.10, 400 cached at 0.05 and 10 at 0.40 dollars a million, and 5 %.
        assert_eq!(answer.header("tollway-cost"), Some("0.0000882"));
        assert_eq!(answer.header("tollway-counts"), Some("reported"));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("999"));
        assert_eq!(caller.used().await, Used::of(1, 1_010));
        let id = answer.header("tollway-event").expect("the event").to_owned();
        let event = server.get(&format!("/api/v1/usage/events/{id}")).await.expect(200).json();
        assert_eq!((&event["action"], &event["model"]), (&json!("commit"), &json!("small")));
        let tokens = json!({
            "prompt": 1_000, "cached": 400, "cache_write": 0, "audio_input": 0,
            "completion": 10, "reasoning": 0, "audio_output": 0,
        });
        assert_eq!(event["details"]["tokens"], tokens, "{event}");
        assert_eq!(event["details"]["counts"], "reported");
        assert_eq!(event["details"]["context"]["request_type"], "chat");
        assert!(!event.to_string().contains("Hello"), "{event}");
    })
    .await;
}

#[tokio::test]
async fn a_whole_stream_is_passed_on_untouched_and_booked_before_its_end() {
    on_each_engine(async |server| {
        let caller = ModelCaller::new(server, "streams").await;
        let stream = caller.stream("Hello [[tokens=10]]").await;
        assert!(stream.is_done() && stream.tokens() == 10, "{stream:?}");
        assert!(stream.events().iter().all(|event| event["choices"].as_array().is_some_and(|all| !all.is_empty())));
        assert_eq!(stream.told("counts"), Some("reported"));
        assert_eq!(stream.told("cost"), Some("0.000004725"));
        assert_eq!(caller.used().await, Used::of(1, prompt("Hello [[tokens=10]]") + 10));
        let mut asked = chat("Hello [[tokens=10]]", true);
        asked["stream_options"] = json!({ "include_usage": true });
        let stream = caller.stream_of("/v1/chat/completions", &asked).await;
        let usages: Vec<Value> = stream.events().into_iter().filter(|event| !event["usage"].is_null()).collect();
        assert_eq!(usages.len(), 1, "{stream:?}");
        assert_eq!(usages[0]["usage"]["completion_tokens"], 10);
        let served = served(server, "small").await;
        assert_eq!(served["completion_tokens_sent"], 20);
        assert_eq!(caller.used().await, Used::of(2, 2 * (prompt("Hello [[tokens=10]]") + 10)));
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_the_provider_cuts_costs_what_was_delivered() {
    on_each_engine(async |server| {
        let caller = ModelCaller::new(server, "cut").await;
        let stream = caller.stream("Hello [[tokens=20 fault=cut after=7]]").await;
        assert!(!stream.is_done());
        assert_eq!(stream.tokens(), 7);
        assert_eq!(stream.error_code().as_deref(), Some("upstream_broke_off"), "{stream:?}");
        assert_eq!(stream.told("counts"), Some("estimated"));
        let event = event(server, &stream).await;
        assert_eq!(event["details"]["counts"], "estimated");
        assert_eq!(event["details"]["tokens"]["completion"], 7, "{event}");
        let used = caller.used().await;
        assert_eq!((used.requests, used.held), (1, 0.0));
        assert_eq!(served(server, "small").await["completion_tokens_sent"], 7);
    })
    .await;
}

#[tokio::test]
async fn an_error_in_mid_stream_costs_what_was_delivered_and_reaches_the_client() {
    on_each_engine(async |server| {
        let caller = ModelCaller::new(server, "error").await;
        let stream = caller.stream("Hello [[tokens=20 fault=error after=5]]").await;
        assert_eq!(stream.tokens(), 5);
        let told: Vec<Value> = stream.events().into_iter().filter(|event| !event["error"].is_null()).collect();
        assert_eq!(told.len(), 1, "{stream:?}");
        let used = caller.used().await;
        assert_eq!((used.requests, used.held), (1, 0.0));
        let event = event(server, &stream).await;
        assert_eq!(event["details"]["tokens"]["completion"], 5);
    })
    .await;
}

#[tokio::test]
async fn usage_that_nobody_reports_is_estimated_and_an_explicit_zero_stays_zero() {
    on_each_engine(async |server| {
        let caller = ModelCaller::new(server, "none").await;
        let stream = caller.stream("Hello [[tokens=12 usage=none]]").await;
        assert!(stream.is_done());
        assert_eq!(stream.told("counts"), Some("estimated"));
        assert_eq!(event(server, &stream).await["details"]["tokens"]["completion"], 12);
        let answer = caller.chat("Hello [[tokens=12 usage=none]]").await.expect(200);
        assert_eq!(answer.header("tollway-counts"), Some("estimated"));
        assert!(caller.used().await.tokens > 24);

        let free = ModelCaller::new(server, "zero").await;
        let stream = free.stream("Hello [[tokens=12 usage=zero]]").await;
        assert_eq!(stream.told("counts"), Some("reported"));
        free.chat("Hello [[tokens=12 usage=zero]]").await.expect(200);
        assert_eq!(free.used().await, Used::of(2, 0));
        let twice = ModelCaller::new(server, "twice").await;
        let message = "Hello [[tokens=12 usage=twice]]";
        twice.stream(message).await;
        assert_eq!(twice.used().await, Used::of(1, prompt(message) + 12));
    })
    .await;
}

#[tokio::test]
async fn a_call_that_fails_before_any_content_costs_nothing_and_gives_its_request_back() {
    on_each_engine(async |server| {
        let caller = ModelCaller::new(server, "failed").await;
        for (directives, status) in [
            ("[[status=500]]", 502),
            ("[[status=429 retry_after=7]]", 503),
            ("[[status=401]]", 502),
            ("[[status=400]]", 400),
            ("[[fault=refuse]]", 502),
            ("[[tokens=30 fault=cut after=9]]", 502),
        ] {
            let answer = caller.chat(&format!("Hello {directives}")).await;
            assert_eq!(answer.status, status, "{directives}: {}", answer.text);
            assert!(!answer.json()["error"]["message"].as_str().unwrap_or_default().is_empty(), "{}", answer.text);
            assert!(!answer.text.contains("Hello"), "{}", answer.text);
        }
        let stream = caller.stream("Hello [[tokens=30 fault=cut after=0]]").await;
        assert_eq!((stream.tokens(), stream.error_code().as_deref()), (0, Some("upstream_broke_off")), "{stream:?}");
        let stream = caller.stream("Hello [[tokens=30 fault=error after=0]]").await;
        assert_eq!(stream.tokens(), 0);
        assert_eq!(caller.used().await, Used::of(0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_pays_for_what_was_delivered() {
    on_each_engine(async |server| {
        let caller = ModelCaller::new(server, "leaves").await;
        let body = chat("Hello [[tokens=50 delay_ms=40]]", true);
        let mut answer = caller.request("/v1/chat/completions", &body).send().await.expect("an answer");
        let mut text = String::new();
        while text.matches("\"content\":\" ").count() < 3 {
            let chunk = answer.chunk().await.expect("a chunk").expect("more to come");
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
        drop(answer);
        let caller = &caller;
        until("the call is booked", async || caller.used().await.requests == 1 && caller.used().await.held == 0.0)
            .await;
        let used = caller.used().await;
        let served = served(server, "small").await;
        let sent = served["completion_tokens_sent"].as_u64().expect("a number");
        assert!((3..50).contains(&sent), "{served}");
        // The prompt is estimated by its length: eleven words' worth at most.
        assert!((3..=sent + 16).contains(&used.tokens), "{used:?} for {sent} sent");
        assert_eq!(served["cancelled"], 1);

        let waiting = ModelCaller::new(server, "leaves-early").await;
        let request = waiting.request("/v1/chat/completions", &chat("Hello [[ttft_ms=60000]]", true));
        let sending = tokio::spawn(request.send());
        let waiting = &waiting;
        until("the hold is made", async || waiting.used().await.held > 0.0).await;
        sending.abort();
        until("the hold is given back", async || waiting.used().await == Used::of(0, 0)).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_killed_charges_what_was_begun_and_nothing_else() {
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let site = Site::on(engine);
        let mut server = site.start();
        {
            let caller = ModelCaller::new(&server, "begun").await;
            let waits = ModelCaller::new(&server, "waits").await;
            let body = chat("Hello [[tokens=10 fault=stall after=4]]", true);
            let mut answer = caller.request("/v1/chat/completions", &body).send().await.expect("an answer");
            let mut text = String::new();
            while text.matches("\"content\":\" ").count() < 4 {
                text.push_str(&String::from_utf8_lossy(&answer.chunk().await.expect("a chunk").expect("more")));
            }
            let request = waits.request("/v1/chat/completions", &chat("Hello [[ttft_ms=60000]]", true));
            let sending = tokio::spawn(request.send());
            let waits = &waits;
            until("the hold is made", async || waits.used().await.held > 0.0).await;
            // What has begun is marked so within a moment, and the mark is a transaction of its own.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            server.kill();
            sending.abort();
        }
        let server = site.start();
        server.advance(600).await;
        let caller = ModelCaller::new(&server, "begun").await;
        until("the hold is booked", async || caller.used().await.held == 0.0).await;
        let used = caller.used().await;
        assert_eq!(used.requests, 1);
        assert!(used.tokens > prompt("Hello"), "{used:?}");
        let waits = ModelCaller::new(&server, "waits").await;
        until("the other is given back", async || waits.used().await == Used::of(0, 0)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_books_the_streams_it_cuts() {
    let site = Site::on(Engine::Sqlite);
    let mut server = site.start();
    {
        let caller = ModelCaller::new(&server, "stopped").await;
        let body = chat("Hello [[tokens=10 fault=stall after=4]]", true);
        let mut answer = caller.request("/v1/chat/completions", &body).send().await.expect("an answer");
        let mut text = String::new();
        while text.matches("\"content\":\" ").count() < 4 {
            text.push_str(&String::from_utf8_lossy(&answer.chunk().await.expect("a chunk").expect("more")));
        }
    }
    let status = server.stop();
    assert!(status.success());
    let server = site.start();
    let used = ModelCaller::new(&server, "stopped").await.used().await;
    assert_eq!((used.requests, used.held), (1, 0.0));
}
