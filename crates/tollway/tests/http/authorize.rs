//! `authorize`: what a proxy asks before it lets a request through.

use testkit::server::{Answer, TestServer};

use crate::stage::{Customer, SMALL_CATALOG, assert_problem, with_catalog};

async fn ask(server: &TestServer, secret: &str, query: &str) -> Answer {
    let request = server.request("GET", &format!("/api/v1/authorize?{query}")).header("x-api-key", secret);
    server.send(request).await.expect("the server answers")
}

#[tokio::test]
async fn a_request_is_let_through_with_who_it_is_and_what_is_left() {
    with_catalog(SMALL_CATALOG, async |server| {
        let secret = &server.api_key;
        let answer = ask(server, secret, "meter=pages").await.expect(200);
        assert_eq!(answer.header("tollway-account"), Some(server.account.as_str()));
        assert_eq!(answer.header("tollway-plan"), Some("free"));
        assert!(answer.header("tollway-key").is_some_and(|key| key.starts_with("key_")));
        assert_eq!(answer.header("x-remaining-usage"), Some("49"));
        let answer = ask(server, secret, "meter=pages&quantity=8.5").await.expect(200);
        assert_eq!(answer.header("x-remaining-usage"), Some("40.5"));
        for _ in 0..3 {
            let answer = ask(server, secret, "meter=pages&mode=check&quantity=40").await.expect(200);
            assert_eq!(answer.header("x-remaining-usage"), Some("40.5"));
        }
        // Whatever method the proxy passes on.
        let request = server.request("DELETE", "/api/v1/authorize?meter=pages").header("x-api-key", secret);
        server.send(request).await.expect("an answer").expect(200);
        // The app's own idempotency keys are none of ours: each request counts.
        for _ in 0..2 {
            let request = server.request("GET", "/api/v1/authorize?meter=pages").header("x-api-key", secret);
            server.send(request.header("idempotency-key", "same")).await.expect("an answer").expect(200);
        }
        assert_eq!(Customer::new(server, "demo").used("pages").await, 12.5);
    })
    .await;
}

#[tokio::test]
async fn a_denial_is_told_in_the_way_the_proxy_understands() {
    with_catalog(SMALL_CATALOG, async |server| {
        let secret = &server.api_key;
        ask(server, secret, "meter=pages&quantity=50").await.expect(200);
        for mode in ["consume", "check"] {
            let denied = ask(server, secret, &format!("meter=pages&mode={mode}")).await;
            assert_problem(&denied, 429, "quota_exceeded");
            assert!(denied.header("retry-after").is_some());
            let denied = ask(server, secret, &format!("meter=pages&mode={mode}&deny=403")).await;
            assert_problem(&denied, 403, "quota_exceeded");
            assert_eq!(denied.header("tollway-status"), Some("429"));
            assert!(denied.header("retry-after").is_some() && denied.header("x-upgrade-url").is_some());
        }
        assert_problem(&ask(server, "tw_live_wrong", "meter=pages").await, 401, "unauthenticated");
        assert_problem(&ask(server, secret, "meter=unknown").await, 422, "meter_unknown");
        assert_problem(&ask(server, secret, "").await, 422, "invalid_request");
        assert_problem(&ask(server, secret, "meter=pages&mode=guess").await, 422, "invalid_request");
        assert_problem(&ask(server, secret, "meter=pages&deny=500").await, 422, "invalid_request");
    })
    .await;
}
