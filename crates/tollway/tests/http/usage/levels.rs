//! Storage, seats and the like: they go up and down, and never start again.

use serde_json::{Value, json};

use crate::stage::{Customer, assert_problem, limit, on_each_engine};

const LEVELS: &str = "/api/v1/usage/levels";

async fn set(customer: &Customer<'_>, quantity: impl Into<Value>) -> Value {
    let quantity: Value = quantity.into();
    let body = json!({ "meter": "storage_mb", "quantity": quantity });
    customer.post(LEVELS, body).await.expect(200).json()
}

#[tokio::test]
async fn a_level_goes_up_and_down_and_never_below_zero() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "storing");
        assert_eq!(limit(&customer.consume_of("storage_mb", 80).await.expect(200).json(), "storage_mb")["used"], 80);
        let problem = assert_problem(&customer.consume_of("storage_mb", 21).await, 429, "quota_exceeded");
        assert_eq!((&problem["window"], &problem["resets_at"]), (&json!("lifetime"), &Value::Null));
        let freed = customer.consume_of("storage_mb", "-30.5").await.expect(200).json();
        assert_eq!(limit(&freed, "storage_mb")["used"], 49.5);
        assert_problem(&customer.consume_of("storage_mb", -50).await, 422, "level_below_zero");
        customer.consume_of("storage_mb", "50.5").await.expect(200);
        server.advance(400 * 86_400).await;
        assert_eq!(customer.used("storage_mb").await, 100);
    })
    .await;
}

#[tokio::test]
async fn a_level_is_set_to_what_was_observed_and_never_denied() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "observed");
        assert_eq!(limit(&set(&customer, 70).await, "storage_mb")["used"], 70);
        let over = set(&customer, 170).await;
        assert_eq!((&limit(&over, "storage_mb")["used"], &over["warnings"][0]["percent"]), (&json!(170), &json!(100)));
        // Above the limit it may shrink and not grow.
        assert_problem(&customer.consume_of("storage_mb", 1).await, 429, "quota_exceeded");
        customer.consume_of("storage_mb", -10).await.expect(200);
        assert_eq!(limit(&set(&customer, "0").await, "storage_mb")["used"], 0);
        assert_problem(&customer.post(LEVELS, json!({ "meter": "requests", "quantity": 1 })).await, 422, "not_a_level");
        let negative = customer.post(LEVELS, json!({ "meter": "storage_mb", "quantity": -1 })).await;
        assert_problem(&negative, 422, "level_below_zero");
        let unsaid = customer.post(LEVELS, json!({ "meter": "storage_mb" })).await;
        assert_eq!(assert_problem(&unsaid, 422, "invalid_request")["field"], "quantity");
    })
    .await;
}

#[tokio::test]
async fn a_reading_older_than_the_last_one_is_ignored() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "readings");
        let reading = async |quantity: i64, at: &str| {
            let body = json!({ "meter": "storage_mb", "quantity": quantity, "occurred_at": at });
            customer.post(LEVELS, body).await.expect(200);
            customer.used("storage_mb").await
        };
        customer.consume(1).await.expect(200);
        let now = customer.usage().await["period"]["start"].as_str().expect("a time").to_owned();
        let day = &now[..10];
        assert_eq!(reading(30, &format!("{day}T00:00:02Z")).await, 30);
        assert_eq!(reading(90, &format!("{day}T00:00:01Z")).await, 30);
        assert_eq!(reading(20, &format!("{day}T00:00:03Z")).await, 20);
    })
    .await;
}
