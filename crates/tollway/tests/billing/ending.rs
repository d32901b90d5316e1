//! Ending a plan that is paid for, taking that back, and pausing.

use serde_json::json;

use super::{CATALOG, DAY};
use crate::stage::{Shop, assert_problem, mails_to, until, with_catalog};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_keeps_the_plan_to_the_periods_end_and_can_be_taken_back() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        let canceled = shop.post("cancel", "ada", json!({})).await.expect(200).json();
        assert_eq!(canceled["plan"], "basic");
        assert_eq!(canceled["billing"]["cancel_at"], canceled["billing"]["period"]["end"]);
        assert_eq!(canceled["billing"]["auto_renew"], false);
        shop.post("cancel", "ada", json!({})).await.expect(200);
        let resumed = shop.post("resume", "ada", json!({})).await.expect(200).json();
        assert_eq!((&resumed["billing"]["cancel_at"], &resumed["billing"]["auto_renew"]), (&json!(null), &json!(true)));
        assert_problem(&shop.post("resume", "ada", json!({})).await, 409, "nothing_to_change");
        shop.post("cancel", "ada", json!({})).await.expect(200);
        shop.advance(32 * DAY).await;
        let ended = shop.subscription("ada").await;
        assert_eq!(
            (&ended["plan"], &ended["source"], &ended["billing"]),
            (&json!("free"), &json!("default"), &json!(null))
        );
        assert_eq!(shop.invoices("ada").await.len(), 1, "nothing more was charged");
        let story = shop.story("ada").await;
        let wanted =
            ["created", "activated", "paid", "cancellation_scheduled", "resumed", "cancellation_scheduled", "canceled"];
        assert_eq!(story, wanted);
        assert_problem(&shop.post("cancel", "ada", json!({})).await, 409, "not_subscribed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_canceled_at_once_is_free_at_once_and_finds_its_old_quota() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        customer.consume(100).await.expect(200);
        customer.consume(1).await.expect(429);
        shop.buy("ada", "basic", "monthly").await;
        customer.consume(500).await.expect(200);
        let canceled = shop.post("cancel", "ada", json!({ "when": "now" })).await.expect(200).json();
        assert_eq!(canceled["plan"], "free");
        // Going up and down again refills nothing.
        assert_eq!(customer.used("requests").await, 100);
        customer.consume(1).await.expect(429);
    })
    .await;
}

/// Of the period, and of the calendar's month, which goes on after the end.
#[tokio::test(flavor = "multi_thread")]
async fn usage_past_a_limit_is_charged_up_to_the_end_and_not_after_it() {
    let monthly = CATALOG.replace("tokens = { amount = 1_000,", "tokens = { amount = 1_000, per = \"month\",");
    for catalog in [CATALOG, &monthly] {
        with_catalog(catalog, async |server| {
            server.post("/api/v1/admin/clock", json!({ "now": "2031-03-05T12:00:00Z" })).await.expect(200);
            let shop = Shop::of(server);
            let customer = shop.customer("ada");
            customer.account().await;
            shop.buy("ada", "basic", "monthly").await;
            customer.consume_of("tokens", 1_250).await.expect(200);
            let wrong = customer.consume_of("tokens", 40).await.expect(200).json()["event"].clone();
            let hold = json!({ "meter": "tokens", "quantity": 100, "ttl_seconds": 86_400 });
            let held = customer.reserve(hold).await.expect(201).json()["reservation"].clone();
            shop.advance(3_600).await;
            // It is ended at Stripe's dashboard, and nobody has told of it yet.
            shop.ask("/sandbox/webhooks", json!({ "lose": 100 })).await;
            let id = shop.subscription("ada").await["billing"]["subscription"].as_str().expect("an id").to_owned();
            let ended = shop.stripe_delete(&format!("subscriptions/{id}")).await;
            let ended_at = ended["ended_at"].as_i64().expect("an end");
            let is_over = async || shop.see("/sandbox/clock").await["now"].as_i64() >= Some(ended_at + 2);
            until("the second of the end is over, by any clock", is_over).await;
            customer.consume_of("tokens", 300).await.expect(200);
            assert_eq!(shop.subscription("ada").await["plan"], "basic");
            // Work that was begun before the end counts before it, and so does what is taken back.
            let (wrong, held) = (wrong.as_str().expect("an event"), held.as_str().expect("a reservation"));
            let usage = json!({ "usage": [{ "meter": "tokens", "quantity": 80 }] });
            server.post(&format!("/api/v1/usage/reservations/{held}/commit"), usage).await.expect(200);
            let reason = json!({ "reason": "It was counted twice." });
            server.post(&format!("/api/v1/usage/events/{wrong}/reverse"), reason).await.expect(200);
            for _ in 0..2 {
                server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200);
                assert_eq!(shop.subscription("ada").await["plan"], "free");
                customer.consume_of("tokens", 400).await.expect(200);
            }
            shop.advance(40 * DAY).await;
            // 330 past 1,000, at 0.50 dollars for each 100.
            let totals: Vec<_> = shop.invoices("ada").await.iter().map(|invoice| invoice["total"].clone()).collect();
            assert_eq!(totals, [json!("10.00"), json!("1.65")]);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_charges_nothing_and_gives_what_was_paid_for_and_no_more() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        let paused = shop.post("pause", "ada", json!({})).await.expect(200).json();
        assert_eq!((&paused["billing"]["paused"], &paused["plan"]), (&json!(true), &json!("basic")));
        shop.advance(40 * DAY).await;
        assert_eq!(shop.subscription("ada").await["plan"], "free");
        let paid = shop.invoices("ada").await.iter().filter(|invoice| invoice["status"] == "paid").count();
        assert_eq!(paid, 1);
        let resumed = shop.post("resume", "ada", json!({})).await.expect(200).json();
        assert_eq!(resumed["billing"]["paused"], false);
        shop.advance(32 * DAY).await;
        assert_eq!(shop.subscription("ada").await["plan"], "basic");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_an_account_ends_what_it_pays_for() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let account = shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        server.delete(&format!("/api/v1/accounts/{account}")).await.expect(204);
        until("the subscription is over", async || {
            shop.stripe_get("subscriptions?status=canceled").await["data"].as_array().map(Vec::len) == Some(1)
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_without_a_card_stops_and_tells_before_it_does() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let account = shop.customer("ada").account().await;
        let email = json!({ "email": "ada@example.com" });
        server
            .send(server.request("PATCH", &format!("/api/v1/accounts/{account}")).json(&email))
            .await
            .unwrap()
            .expect(200);
        let page = shop.checkout("ada", "tried", "monthly").await.expect(201).json();
        shop.ask(&format!("/sandbox/checkout/{}/pay", page["session"].as_str().unwrap()), json!({})).await;
        shop.until_status("ada", "trialing").await;
        shop.advance(12 * DAY).await;
        until("the end is told", async || mails_to(server, "ada@example.com", "trial_ending").await.len() == 1).await;
        shop.advance(3 * DAY).await;
        shop.until_status("ada", "paused").await;
        assert_eq!(shop.subscription("ada").await["plan"], "free");
        assert!(shop.payments("ada").await.is_empty());
    })
    .await;
}
