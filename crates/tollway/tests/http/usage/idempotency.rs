//! Sent twice, done once: on usage by the ledger's keys, elsewhere by the stored answer.

use serde_json::{Value, json};

use crate::stage::{Customer, SMALL_CATALOG, assert_problem, limit, on_each_engine, with_catalog};

const CONSUME: &str = "/api/v1/usage/consume";

#[tokio::test]
async fn the_same_command_is_counted_once_and_says_so() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "twice");
        let body = json!({ "model": "small", "prompt_tokens": 100, "completion_tokens": 50 });
        let first = customer.post_with_key(CONSUME, "order-1", body.clone()).await.expect(200);
        assert_eq!(first.header("idempotent-replayed"), None);
        for _ in 0..3 {
            let again = customer.post_with_key(CONSUME, "order-1", body.clone()).await.expect(200);
            assert_eq!(again.header("idempotent-replayed"), Some("true"));
            let (first, again) = (first.json(), again.json());
            assert_eq!((&again["event"], &again["replayed"]), (&first["event"], &json!(true)));
            assert_eq!(again["cost"], first["cost"]);
        }
        // The key of the body is the same thing, whatever the order of fields and the spelling of numbers.
        let spelled = r#"{"id": "order-1", "completion_tokens": 5e1, "external_id": "twice", "prompt_tokens": 100, "model": "small"}"#;
        let request = server.request("POST", CONSUME).header("content-type", "application/json").body(spelled);
        let again = server.send(request).await.expect("an answer").expect(200);
        assert_eq!(again.json()["replayed"], true);
        assert_eq!(customer.used("llm_tokens").await, 150);
        // Another account's keys are its own.
        let other = Customer::new(server, "other").post_with_key(CONSUME, "order-1", body).await.expect(200);
        assert_eq!(other.json()["replayed"], false);
    })
    .await;
}

#[tokio::test]
async fn a_key_stands_for_one_content() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "strict");
        let pages = |quantity: i64| json!({ "meter": "pages", "quantity": quantity });
        let first = customer.post_with_key(CONSUME, "key-1", pages(1)).await.expect(200).json();
        let problem =
            assert_problem(&customer.post_with_key(CONSUME, "key-1", pages(2)).await, 422, "idempotency_key_reused");
        assert_eq!(problem["event"], first["event"]);
        let held = customer.post_with_key("/api/v1/usage/reservations", "key-1", pages(1)).await;
        assert_problem(&held, 422, "idempotency_key_reused");
        let mut body = pages(1);
        body["id"] = json!("key-2");
        assert_problem(&customer.post_with_key(CONSUME, "key-1", body.clone()).await, 400, "idempotency_key_mismatch");
        customer.post_with_key(CONSUME, "key-2", body).await.expect(200);
        for key in ["", "a b", &"x".repeat(256)] {
            assert_problem(&customer.post_with_key(CONSUME, key, pages(1)).await, 400, "invalid_header");
        }
        assert_eq!(customer.used("pages").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_denial_takes_no_key() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "patient");
        customer.consume_of("pages", 50).await.expect(200);
        let body = json!({ "meter": "pages", "quantity": 1 });
        assert_problem(&customer.post_with_key(CONSUME, "later", body.clone()).await, 429, "quota_exceeded");
        customer.grant("pro").await;
        let counted = customer.post_with_key(CONSUME, "later", body.clone()).await.expect(200).json();
        assert_eq!((&counted["replayed"], &limit(&counted, "pages")["used"]), (&json!(false), &json!(51)));
        // What was counted stays counted, whatever holds since.
        let path = format!("/api/v1/accounts/{}/grant", customer.account().await);
        server.delete(&path).await;
        assert_problem(&customer.consume_of("pages", 1).await, 429, "quota_exceeded");
        let again = customer.post_with_key(CONSUME, "later", body).await.expect(200).json();
        assert_eq!((&again["replayed"], &again["event"]), (&json!(true), &counted["event"]));
    })
    .await;
}

#[tokio::test]
async fn a_retry_is_answered_though_the_plan_has_lost_the_model_since() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "downgraded");
        customer.grant("pro").await;
        let body = json!({ "model": "large", "prompt_tokens": 10 });
        let first = customer.post_with_key(CONSUME, "call-1", body.clone()).await.expect(200).json();
        let path = format!("/api/v1/accounts/{}/grant", customer.account().await);
        server.delete(&path).await;
        let fresh = customer.post_with_key(CONSUME, "call-2", body.clone()).await;
        assert_problem(&fresh, 403, "model_not_allowed");
        let again = customer.post_with_key(CONSUME, "call-1", body).await.expect(200).json();
        assert_eq!((&again["replayed"], &again["event"]), (&json!(true), &first["event"]));
    })
    .await;
}

#[tokio::test]
async fn other_posts_are_answered_again_as_they_were() {
    on_each_engine(async |server| {
        let post = async |key: &str, body: Value| {
            let request = server.request("POST", "/api/v1/accounts").header("Idempotency-Key", key).json(&body);
            server.send(request).await.expect("the server answers")
        };
        let body = json!({ "name": "No external id" });
        let first = post("create-1", body.clone()).await.expect(201);
        let again = post("create-1", body.clone()).await.expect(201);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.text, first.text);
        assert_problem(&post("create-1", json!({ "name": "Other" })).await, 422, "idempotency_key_reused");
        let second = post("create-2", body).await.expect(201);
        assert_ne!(second.json()["id"], first.json()["id"]);
        // A mistake is answered again too, and a mended request goes under a new key.
        assert_problem(&post("create-3", json!({})).await, 422, "invalid_request");
        assert_problem(&post("create-3", json!({})).await, 422, "invalid_request");
    })
    .await;
}
