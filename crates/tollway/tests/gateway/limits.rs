//! Many callers at once on one limit.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::caller::{ModelCaller, Used, chat, served};
use crate::stage::with_catalog;

const CATALOG: &str = r#"
product = "Small"
default_plan = "free"

[meters.requests]
[meters.llm_tokens]

[models]
small = { input = "0.10", output = "0.40" }

[plans.free]
limits = { requests = 1_000, llm_tokens = 2_000 }
"#;

#[tokio::test]
async fn sixty_four_callers_never_pass_a_limit_of_tokens() {
    with_catalog(CATALOG, async |server| {
        let caller = ModelCaller::new(server, "crowd").await;
        // Each holds 64 tokens of an answer and more for its prompt, and uses 5 + 50.
        let calls = (0..64).map(|number| {
            let caller = &caller;
            async move {
                if number % 2 == 0 {
                    caller.chat("Hello [[tokens=50]]").await.status
                } else {
                    caller.stream("Hello [[tokens=50]]").await.status
                }
            }
        });
        let mut accepted = join_all(calls).await.into_iter().filter(|status| *status == 200).count() as u64;
        loop {
            let answer = caller.chat("Hello [[tokens=50]]").await;
            if answer.status == 429 {
                break;
            }
            accepted += 1;
        }
        let used = caller.used().await;
        assert_eq!(used, Used::of(accepted, accepted * 55));
        assert!(used.tokens <= 2_000, "{used:?}");
        let served = served(server, "small").await;
        assert_eq!((&served["calls"], &served["completion_tokens_sent"]), (&json!(accepted), &json!(accepted * 50)));
    })
    .await;
}

#[tokio::test]
async fn what_a_provider_reports_beyond_the_hold_is_counted_and_seen() {
    with_catalog(CATALOG, async |server| {
        let caller = ModelCaller::new(server, "beyond").await;
        let answer = caller.chat("Hello [[tokens=10 prompt_tokens=2500]]").await.expect(200);
        let id = answer.header("tollway-event").expect("the event").to_owned();
        let usage = caller.customer.usage().await;
        let tokens = usage["limits"].as_array().expect("limits").iter().find(|limit| limit["meter"] == "llm_tokens");
        let shown = |field: &str| tokens.map(|limit| limit[field].clone()).unwrap_or(Value::Null);
        assert_eq!((shown("used"), shown("remaining")), (json!(2_510), json!(0)));
        let event = server.get(&format!("/api/v1/usage/events/{id}")).await.expect(200).json();
        assert_eq!(event["over_limit"], true, "{event}");
        caller.chat("Hello").await.expect(429);
    })
    .await;
}

#[tokio::test]
async fn what_a_caller_tells_of_the_call_is_kept_with_it() {
    with_catalog(CATALOG, async |server| {
        let caller = ModelCaller::new(server, "context").await;
        let mut body = chat("Hello", false);
        body["user"] = json!("end-7");
        body["metadata"] = json!({ "conversation": "c-1", "ticket": "42" });
        let request = caller.request("/v1/chat/completions", &body).header("Tollway-Agent", "planner");
        let answer = server.send(request).await.expect("an answer").expect(200);
        let id = answer.header("tollway-event").expect("the event");
        let event = server.get(&format!("/api/v1/usage/events/{id}")).await.expect(200).json();
        let context = &event["details"]["context"];
        assert_eq!((&context["conversation"], &context["agent"]), (&json!("c-1"), &json!("planner")), "{event}");
        assert_eq!((&context["metadata"]["ticket"], &event["details"]["end_user"]), (&json!("42"), &json!("end-7")));
    })
    .await;
}
