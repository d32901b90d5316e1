//! API keys that people make for themselves.

use serde_json::json;

use crate::stage::{PASSWORD, Person, SMALL_CATALOG, assert_problem, with_catalog};

#[tokio::test]
async fn a_person_makes_keys_after_a_recent_sign_in_and_sees_a_secret_once() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let keys = format!("/api/v1/accounts/{}/api-keys", person.account);
        let body = json!({ "name": "laptop", "scopes": ["usage:read"], "expires_at": "2099-01-01T00:00:00Z" });
        let key = person.post(&keys, body).await.expect(201).json();
        let secret = key["secret"].as_str().expect("a secret").to_owned();
        assert!(secret.starts_with(key["prefix"].as_str().expect("a prefix")));
        assert_eq!(key["member"], person.user.as_str());
        let by_key = async |method: &str, path: &str| {
            let request = server.request_of_nobody(method, path).bearer_auth(&secret);
            server.send(request.json(&json!({ "meter": "requests" }))).await.expect("an answer")
        };
        by_key("GET", "/api/v1/usage").await.expect(200);
        assert_problem(&by_key("POST", "/api/v1/usage/consume").await, 403, "insufficient_scope");
        let listed = person.get(&keys).await.expect(200).json();
        assert!(!listed.to_string().contains(&secret));
        server.advance(16 * 60).await;
        assert_problem(&person.post(&keys, json!({ "name": "later" })).await, 403, "recent_sign_in_required");
        let one = format!("{keys}/{}", key["id"].as_str().expect("an id"));
        assert_problem(&person.delete(&one).await, 403, "recent_sign_in_required");
        person.post("/api/v1/me/confirm", json!({ "password": PASSWORD })).await.expect(204);
        person.delete(&one).await.expect(204);
        assert_problem(&by_key("GET", "/api/v1/usage").await, 401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn a_key_of_a_person_counts_for_that_member() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let keys = format!("/api/v1/accounts/{}/api-keys", person.account);
        let elses = person.post(&keys, json!({ "name": "x", "member": "somebody-else" })).await;
        assert_eq!(assert_problem(&elses, 422, "invalid_request")["field"], "member");
        let key = person.post(&keys, json!({ "name": "laptop" })).await.expect(201).json();
        let request = server.request_of_nobody("POST", "/api/v1/usage/consume");
        let request = request.bearer_auth(key["secret"].as_str().expect("a secret"));
        // Naming another member does not make it theirs.
        let request = request.json(&json!({ "meter": "requests", "quantity": 3, "user": "somebody-else" }));
        let event = server.send(request).await.expect("an answer").expect(200).json();
        let path = format!("/api/v1/usage/events/{}", event["event"].as_str().expect("an id"));
        let shown = server.get(&path).await.expect(200).json();
        assert!(shown.to_string().contains(&person.user) && !shown.to_string().contains("somebody-else"), "{shown}");
    })
    .await;
}
