//! Adjustments, reversals and credits: what an operator does about usage afterwards, all with a reason.

use serde_json::{Value, json};

use crate::stage::{Customer, SMALL_CATALOG, assert_problem, limit, on_each_engine, with_catalog};

const ADJUST: &str = "/api/v1/usage/adjustments";

async fn reverse(customer: &Customer<'_>, event: &Value, body: Value) -> testkit::server::Answer {
    let event = event.as_str().expect("an event's id");
    customer.server.post(&format!("/api/v1/usage/events/{event}/reverse"), body).await
}

#[tokio::test]
async fn usage_given_back_can_be_used_at_once() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "given-back");
        customer.consume(1_000).await.expect(200);
        assert_problem(&customer.consume(1).await, 429, "quota_exceeded");
        let body = json!({ "meter": "requests", "quantity": -10, "reason": "The answer was empty." });
        let adjusted = customer.post(ADJUST, body).await.expect(200).json();
        assert_eq!(limit(&adjusted, "requests")["used"], 990);
        customer.consume(10).await.expect(200);
        assert_problem(&customer.consume(1).await, 429, "quota_exceeded");
        // Never below zero, and upward past the limit: somebody decided it.
        let all = json!({ "meter": "requests", "quantity": -5_000, "reason": "Goodwill." });
        assert_eq!(limit(&customer.post(ADJUST, all).await.expect(200).json(), "requests")["used"], 0);
        let more = json!({ "meter": "requests", "quantity": 1_200, "reason": "Counted elsewhere." });
        assert_eq!(limit(&customer.post(ADJUST, more).await.expect(200).json(), "requests")["used"], 1_200);
        let unexplained = customer.post(ADJUST, json!({ "meter": "requests", "quantity": -1 })).await;
        assert_eq!(assert_problem(&unexplained, 422, "invalid_request")["field"], "reason");
        let request =
            server.request("POST", ADJUST).json(&json!({ "meter": "requests", "quantity": -1, "reason": "Me." }));
        let own = server.send(request.header("x-api-key", &server.api_key)).await.expect("an answer");
        assert_problem(&own, 403, "service_key_required");
    })
    .await;
}

#[tokio::test]
async fn an_event_is_voided_or_corrected_once_and_the_original_stays() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "corrected");
        let event = async |quantity: i64| customer.consume(quantity).await.expect(200).json()["event"].clone();
        let (wrong, excessive) = (event(600).await, event(400).await);
        assert_problem(&customer.consume(1).await, 429, "quota_exceeded");
        let voided = reverse(&customer, &wrong, json!({ "reason": "It failed." })).await.expect(200).json();
        assert_eq!(limit(&voided, "requests")["used"], 400);
        let again = reverse(&customer, &wrong, json!({ "reason": "It failed." })).await;
        assert_eq!(assert_problem(&again, 409, "already_reversed")["event"], voided["event"]);
        let usage = json!([{ "meter": "requests", "quantity": 40 }]);
        let body = json!({ "usage": usage, "reason": "Ten times too much." });
        let corrected = reverse(&customer, &excessive, body).await.expect(200).json();
        assert_eq!(limit(&corrected, "requests")["used"], 40);
        let twice = reverse(&customer, &corrected["event"], json!({ "reason": "No." })).await;
        assert_problem(&twice, 409, "not_reversible");
        let unknown = json!("evt_00000000000000000000000000000000000000000000000000");
        assert_problem(&reverse(&customer, &unknown, json!({ "reason": "?" })).await, 404, "not_found");
        let silent = reverse(&customer, &excessive, json!({})).await;
        assert_eq!(assert_problem(&silent, 422, "invalid_request")["field"], "reason");
    })
    .await;
}

#[tokio::test]
async fn credits_are_used_after_the_plans_own_amount() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "topped-up");
        customer.consume(90).await.expect(200);
        assert_problem(&customer.consume(30).await, 429, "quota_exceeded");
        let path = format!("/api/v1/accounts/{}/credits", customer.account().await);
        let credit = json!({ "meter": "requests", "quantity": 25, "reason": "Sorry for Monday." });
        let granted = server.post(&path, credit).await.expect(201).json();
        assert!(granted["id"].as_str().is_some_and(|id| id.starts_with("crd_")), "{granted}");
        let requests = limit(&customer.usage().await, "requests");
        assert_eq!((&requests["remaining"], &requests["credits"]), (&json!(35), &json!(25)));
        let counted = customer.consume(30).await.expect(200).json();
        assert_eq!(limit(&counted, "requests")["remaining"], 5);
        assert_problem(&customer.consume(6).await, 429, "quota_exceeded");
        let listed = server.get(&path).await.expect(200).json();
        assert_eq!((&listed["data"][0]["granted"], &listed["data"][0]["remaining"]), (&json!(25), &json!(5)));
        // What is left outlives the period; what the plan gives comes first again.
        server.advance(32 * 86_400).await;
        assert_eq!(limit(&customer.usage().await, "requests")["remaining"], 105);
        customer.consume(100).await.expect(200);
        customer.consume(5).await.expect(200);
        assert_problem(&customer.consume(1).await, 429, "quota_exceeded");
    })
    .await;
}

#[tokio::test]
async fn credits_go_by_priority_and_end_at_their_time() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "two-credits");
        customer.consume(100).await.expect(200);
        let path = format!("/api/v1/accounts/{}/credits", customer.account().await);
        let period = customer.usage().await["period"].clone();
        for (quantity, priority, expires_at) in [(10, 2, &Value::Null), (20, 1, &period["end"])] {
            let body =
                json!({ "meter": "requests", "quantity": quantity, "priority": priority, "expires_at": expires_at });
            server.post(&path, body).await.expect(201);
        }
        customer.consume(5).await.expect(200);
        let listed = server.get(&path).await.expect(200).json();
        assert_eq!((&listed["data"][0]["remaining"], &listed["data"][1]["remaining"]), (&json!(15), &json!(10)));
        server.advance(32 * 86_400).await;
        assert_eq!(limit(&customer.usage().await, "requests")["remaining"], 110);
        assert_problem(&customer.consume(111).await, 429, "quota_exceeded");
        customer.consume(110).await.expect(200);
        let over = json!({ "meter": "requests", "quantity": 1, "expires_at": period["start"] });
        assert_eq!(assert_problem(&server.post(&path, over).await, 422, "invalid_request")["field"], "expires_at");
    })
    .await;
}
