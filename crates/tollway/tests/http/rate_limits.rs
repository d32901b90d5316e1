//! Operators look at rate limits, and let somebody go on at once.

use serde_json::{Value, json};
use testkit::server::TestServer;

use crate::stage::{Customer, assert_problem, with_catalog};

const CATALOG: &str = r#"
product = "Rates"
default_plan = "free"
[meters.pages]
[rates]
api = "3 per 60s"
login = "10 per 1h"
[plans.free]
limits = { pages = 100 }
[plans.free.rates]
jobs = "2 per 1d"
"#;

async fn shown(server: &TestServer, query: &str) -> Value {
    server.get(&format!("/api/v1/admin/rate-limits?{query}")).await.expect(200).json()["data"].clone()
}

#[tokio::test]
async fn operators_see_and_clear_what_holds_an_account_by_scope() {
    with_catalog(CATALOG, async |server| {
        let customer = Customer::new(server, "hasty");
        let account = customer.account().await;
        let secret = customer.api_key(json!({ "name": "Own" })).await["secret"].as_str().expect("a secret").to_owned();
        let ask = async || {
            let request = server.request("GET", "/api/v1/usage").header("x-api-key", &secret);
            server.send(request).await.expect("the server answers")
        };
        let of_account = format!("identity={account}");
        let free = |scope: &str, limit: u32, window: u32, used: u32| {
            let reset = if used == 0 { 0 } else { window };
            json!({ "scope": scope, "limit": limit, "window_seconds": window, "used": used,
                    "remaining": limit - used, "reset_seconds": reset })
        };
        let nothing = json!([free("api", 3, 60, 0), free("jobs", 2, 86_400, 0), free("login", 10, 3_600, 0)]);
        assert_eq!(shown(server, &of_account).await, nothing);
        for _ in 0..3 {
            ask().await.expect(200);
        }
        let body = json!({ "meter": "pages", "rate_scope": "jobs" });
        customer.post("/api/v1/usage/consume", body).await.expect(200);
        assert_problem(&ask().await, 429, "rate_limited");
        let used = shown(server, &of_account).await;
        assert_eq!((&used[0]["used"], &used[0]["remaining"], &used[1]["used"]), (&json!(3), &json!(0), &json!(1)));
        assert!(used[0]["reset_seconds"].as_u64().is_some_and(|seconds| (50..=60).contains(&seconds)), "{used}");
        // One scope, and the other is as it was.
        let path = format!("/api/v1/admin/rate-limits?{of_account}&scope=api");
        server.delete(&path).await.expect(204);
        ask().await.expect(200);
        let used = shown(server, &of_account).await;
        assert_eq!((&used[0]["used"], &used[1]["used"]), (&json!(1), &json!(1)));
        server.delete(&format!("/api/v1/admin/rate-limits?{of_account}")).await.expect(204);
        assert_eq!(shown(server, &of_account).await, nothing);
    })
    .await;
}

#[tokio::test]
async fn names_and_addresses_are_held_to_the_base_rates() {
    with_catalog(CATALOG, async |server| {
        for identity in ["ada@example.com", "203.0.113.7", "2001:db8::1"] {
            let scopes = shown(server, &format!("identity={identity}")).await;
            let scopes: Vec<&str> =
                scopes.as_array().expect("a list").iter().filter_map(|l| l["scope"].as_str()).collect();
            assert_eq!(scopes, ["api", "login"], "{identity}");
        }
        assert_eq!(shown(server, "identity=ada&scope=login").await[0]["limit"], 10);
    })
    .await;
}

#[tokio::test]
async fn only_operators_may_and_mistakes_are_told() {
    with_catalog(CATALOG, async |server| {
        let path = "/api/v1/admin/rate-limits?identity=ada";
        let own = Customer::new(server, "own").api_key(json!({ "name": "Own" })).await;
        let own = own["secret"].as_str().expect("a secret").to_owned();
        let with = async |method: &str, path: &str, key: &str| {
            let request = server.request(method, path).header("x-api-key", key);
            server.send(request).await.expect("the server answers")
        };
        assert_problem(&with("GET", path, &own).await, 403, "service_key_required");
        assert_problem(&with("DELETE", path, &own).await, 403, "service_key_required");
        let body = json!({ "name": "Watcher", "scopes": ["operations:read"] });
        let reader = server.post("/api/v1/keys", body).await.expect(201).json();
        let reader = reader["secret"].as_str().expect("a secret").to_owned();
        with("GET", path, &reader).await.expect(200);
        assert_problem(&with("DELETE", path, &reader).await, 403, "insufficient_scope");
        assert_problem(&server.get(&format!("{path}&scope=nothing")).await, 404, "not_found");
        assert_problem(&server.get("/api/v1/admin/rate-limits").await, 422, "invalid_request");
        let unknown = "/api/v1/admin/rate-limits?identity=acct_00000000000000000000000000";
        assert_problem(&server.get(unknown).await, 404, "account_unknown");
    })
    .await;
}
