//! An app that keeps its own sign-in shows its users their account's pages and embedded parts.

use serde_json::json;

use crate::stage::{Customer, Person, SMALL_CATALOG, ask, assert_problem, with_catalog};

#[tokio::test]
async fn a_token_acts_for_one_account_until_it_expires() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "user-42");
        customer.consume(5).await.expect(200);
        let other = Customer::new(server, "user-43").account().await;
        let body = json!({ "external_id": "user-42", "role": "member", "member": "ada", "ttl_seconds": 120 });
        let made = server.post("/api/v1/hand-offs", body).await.expect(201).json();
        let token = made["token"].as_str().expect("a token").to_owned();
        let by_token = async |method: &str, path: &str| {
            let request = server.request_of_nobody(method, path).bearer_auth(&token);
            server.send(request.json(&json!({ "meter": "requests" }))).await.expect("an answer")
        };
        let usage = by_token("GET", "/api/v1/usage").await.expect(200).json();
        assert_eq!(usage["account"], made["account"]);
        by_token("POST", "/api/v1/usage/consume").await.expect(200);
        assert_eq!(customer.used("requests").await, 6);
        assert_problem(&by_token("GET", &format!("/api/v1/usage?account={other}")).await, 404, "account_unknown");
        assert_problem(&by_token("GET", "/api/v1/me").await, 403, "sign_in_required");
        assert_problem(&by_token("GET", "/api/v1/admin/users").await, 403, "service_key_required");
        assert_problem(&by_token("POST", "/api/v1/usage/reservations").await, 403, "key_required");
        server.advance(130).await;
        assert_problem(&by_token("GET", "/api/v1/usage").await, 401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn a_link_signs_the_browser_in_once_and_leads_to_a_page_here() {
    with_catalog(SMALL_CATALOG, async |server| {
        let body = json!({ "external_id": "user-42", "return_to": "/usage" });
        let made = server.post("/api/v1/hand-offs", body).await.expect(201).json();
        let url = made["url"].as_str().expect("a link");
        let path = url.strip_prefix(&server.url).expect("a page of this server").to_owned();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let arrived = client.get(url).send().await.expect("an answer");
        assert_eq!(arrived.status().as_u16(), 303);
        assert_eq!(arrived.headers()["location"], "/usage");
        let set = arrived.headers()["set-cookie"].to_str().expect("text").to_owned();
        let cookie = set.split(';').next().expect("a pair").to_owned();
        let usage = server.request_of_nobody("GET", "/api/v1/usage").header("Cookie", cookie);
        let usage = server.send(usage).await.expect("an answer").expect(200).json();
        assert_eq!(usage["account"], made["account"]);
        assert_problem(
            &server.send(server.request_of_nobody("GET", &path)).await.expect("an answer"),
            410,
            "link_invalid",
        );
        for elsewhere in ["https://evil.example", "//evil.example", "usage"] {
            let body = json!({ "external_id": "user-42", "return_to": elsewhere });
            assert_problem(&server.post("/api/v1/hand-offs", body).await, 422, "invalid_request");
        }
    })
    .await;
}

#[tokio::test]
async fn only_the_apps_backend_hands_off() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let body = json!({ "account": person.account });
        assert_problem(&person.post("/api/v1/hand-offs", body.clone()).await, 403, "service_key_required");
        assert_problem(&ask(server, "POST", "/api/v1/hand-offs", body).await, 401, "unauthenticated");
        let unknown = json!({ "account": "acct_00000000000000000000000000" });
        assert_problem(&server.post("/api/v1/hand-offs", unknown).await, 404, "account_unknown");
    })
    .await;
}
