//! What stands in the way of a call, told before anything is sent on.

use serde_json::json;

use super::caller::{ModelCaller, Used, chat, served};
use crate::stage::{Customer, SMALL_CATALOG, on_each_engine, with_catalog};

#[tokio::test]
async fn a_quota_that_is_used_up_is_told_in_the_clients_shape_before_any_byte_goes_on() {
    with_catalog(SMALL_CATALOG, async |server| {
        let caller = ModelCaller::new(server, "spent").await;
        caller.customer.consume(100).await.expect(200);
        let calls = served(server, "small").await["calls"].clone();
        let answer = caller.chat("Hello").await.expect(429);
        let error = &answer.json()["error"];
        assert_eq!((&error["type"], &error["code"]), (&json!("insufficient_quota"), &json!("insufficient_quota")));
        assert_eq!((&error["meter"], &error["limit"]), (&json!("requests"), &json!(100)));
        assert_eq!(error["suggested_plan"], "pro");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert!(answer.header("retry-after").is_some() && answer.header("x-upgrade-url").is_some());
        let stream = caller.stream("Hello").await;
        assert_eq!(stream.status, 429);
        let message = json!({ "model": "small", "max_tokens": 9, "messages": [{ "role": "user", "content": "Hi" }] });
        let answer = caller.post("/v1/messages", &message).await.expect(429);
        assert_eq!(
            (&answer.json()["type"], &answer.json()["error"]["type"]),
            (&json!("error"), &json!("rate_limit_error"))
        );
        assert_eq!(served(server, "small").await["calls"], calls);
    })
    .await;
}

#[tokio::test]
async fn tokens_are_held_before_the_call_so_a_call_that_may_not_fit_is_denied() {
    with_catalog(SMALL_CATALOG, async |server| {
        let caller = ModelCaller::new(server, "tokens").await;
        let mut body = chat("Hello", false);
        body["max_tokens"] = json!(990);
        let answer = caller.post("/v1/chat/completions", &body).await;
        assert_eq!((answer.status, caller.used().await), (200, Used::of(1, 20)), "{}", answer.text);
        let answer = caller.post("/v1/chat/completions", &body).await.expect(429);
        assert_eq!(answer.json()["error"]["meter"], "llm_tokens");
        assert_eq!(caller.used().await, Used::of(1, 20));
    })
    .await;
}

#[tokio::test]
async fn models_that_do_not_exist_or_are_not_in_the_plan_are_refused() {
    with_catalog(SMALL_CATALOG, async |server| {
        let caller = ModelCaller::new(server, "models").await;
        let with_model = |model: &str| {
            let mut body = chat("Hello", false);
            body["model"] = json!(model);
            body
        };
        let answer = caller.post("/v1/chat/completions", &with_model("unpriced")).await;
        // The plan allows `small` alone, which is told first.
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some("model_not_allowed")));
        let answer = caller.post("/v1/chat/completions", &with_model("large")).await.expect(403);
        assert_eq!(answer.json()["error"]["code"], "model_not_allowed");
        assert_eq!(answer.json()["error"]["suggested_plan"], "pro");
        caller.customer.grant("pro").await;
        caller.post("/v1/chat/completions", &with_model("large")).await.expect(200);
        let answer = caller.post("/v1/chat/completions", &with_model("unpriced")).await.expect(404);
        assert_eq!(
            (&answer.json()["error"]["code"], &answer.json()["error"]["param"]),
            (&json!("model_not_found"), &json!("model"))
        );
        let answer = caller.post("/v1/chat/completions", &json!({ "messages": [] })).await.expect(400);
        assert_eq!(answer.json()["error"]["param"], "model");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_by_its_field_and_costs_nothing() {
    with_catalog(SMALL_CATALOG, async |server| {
        let caller = ModelCaller::new(server, "unkept").await;
        let long = "x".repeat(256);
        for (field, value) in [
            ("user", json!("a\u{0}b")),
            ("user", json!(long)),
            ("user", json!(7)),
            ("metadata", json!({ "all": "x".repeat(20_000) })),
            ("metadata", json!("text")),
            ("max_tokens", json!(-1)),
            ("stream", json!("yes")),
            ("model", json!("a\u{0}b")),
        ] {
            let mut body = chat("Hello", false);
            body[field] = value.clone();
            let answer = caller.post("/v1/chat/completions", &body).await;
            assert_eq!(answer.status, 400, "{field} {value}: {}", answer.text);
            assert_eq!(answer.json()["error"]["param"], field, "{}", answer.text);
        }
        // Odd text is text all the same, and comes back as it was.
        let mut body = chat("Hello", false);
        body["user"] = json!("Grüße 🦀");
        body["metadata"] = json!({ "odd": "a\u{0}b" });
        let answer = caller.post("/v1/chat/completions", &body).await.expect(200);
        let id = answer.header("tollway-event").expect("the event").to_owned();
        let event = server.get(&format!("/api/v1/usage/events/{id}")).await.expect(200).json();
        assert_eq!(event["details"]["end_user"], "Grüße 🦀");
        assert_eq!(event["details"]["context"]["metadata"]["odd"], "a\u{0}b");
        assert_eq!(caller.used().await.requests, 1);
    })
    .await;
}

#[tokio::test]
async fn an_event_is_shown_to_its_account_alone() {
    with_catalog(SMALL_CATALOG, async |server| {
        let caller = ModelCaller::new(server, "owner").await;
        let answer = caller.chat("Hello").await.expect(200);
        let path = format!("/api/v1/usage/events/{}", answer.header("tollway-event").expect("the event"));
        let stranger = Customer::new(server, "stranger").api_key(json!({ "name": "Curious" })).await;
        let owner = caller.customer.api_key(json!({ "name": "Own" })).await;
        let by = async |key: &serde_json::Value, path: &str| {
            let secret = key["secret"].as_str().expect("the secret").to_owned();
            let answer = reqwest::Client::new().get(format!("{}{path}", server.url)).bearer_auth(secret).send().await;
            answer.expect("an answer").status().as_u16()
        };
        assert_eq!((by(&owner, &path).await, by(&stranger, &path).await), (200, 404));
        let mut unknown = path.clone();
        let last = if unknown.pop() == Some('0') { '1' } else { '0' };
        unknown.push(last);
        assert_eq!(by(&owner, &unknown).await, 404);
        assert!([400, 404].contains(&by(&owner, "/api/v1/usage/events/evt_nonsense").await));
    })
    .await;
}

#[tokio::test]
async fn the_models_of_an_account_are_those_that_its_plan_allows() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "lists");
        let names = async || {
            let request = server.request("GET", "/v1/models").header("Tollway-External-Id", "lists");
            let listed = server.send(request).await.expect("an answer").expect(200).json();
            let models = listed["data"].as_array().expect("models").iter();
            models.map(|model| model["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
        };
        customer.account().await;
        assert_eq!(names().await, ["small"]);
        customer.grant("pro").await;
        assert_eq!(names().await, ["large", "small"]);
    })
    .await;
}

#[tokio::test]
async fn who_has_no_valid_key_or_lacks_the_scope_is_told_so() {
    on_each_engine(async |server| {
        let request = server.request("POST", "/v1/chat/completions").json(&chat("Hello", false));
        let answer = server.send(request.bearer_auth("tw_live_wrong")).await;
        let answer = answer.expect("an answer");
        assert!([400, 401].contains(&answer.status), "{}", answer.text);
        let customer = Customer::new(server, "scoped");
        let key = customer.api_key(json!({ "name": "Reads", "scopes": ["usage:read"] })).await;
        let secret = key["secret"].as_str().or(key["key"].as_str()).expect("the secret").to_owned();
        let url = format!("{}/v1/chat/completions", server.url);
        let answer = reqwest::Client::new().post(url).bearer_auth(secret).json(&chat("Hello", false)).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status().as_u16(), 403);
        assert!(answer.text().await.expect("text").contains("models:call"));
    })
    .await;
}
