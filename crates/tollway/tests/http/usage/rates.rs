//! How fast a caller may ask: so many requests in any stretch of time, by scope.

use serde_json::json;

use crate::stage::{Customer, assert_problem, with_catalog};

const CATALOG: &str = r#"
product = "Rates"
default_plan = "free"
[meters.pages]
[rates]
api = "5 per 60s"
jobs = "2 per 60s"
[plans.free]
limits = { pages = 100 }
[plans.pro]
price = "10.00"
rate_multiplier = 2
limits = { pages = 1_000 }
"#;

#[tokio::test]
async fn an_accounts_own_key_is_held_to_the_rate_of_its_plan() {
    with_catalog(CATALOG, async |server| {
        let customer = Customer::new(server, "hasty");
        let key = customer.api_key(json!({ "name": "Own" })).await;
        let secret = key["secret"].as_str().expect("the secret").to_owned();
        let ask = async || {
            let request = server.request("GET", "/api/v1/usage").header("x-api-key", &secret);
            server.send(request).await.expect("the server answers")
        };
        for _ in 0..5 {
            ask().await.expect(200);
        }
        let answer = ask().await;
        let problem = assert_problem(&answer, 429, "rate_limited");
        assert_eq!(
            (&problem["scope"], &problem["limit"], &problem["window_seconds"]),
            (&json!("api"), &json!(5), &json!(60))
        );
        let retry_after: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
        assert!((1..=60).contains(&retry_after), "{retry_after}");
        assert_eq!(answer.header("ratelimit-policy"), Some("\"api\";q=5;w=60"));
        // The platform's own key is exempt; a higher plan is twice as fast.
        for _ in 0..10 {
            customer.usage().await;
        }
        customer.grant("pro").await;
        for _ in 0..5 {
            ask().await.expect(200);
        }
        assert_problem(&ask().await, 429, "rate_limited");
        server.advance(61).await;
        ask().await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_service_key_may_hold_its_customer_to_a_scope() {
    with_catalog(CATALOG, async |server| {
        let customer = Customer::new(server, "scoped");
        let consume = async |scope: &str| {
            let body = json!({ "meter": "pages", "rate_scope": scope });
            customer.post("/api/v1/usage/consume", body).await
        };
        customer.consume_of("pages", 1).await.expect(200);
        consume("jobs").await.expect(200);
        consume("jobs").await.expect(200);
        let problem = assert_problem(&consume("jobs").await, 429, "rate_limited");
        assert_eq!((&problem["scope"], &problem["limit"]), (&json!("jobs"), &json!(2)));
        consume("api").await.expect(200);
        consume("unlimited").await.expect(200);
        assert_eq!(customer.used("pages").await, 5);
        Customer::new(server, "another").consume_of("pages", 1).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_knows_no_429_is_told_by_403() {
    with_catalog(CATALOG, async |server| {
        let customer = Customer::new(server, "proxied");
        let key = customer.api_key(json!({ "name": "Own" })).await;
        let secret = key["secret"].as_str().expect("the secret").to_owned();
        let ask = async || {
            let request = server.request("GET", "/api/v1/authorize?meter=pages&deny=403").header("x-api-key", &secret);
            server.send(request).await.expect("the server answers")
        };
        for _ in 0..5 {
            ask().await.expect(200);
        }
        let limited = ask().await;
        assert_problem(&limited, 403, "rate_limited");
        assert_eq!(limited.header("tollway-status"), Some("429"));
        assert!(limited.header("retry-after").is_some());
    })
    .await;
}
