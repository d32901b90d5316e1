//! What comes to the webhook's address: only what is Stripe's changes anything, once, in any order.

use serde_json::json;

use super::CATALOG;
use crate::stage::{GOOD_CARD, Shop, assert_problem, reconcile_all, until, with_catalog};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_by_stripe_changes_nothing() {
    with_catalog(CATALOG, async |server| {
        let event = json!({ "id": "evt_forged", "object": "event", "type": "customer.subscription.updated", "created": 1,
            "data": { "object": { "id": "sub_1", "object": "subscription", "customer": "cus_1" } } });
        let post = async |signature: Option<&str>, body: String| {
            let request = server.request_of_nobody("POST", "/webhooks/stripe").body(body);
            let request = match signature {
                Some(signature) => request.header("Stripe-Signature", signature),
                None => request,
            };
            server.send(request).await.unwrap()
        };
        assert_problem(&post(None, event.to_string()).await, 400, "event_refused");
        for signature in ["", "t=1,v1=00", "v1=", "t=99999999999,v1=aa", "t=,v1=,t", "garbage", "t=-1,v1=zz"] {
            assert_problem(&post(Some(signature), event.to_string()).await, 400, "event_refused");
        }
        assert_problem(&post(Some("t=1,v1=00"), "x".repeat(2_000_000)).await, 413, "body_too_large");
        assert_problem(&post(Some("t=1,v1=00"), "{".into()).await, 400, "event_refused");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_and_shuffled_events_lead_to_the_same_state_and_tell_everything_once() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.ask("/sandbox/webhooks", json!({ "double": 100, "shuffle": true, "hold": true, "seed": 7 })).await;
        let page = shop.checkout("ada", "basic", "monthly").await.expect(201).json();
        shop.pay(page["session"].as_str().unwrap(), GOOD_CARD).await;
        assert_eq!(shop.subscription("ada").await["plan"], "free");
        shop.ask("/sandbox/webhooks/release", json!({})).await;
        shop.until_on("ada", "basic").await;
        shop.ask("/sandbox/webhooks/release", json!({})).await;
        shop.settled().await;
        let mut story = shop.story("ada").await;
        story.sort();
        assert_eq!(story, ["activated", "created", "paid"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_events_are_repaired_by_a_comparison_which_says_what_it_found() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.ask("/sandbox/webhooks", json!({ "lose": 100 })).await;
        let mut said = String::new();
        // The comparison that a server makes when it starts may be late, and find the first of them before this one.
        for (compared, name) in [(1, "ada"), (2, "grace")] {
            shop.customer(name).account().await;
            let page = shop.checkout(name, "basic", "monthly").await.expect(201).json();
            shop.pay(page["session"].as_str().unwrap(), GOOD_CARD).await;
            let found = reconcile_all(server).await;
            assert_eq!(found["compared"], compared);
            said += &found["found"].to_string();
            shop.until_on(name, "basic").await;
        }
        assert!(said.contains("was not known"), "{said}");
        let found = reconcile_all(server).await;
        assert_eq!(found["found"], json!([]), "a second comparison finds nothing");
        let one = server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200).json();
        assert_eq!(one["compared"], 1);
        until("it stays so", async || shop.subscription("ada").await["plan"] == "basic").await;
    })
    .await;
}
