//! `enforce = "observe"`: beside a live app, would-be denials are counted and nobody is denied.

use serde_json::json;

use crate::stage::{Customer, SMALL_CATALOG, assert_problem, limit, with_catalog};

#[tokio::test]
async fn an_observed_catalog_denies_nothing_and_tells_what_it_would_have() {
    let catalog = SMALL_CATALOG.replacen("default_plan", "enforce = \"observe\"\ndefault_plan", 1);
    with_catalog(&catalog, async |server| {
        let customer = Customer::new(server, "watched");
        let within = customer.consume_of("pages", 50).await.expect(200).json();
        assert_eq!((&within["would_deny"], &limit(&within, "pages")["enforce"]), (&json!(false), &json!("observe")));
        let past = customer.consume_of("pages", 25).await.expect(200).json();
        assert_eq!(past["would_deny"], true);
        let pages = limit(&past, "pages");
        assert_eq!((&pages["used"], &pages["remaining"]), (&json!(75), &json!(0)));
        assert_eq!(customer.check(json!({ "meter": "pages", "quantity": 100 })).await["allowed"], true);
        customer.reserve(json!({ "meter": "pages", "quantity": 100 })).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn one_limit_may_be_observed_alone_or_only_warn() {
    let catalog = r#"
product = "One"
default_plan = "free"
[meters.pages]
[meters.exports]
[meters.jobs]
[plans.free.limits]
pages = { amount = 5, enforce = "observe" }
exports = { amount = 5, past = "warn" }
jobs = { amount = 5, status = 402 }
"#;
    with_catalog(catalog, async |server| {
        let customer = Customer::new(server, "partly");
        assert_eq!(customer.consume_of("pages", 6).await.expect(200).json()["would_deny"], true);
        let warned = customer.consume_of("exports", 6).await.expect(200).json();
        assert_eq!(
            (&limit(&warned, "exports")["on_exceed"], &warned["warnings"][0]["percent"]),
            (&json!("warn"), &json!(100))
        );
        assert_problem(&customer.consume_of("jobs", 6).await, 402, "quota_exceeded");
    })
    .await;
}
