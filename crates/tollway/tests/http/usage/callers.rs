//! Who asks: keys that are missing, wrong, revoked, expired or narrow, and accounts of somebody else.

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use crate::stage::{Customer, assert_problem, on_each_engine, seconds};

const CONSUME: &str = "/api/v1/usage/consume";

async fn consume_with(server: &TestServer, secret: &str, body: Value) -> Answer {
    let request = server.request("POST", CONSUME).header("x-api-key", secret).json(&body);
    server.send(request).await.expect("the server answers")
}

fn one_request() -> Value {
    json!({ "meter": "requests" })
}

fn secret(key: &Value) -> &str {
    key["secret"].as_str().expect("the secret is shown once")
}

#[tokio::test]
async fn without_a_valid_key_nothing_is_answered() {
    on_each_engine(async |server| {
        let client = reqwest::Client::new();
        let url = format!("{}{CONSUME}", server.url);
        let wrong =
            ["", "Bearer", "Bearer ", "Basic dHc6", "Bearer nonsense", "Bearer tw_live_0000", &server.service_key];
        let unkeyed = client.post(&url).json(&one_request());
        let answer = server.send(unkeyed).await.expect("an answer");
        assert_problem(&answer, 401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"tollway\""));
        for value in wrong {
            let request = client.post(&url).header("authorization", value).json(&one_request());
            assert_problem(&server.send(request).await.expect("an answer"), 401, "unauthenticated");
        }
        let mut flipped = server.service_key.clone();
        let last = flipped.pop().expect("keys are not empty");
        flipped.push(if last == 'a' { 'b' } else { 'a' });
        assert_problem(&consume_with(server, &flipped, one_request()).await, 401, "unauthenticated");
        // Who has no key learns nothing about routes, accounts or bodies.
        for path in ["/api/v1/usage", "/api/v1/accounts", "/api/v1/accounts/acct_1", "/api/v1/keys"] {
            let answer = server.send(client.get(format!("{}{path}", server.url))).await.expect("an answer");
            assert_problem(&answer, 401, "unauthenticated");
        }
    })
    .await;
}

#[tokio::test]
async fn a_revoked_or_expired_key_is_refused_on_the_very_next_call() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "key-owner");
        let key = customer.api_key(json!({ "name": "CI" })).await;
        assert!(secret(&key).starts_with(key["prefix"].as_str().expect("a prefix")));
        consume_with(server, secret(&key), one_request()).await.expect(200);
        let keys = format!("/api/v1/accounts/{}/api-keys", customer.account().await);
        let listed = server.get(&keys).await.expect(200);
        assert!(!listed.text.contains(secret(&key)), "secrets are shown once");
        server.delete(&format!("{keys}/{}", key["id"].as_str().expect("an id"))).await.expect(204);
        assert_problem(&consume_with(server, secret(&key), one_request()).await, 401, "unauthenticated");
        let period = customer.usage().await["period"].clone();
        let key = customer.api_key(json!({ "name": "Short-lived", "expires_at": period["end"] })).await;
        consume_with(server, secret(&key), one_request()).await.expect(200);
        server.advance(seconds(&period["end"]) - seconds(&period["start"]) + 1).await;
        assert_problem(&consume_with(server, secret(&key), one_request()).await, 401, "unauthenticated");
        let past = json!({ "name": "Past", "expires_at": period["start"] });
        assert_problem(&server.post(&keys, past).await, 422, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "scoped-keys");
        let reader = customer.api_key(json!({ "name": "Reader", "scopes": ["usage:read"] })).await;
        let problem =
            assert_problem(&consume_with(server, secret(&reader), one_request()).await, 403, "insufficient_scope");
        assert_eq!(problem["scope"], "usage:write");
        let request = server.request("GET", "/api/v1/usage").header("x-api-key", secret(&reader));
        server.send(request).await.expect("an answer").expect(200);
        let keys = format!("/api/v1/accounts/{}/api-keys", customer.account().await);
        let unknown = json!({ "name": "Odd", "scopes": ["usage:wriite"] });
        assert_eq!(assert_problem(&server.post(&keys, unknown).await, 422, "invalid_request")["field"], "scopes");
        let service = server.post("/api/v1/keys", json!({ "name": "Metering", "scopes": ["usage:write"] })).await;
        let service = service.expect(201).json();
        let body = json!({ "external_id": "scoped-keys", "meter": "requests" });
        consume_with(server, secret(&service), body).await.expect(200);
        let request = server.request("POST", "/api/v1/accounts").header("x-api-key", secret(&service));
        let answer = server.send(request.json(&json!({ "name": "x" }))).await.expect("an answer");
        assert_problem(&answer, 403, "insufficient_scope");
    })
    .await;
}

#[tokio::test]
async fn somebody_elses_account_does_not_exist() {
    on_each_engine(async |server| {
        let (mine, theirs) = (Customer::new(server, "mine"), Customer::new(server, "theirs"));
        let scopes = ["usage:read", "usage:write", "accounts:read", "keys:write", "billing:write"];
        let key = mine.api_key(json!({ "name": "Mine", "scopes": scopes })).await;
        let (mine_id, theirs_id) = (mine.account().await, theirs.account().await);
        theirs.consume(1).await.expect(200);
        for named in
            [json!({ "account": theirs_id }), json!({ "external_id": "theirs" }), json!({ "external_id": "nobody" })]
        {
            let mut body = one_request();
            body.as_object_mut().expect("an object").extend(named.as_object().expect("an object").clone());
            assert_problem(&consume_with(server, secret(&key), body).await, 404, "account_unknown");
        }
        for body in [
            one_request(),
            json!({ "meter": "requests", "account": mine_id }),
            json!({ "meter": "requests", "external_id": "mine" }),
        ] {
            consume_with(server, secret(&key), body).await.expect(200);
        }
        let ask = async |method: &str, path: String| {
            let request = server.request(method, &path).header("x-api-key", secret(&key));
            server.send(request.json(&json!({ "plan": "pro" }))).await.expect("an answer")
        };
        for path in ["", "/api-keys", "/credits", "/overrides"] {
            assert_problem(&ask("GET", format!("/api/v1/accounts/{theirs_id}{path}")).await, 404, "account_unknown");
        }
        assert_problem(&ask("GET", format!("/api/v1/usage?account={theirs_id}")).await, 404, "account_unknown");
        assert_problem(&ask("PUT", format!("/api/v1/accounts/{mine_id}/grant")).await, 403, "service_key_required");
        assert_problem(&ask("GET", "/api/v1/accounts".into()).await, 403, "service_key_required");
        // A reservation of theirs is none of mine.
        let held = theirs.reserve(one_request()).await.expect(201).json();
        let path = format!("/api/v1/usage/reservations/{}/release", held["reservation"].as_str().expect("an id"));
        let request = server.request("POST", &path).header("x-api-key", secret(&key)).json(&json!({}));
        assert_problem(&server.send(request).await.expect("an answer"), 404, "reservation_unknown");
        assert_eq!(theirs.used("requests").await, 1);
    })
    .await;
}
