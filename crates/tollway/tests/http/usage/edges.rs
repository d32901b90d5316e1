//! Requests at the edge: exact numbers, and every mistake answered with its field and never with a server error.

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use crate::stage::{Customer, Socket, assert_problem, limit, on_each_engine};

const CONSUME: &str = "/api/v1/usage/consume";

async fn consume_text(server: &TestServer, body: impl Into<reqwest::Body>) -> Answer {
    let request = server.request("POST", CONSUME).header("content-type", "application/json").body(body);
    server.send(request).await.expect("the server answers")
}

async fn quantity(server: &TestServer, text: &str) -> Answer {
    consume_text(server, format!(r#"{{"external_id": "edge", "meter": "requests", "quantity": {text}}}"#)).await
}

#[tokio::test]
async fn quantities_are_exact_decimals() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "edge");
        for (text, used) in [
            ("0.5", json!(0.5)),
            ("\"0.25\"", json!(0.75)),
            ("0.000001", json!(0.750_001)),
            ("0", json!(0.750_001)),
            ("0.249999", json!(1)),
            ("1e2", json!(101)),
            ("\"1.000000\"", json!(102)),
        ] {
            let counted = quantity(server, text).await.expect(200).json();
            assert_eq!(limit(&counted, "requests")["used"], used, "{text}");
        }
        // Tenths are no binary fractions: ten of them are one, exactly.
        for _ in 0..10 {
            quantity(server, "0.1").await.expect(200);
        }
        assert_eq!(customer.used("requests").await, 103);
        let problem = assert_problem(&quantity(server, "1e3").await, 429, "quota_exceeded");
        assert_eq!(problem["requested"], 1_000);
    })
    .await;
}

#[tokio::test]
async fn quantities_that_are_none_are_refused_by_field() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "edge");
        customer.consume(1).await.expect(200);
        for text in [
            "0.0000001",
            "1e3.5",
            "\"1,5\"",
            "\"\"",
            "\"one\"",
            "true",
            "[]",
            "{}",
            "9223372036854775808",
            "9200000000000",
            "1e400",
            "1e-7",
            "\"NaN\"",
            "\"Infinity\"",
            "\"0x10\"",
            "\" 1\"",
        ] {
            let answer = quantity(server, text).await;
            assert!([400, 422].contains(&answer.status), "{text}: {}", answer.text);
        }
        for text in ["0.0000001", "9223372036854775808", "\"NaN\"", "true"] {
            let problem = assert_problem(&quantity(server, text).await, 422, "invalid_request");
            assert_eq!(problem["field"], "quantity", "{text}: {problem}");
        }
        for text in ["NaN", "1_000", "01", ".5", "+1", "0x10", "1."] {
            assert_problem(&quantity(server, text).await, 400, "invalid_request");
        }
        assert_problem(&quantity(server, "-1").await, 422, "quantity_negative");
        assert_problem(&quantity(server, "-0.000001").await, 422, "quantity_negative");
        assert_eq!(customer.used("requests").await, 1);
    })
    .await;
}

#[tokio::test]
async fn sums_are_checked_too() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "adding");
        customer.consume(1).await.expect(200);
        let record = async || {
            let event = json!({ "meter": "requests", "quantity": "9000000000000", "external_id": "adding" });
            let answer = server.post("/api/v1/usage/events", json!({ "events": [event] })).await.expect(200);
            answer.json()["results"][0].clone()
        };
        assert_eq!(record().await["status"], "accepted");
        let second = record().await;
        assert_eq!((&second["status"], &second["code"]), (&json!("rejected"), &json!("amount_too_large")));
        assert_eq!(customer.used("requests").await, json!(9_000_000_000_001_i64));
    })
    .await;
}

#[tokio::test]
async fn mistakes_are_told_by_field_and_count_nothing() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "mistaken");
        customer.consume(1).await.expect(200);
        let refused = async |body: Value, status: u16, code: &str| {
            assert_problem(&customer.post(CONSUME, body).await, status, code)
        };
        let problem = refused(json!({ "meter": "reqests" }), 422, "meter_unknown").await;
        assert_eq!(problem["meter"], "reqests");
        let problem = refused(json!({ "meter": "requests", "quantitty": 2 }), 422, "invalid_request").await;
        assert_eq!(problem["field"], "quantitty");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("`quantity`")), "{problem}");
        let nul = refused(json!({ "meter": "requests", "resource_id": "a\u{0}b" }), 422, "invalid_request").await;
        assert_eq!(nul["field"], "resource_id");
        refused(json!({ "meter": "requests", "metadata": { "a": ["\u{0}"] } }), 422, "invalid_request").await;
        refused(json!({ "meter": "requests", "user": "" }), 422, "invalid_request").await;
        refused(json!({ "meter": "requests", "id": "x".repeat(256) }), 422, "invalid_request").await;
        refused(json!({ "meter": "requests", "prompt_tokens": -1 }), 422, "invalid_request").await;
        refused(json!({ "meter": "requests", "prompt_tokens": 1.5 }), 422, "invalid_request").await;
        refused(json!({ "meter": "requests", "occurred_at": "yesterday" }), 422, "invalid_request").await;
        refused(json!({ "meter": "requests", "usage": [{ "meter": "seats" }] }), 422, "invalid_request").await;
        refused(json!({ "quantity": 2 }), 422, "invalid_request").await;
        refused(json!({}), 422, "invalid_request").await;
        refused(json!({ "meter": "requests", "metadata": [1] }), 422, "invalid_request").await;
        assert_eq!(customer.used("requests").await, 1);
        let named = json!({ "external_id": "a\u{0}", "meter": "requests" });
        assert_problem(&server.post(CONSUME, named).await, 422, "invalid_request");
        assert_problem(&server.post(CONSUME, json!({ "meter": "requests" })).await, 400, "account_not_named");
        let twice = json!({ "external_id": "a", "account": customer.account().await, "meter": "requests" });
        assert_problem(&server.post(CONSUME, twice).await, 400, "account_named_twice");
        let unknown = json!({ "account": "acct_00000000000000000000000000", "meter": "requests" });
        assert_problem(&server.post(CONSUME, unknown).await, 404, "account_unknown");
    })
    .await;
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_told_apart() {
    on_each_engine(async |server| {
        for text in ["{", "{\"meter\": \"requests\",}", "nonsense", "{} {}", "\u{feff}{}"] {
            assert_problem(&consume_text(server, text).await, 400, "invalid_request");
        }
        assert_problem(&consume_text(server, vec![b'{', 0xff, b'}']).await, 400, "invalid_request");
        assert_problem(&consume_text(server, "[1]").await, 422, "invalid_request");
        assert_problem(&consume_text(server, "null").await, 422, "invalid_request");
        assert_problem(&consume_text(server, "").await, 400, "invalid_request");
        let deep = format!("{{\"metadata\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let answer = consume_text(server, deep).await;
        assert!([400, 422].contains(&answer.status), "{}", answer.text);
        let request = server.request("POST", CONSUME).header("content-type", "text/csv").body("a,b");
        assert_problem(&server.send(request).await.expect("an answer"), 415, "unsupported_media_type");
        let large = format!("{{\"external_id\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
        assert_problem(&consume_text(server, large).await, 413, "body_too_large");
        assert_problem(&server.get(CONSUME).await, 405, "method_not_allowed");
        assert_problem(&server.get("/api/v1/nothing-here").await, 404, "no_such_route");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_answered_or_closed_and_harms_nobody() {
    on_each_engine(async |server| {
        for bytes in [
            "\r\n\r\n",
            "GET / HTTP/9.9\r\n\r\n",
            "POST /api/v1/usage/consume HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            let mut socket = Socket::open(server).await;
            socket.write(bytes).await;
            socket.finish().await;
            let answer = socket.read_to_end().await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{bytes:?}: {answer}");
        }
        Customer::new(server, "unharmed").consume(1).await.expect(200);
    })
    .await;
}
