//! Calls of models: requests, tokens and cost move together, at the catalog's price, for models that the plan allows.

use serde_json::{Value, json};

use crate::stage::{Customer, SMALL_CATALOG, assert_problem, limit, on_each_engine, with_catalog};

const CONSUME: &str = "/api/v1/usage/consume";

fn call(model: &str, prompt: u64, completion: u64) -> Value {
    json!({ "model": model, "prompt_tokens": prompt, "completion_tokens": completion })
}

#[tokio::test]
async fn a_model_call_moves_requests_tokens_and_cost_together() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "caller");
        customer.grant("pro").await;
        let mut body = call("small", 1_200, 300);
        body["cached_tokens"] = json!(200);
        let counted = customer.post(CONSUME, body).await.expect(200).json();
        // 1,000 at 0.10, 200 at 0.05 and 300 at 0.40 dollars a million.
        let cost = json!({ "base": "0.00023", "markup_percent": "5", "final": "0.0002415", "currency": "USD" });
        assert_eq!(counted["cost"], cost);
        assert_eq!(limit(&counted, "requests")["used"], 1);
        assert_eq!(limit(&counted, "llm_tokens")["used"], 1_500);
        assert_eq!(limit(&counted, "cost")["used"], json!(0.000_241_5));
        // A quantity that is named is not counted a second time.
        let mut body = call("small", 10, 0);
        body["usage"] = json!([{ "meter": "requests", "quantity": 7 }]);
        let counted = customer.post(CONSUME, body).await.expect(200).json();
        assert_eq!(limit(&counted, "requests")["used"], 8);
        assert_eq!(limit(&counted, "llm_tokens")["used"], 1_510);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_one_meter_has_no_room_for_moves_none() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "caller");
        customer.post(CONSUME, call("small", 800, 100)).await.expect(200);
        let problem = assert_problem(&customer.post(CONSUME, call("small", 100, 1)).await, 429, "quota_exceeded");
        assert_eq!((&problem["meter"], &problem["remaining"]), (&json!("llm_tokens"), &json!(100)));
        assert_eq!(customer.used("requests").await, 1);
        customer.post(CONSUME, call("small", 100, 0)).await.expect(200);
        assert_eq!(customer.used("llm_tokens").await, 1_000);
    })
    .await;
}

#[tokio::test]
async fn a_model_outside_the_plan_is_refused_with_the_plan_that_has_it() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "curious");
        let answer = customer.post(CONSUME, call("large", 10, 10)).await;
        let problem = assert_problem(&answer, 403, "model_not_allowed");
        assert_eq!((&problem["plan"], &problem["suggested_plan"]), (&json!("free"), &json!("pro")));
        assert_eq!(problem["upgrade_url"], format!("{}/pricing?plan=pro", server.url));
        assert_eq!(answer.header("x-upgrade-url"), problem["upgrade_url"].as_str());
        assert_problem(&customer.reserve(call("large", 10, 10)).await, 403, "model_not_allowed");
        let checked = customer.check(call("large", 10, 10)).await;
        assert_eq!((&checked["allowed"], &checked["code"]), (&json!(false), &json!("model_not_allowed")));
        assert_eq!(customer.used("requests").await, 0);
        customer.grant("pro").await;
        customer.post(CONSUME, call("large", 10, 10)).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_or_priced_by_default() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "explorer");
        customer.grant("pro").await;
        let problem = assert_problem(&customer.post(CONSUME, call("unheard-of", 1, 1)).await, 422, "model_unknown");
        assert_eq!(problem["model"], "unheard-of");
    })
    .await;
    on_each_engine(async |server| {
        let customer = Customer::new(server, "explorer");
        customer.grant("pro").await;
        let counted = customer.post(CONSUME, call("unheard-of", 1_000_000, 1_000_000)).await.expect(200).json();
        assert_eq!((&counted["cost"]["base"], &counted["cost"]["final"]), (&json!("3"), &json!("3.15")));
        // Past the daily five dollars of a key it only warns; the account's own key has one of those.
        let key = customer.api_key(json!({ "name": "Spender" })).await;
        let request = server.request("POST", CONSUME).json(&call("unheard-of", 0, 2_500_000));
        let own = request.header("x-api-key", key["secret"].as_str().expect("the secret"));
        let spent = server.send(own).await.expect("an answer").expect(200).json();
        let cost = limit(&spent, "cost");
        assert_eq!((&cost["used"], &cost["scope"], &cost["on_exceed"]), (&json!(5.25), &json!("key"), &json!("warn")));
        assert_eq!(spent["warnings"][0]["percent"], 100);
    })
    .await;
}
