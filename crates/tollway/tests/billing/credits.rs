//! Buying credits: given once, when they are paid.

use serde_json::json;

use super::CATALOG;
use crate::stage::{DECLINED_CARD, GOOD_CARD, Shop, assert_problem, until, with_catalog};

#[tokio::test(flavor = "multi_thread")]
async fn bought_credits_are_given_once_when_they_are_paid_and_used_after_the_plan() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        let account = customer.account().await;
        let packs =
            server.send(server.request_of_nobody("GET", "/api/v1/credit-packs")).await.unwrap().expect(200).json();
        assert_eq!((&packs["data"][0]["id"], &packs["data"][0]["price"]), (&json!("small"), &json!("5.00")));
        customer.consume(100).await.expect(200);
        customer.consume(1).await.expect(429);
        let buy = async || {
            let body = json!({ "external_id": "ada", "pack": "small" });
            server.post("/api/v1/credit-packs/checkout", body).await.expect(201).json()
        };
        let page = buy().await;
        assert_eq!(buy().await["session"], page["session"], "the same page while it is open");
        shop.pay(page["session"].as_str().unwrap(), DECLINED_CARD).await;
        customer.consume(1).await.expect(429);
        shop.ask("/sandbox/webhooks", json!({ "double": 100 })).await;
        shop.pay(page["session"].as_str().unwrap(), GOOD_CARD).await;
        until("the credit is given", async || customer.consume(1).await.status == 200).await;
        shop.settled().await;
        for _ in 0..2 {
            server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200);
        }
        let credits = server.get(&format!("/api/v1/accounts/{account}/credits")).await.expect(200).json();
        assert_eq!(credits["data"].as_array().map(Vec::len), Some(1), "{credits}");
        assert_eq!((&credits["data"][0]["granted"], &credits["data"][0]["remaining"]), (&json!(500), &json!(499)));
        let second = buy().await;
        assert_ne!(second["session"], page["session"], "a purchase that is paid is done with");
        shop.pay(second["session"].as_str().unwrap(), GOOD_CARD).await;
        until("the second is given", async || {
            let credits = server.get(&format!("/api/v1/accounts/{account}/credits")).await.json();
            credits["data"].as_array().map(Vec::len) == Some(2)
        })
        .await;
        let unknown =
            server.post("/api/v1/credit-packs/checkout", json!({ "external_id": "ada", "pack": "huge" })).await;
        assert_problem(&unknown, 404, "not_found");
    })
    .await;
}
