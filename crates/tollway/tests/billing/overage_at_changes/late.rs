//! A change that is learned late, repeated, or made while usage goes on: usage is split at the moment of the change, where
//! anything tells it, and is charged once.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use testkit::server::TestServer;

use super::Row::{Charged, Uses};
use super::{CATALOG, at_time, buy, charged, is_charged, live, put};
use crate::stage::{Shop, until, with_catalog};

const OLD: (i64, &str) =
    (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");

/// Somebody at the dashboard, or the customer on Stripe's page, changes the plan: `pro_monthly`.
async fn change_at_stripe(shop: &Shop<'_>, price: &str, proration: &str) {
    let id = shop.subscription("ada").await["billing"]["subscription"].as_str().expect("an id").to_owned();
    let subscription = shop.stripe_get(&format!("subscriptions/{id}")).await;
    let item = subscription["items"]["data"][0]["id"].as_str().expect("an item");
    let price = shop.stripe_get(&format!("prices?lookup_keys[]={price}")).await;
    let price = price["data"][0]["id"].as_str().expect("a price");
    let form = [("items[0][id]", item), ("items[0][price]", price), ("proration_behavior", proration)];
    let changed = shop.stripe_post(&format!("subscriptions/{id}"), &form).await;
    assert_eq!(changed["items"]["data"][0]["price"]["id"], price, "{changed}");
}

/// Changed on 16 March with 1,250 used; 500 more are used until it is learned of, two days later. They came under the
/// plan that includes them, whatever was known here.
async fn learn_late(how: &Value, proration: &str) {
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        at_time(&shop, "2027-03-16T12:00:00Z").await;
        shop.ask("/sandbox/webhooks", how.clone()).await;
        change_at_stripe(&shop, "pro_monthly", proration).await;
        let customer = shop.customer("ada");
        customer.consume_of("tokens", 1).await.expect(200);
        server.post("/api/v1/admin/clock", json!({ "now": "2027-03-18T12:00:00Z" })).await.expect(200);
        customer.consume_of("tokens", 499).await.expect(200);
        shop.ask("/sandbox/webhooks", json!({})).await;
        shop.ask("/sandbox/webhooks/release", json!({})).await;
        shop.settled().await;
        let rows = [
            ("2027-03-18T12:00", Charged(&[OLD])),
            ("2027-04-01T12:30", Charged(&[OLD])),
            ("2027-04-05T12:00", Charged(&[OLD])),
        ];
        live(&shop, "monthly", &rows).await;
        assert_eq!(shop.subscription("ada").await["plan"], "pro");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_webhooks_were_lost_is_split_where_it_was_billed_from() {
    learn_late(&json!({ "lose": 100 }), "always_invoice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_not_billed_yet_is_split_when_the_event_says() {
    learn_late(&json!({ "hold": true }), "create_prorations").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_never_billed_is_split_when_the_event_says() {
    learn_late(&json!({ "hold": true, "shuffle": true, "double": 100, "seed": 4 }), "none").await;
}

/// To the greatest plan and on to another one, and nothing is heard of either: 250 past 1,000 until the first, nothing
/// under it, and 100 past 5,000 and the 250 after the second: 5,350 are used in all.
#[tokio::test(flavor = "multi_thread")]
async fn two_changes_that_were_never_told_are_both_found() {
    const NEW: (i64, &str) =
        (30, "100 tokens past 5,000, at 0.3 USD for each 100 (18 March 2027, 12:00 to 1 April 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        shop.ask("/sandbox/webhooks", json!({ "lose": 100 })).await;
        for (at, price, used) in
            [("2027-03-16T12:00:00Z", "pro_monthly", 500), ("2027-03-18T12:00:00Z", "big_monthly", 100)]
        {
            server.post("/api/v1/admin/clock", json!({ "now": at })).await.expect(200);
            change_at_stripe(&shop, price, "always_invoice").await;
            server.advance(3_600).await;
            shop.customer("ada").consume_of("tokens", used).await.expect(200);
        }
        let rows = [
            ("2027-03-18T14:00", Charged(&[OLD])),
            ("2027-03-20T14:00", Uses("tokens", 3_500)),
            ("2027-04-01T12:30", Charged(&[OLD, NEW])),
            ("2027-04-05T12:00", Charged(&[OLD, NEW])),
        ];
        live(&shop, "monthly", &rows).await;
    })
    .await;
}

/// Eight ask for the same change at once, while 16 consume ten each. What came before the change is charged, each unit once,
/// and comparing again, also many times at once, charges nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_asked_for_many_times_while_usage_goes_on_charges_each_unit_once() {
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        at_time(&shop, "2027-03-16T12:00:00Z").await;
        let customer = shop.customer("ada");
        let wanted = json!({ "plan": "pro", "interval": "monthly", "when": "now" });
        let changes = join_all((0..8).map(|_| shop.post("change", "ada", wanted.clone())));
        let uses = join_all((0..16).map(|_| customer.consume_of("tokens", 10)));
        let (changes, uses) = join(changes, uses).await;
        assert!(changes.iter().all(|answer| answer.status < 300 || answer.status == 409));
        uses.into_iter().for_each(|used| drop(used.expect(200)));
        customer.consume_of("tokens", 1_000).await.expect(200);
        shop.settled().await;
        for _ in 0..2 {
            let compared = (0..4).map(|_| server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })));
            join_all(compared).await.into_iter().for_each(|answer| drop(answer.expect(200)));
        }
        let first = charged(&shop).await;
        let sum: i64 = first.iter().map(|(amount, _)| amount).sum();
        assert!((125..=205).contains(&sum) && sum % 5 == 0, "{first:?}");
        at_time(&shop, "2027-04-01T12:30:00Z").await;
        let words: Vec<(i64, &str)> = first.iter().map(|(amount, words)| (*amount, words.as_str())).collect();
        is_charged(&shop, "the end", &words).await;
        at_time(&shop, "2027-04-05T12:30:00Z").await;
        is_charged(&shop, "long after", &words).await;
    })
    .await;
}

/// Held before the change and settled after it, and told later of what was done before: both were used under the old plan.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_after_the_change_of_work_done_before_it_is_charged_at_the_old_price() {
    const MORE: (i64, &str) =
        (65, "130 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        at_time(&shop, "2027-03-16T11:50:00Z").await;
        let customer = shop.customer("ada");
        let held = json!({ "meter": "tokens", "quantity": 200, "ttl_seconds": 3_600 });
        let held = customer.reserve(held).await.expect(201).json()["reservation"].as_str().unwrap().to_owned();
        let rows = [("2027-03-16T12:00", super::Row::ChangesTo("pro")), ("2027-03-16T12:00", Charged(&[OLD]))];
        live(&shop, "monthly", &rows).await;
        at_time(&shop, "2027-03-16T12:10:00Z").await;
        let commit = json!({ "usage": [{ "meter": "tokens", "quantity": 100 }] });
        server.post(&format!("/api/v1/usage/reservations/{held}/commit"), commit).await.expect(200);
        let told =
            json!({ "external_id": "ada", "meter": "tokens", "quantity": 30, "occurred_at": "2027-03-15T12:00:00Z" });
        server.post("/api/v1/usage/events", json!({ "events": [told] })).await.expect(200);
        customer.consume_of("tokens", 700).await.expect(200);
        let rows = [
            ("2027-03-16T12:20", Charged(&[OLD, MORE])),
            ("2027-04-01T12:30", Charged(&[OLD, MORE])),
            ("2027-04-05T12:30", Charged(&[OLD, MORE])),
        ];
        live(&shop, "monthly", &rows).await;
    })
    .await;
}

/// Ended at Stripe on 16 March with 150 pages, which are 50 past 100, and bought again there on 18 March, and nothing is heard
/// of either. The 40 in between are free. Of 195 in the end the last 5 are past 100 under what was bought again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_between_two_subscriptions_is_free() {
    const FIRST: (i64, &str) =
        (500, "50 pages past 100, at 0.1 USD for each 1 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const SECOND: (i64, &str) =
        (50, "5 pages past 100, at 0.1 USD for each 1 (18 March 2027, 12:00 to 1 April 2027, 00:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("pages", 150))]).await;
        at_time(&shop, "2027-03-16T12:00:00Z").await;
        shop.ask("/sandbox/webhooks", json!({ "lose": 100 })).await;
        let id = shop.subscription("ada").await["billing"]["subscription"].as_str().expect("an id").to_owned();
        let ended = shop.stripe_delete(&format!("subscriptions/{id}")).await;
        let ended_at = ended["ended_at"].as_i64().expect("an end");
        let is_over = async || shop.see("/sandbox/clock").await["now"].as_i64() >= Some(ended_at + 3);
        until("the second of the end is over, by any clock", is_over).await;
        shop.customer("ada").consume_of("pages", 40).await.expect(200);
        server.post("/api/v1/admin/clock", json!({ "now": "2027-03-18T12:00:00Z" })).await.expect(200);
        let customer = shop.last_customer().await;
        let card = shop.use_card(&customer, "pm_card_visa").await;
        let price = shop.stripe_get("prices?lookup_keys[]=basic_monthly").await["data"][0]["id"].clone();
        let form = [
            ("customer", customer.as_str()),
            ("items[0][price]", price.as_str().expect("a price")),
            ("default_payment_method", &card),
        ];
        assert_eq!(shop.stripe_post("subscriptions", &form).await["status"], "active");
        let rows = [
            ("2027-03-18T12:00", Charged(&[FIRST])),
            ("2027-03-20T12:00", Uses("pages", 5)),
            ("2027-04-04T12:00", Charged(&[FIRST, SECOND])),
            ("2027-04-05T12:00", Charged(&[FIRST, SECOND])),
        ];
        live(&shop, "monthly", &rows).await;
    })
    .await;
}

/// The plan is changed at Stripe, which is not heard of, then something is agreed that is of other things. The 300 between the
/// two are used under the new plan, as the 200 after it are, and cost nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_learned_after_something_was_agreed_counts_from_when_it_was_made() {
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        at_time(&shop, "2027-03-16T12:00:00Z").await;
        shop.ask("/sandbox/webhooks", json!({ "lose": 100 })).await;
        change_at_stripe(&shop, "pro_monthly", "always_invoice").await;
        shop.customer("ada").consume_of("tokens", 300).await.expect(200);
        put(&shop, "overrides", json!({ "limits": [{ "meter": "pages", "per": "month", "amount": 70 }] })).await;
        assert_eq!(shop.subscription("ada").await["plan"], "basic", "nothing was heard");
        shop.customer("ada").consume_of("tokens", 200).await.expect(200);
        let rows = [
            ("2027-03-18T12:00", Charged(&[OLD])),
            ("2027-04-01T12:30", Charged(&[OLD])),
            ("2027-04-05T12:00", Charged(&[OLD])),
        ];
        live(&shop, "monthly", &rows).await;
        assert_eq!(shop.subscription("ada").await["plan"], "pro");
    })
    .await;
}

/// To the year, which begins another period, and nothing is heard of it: the 500 that were used since are not charged by the
/// month that was over.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_after_a_change_of_interval_that_is_learned_late_is_not_charged_by_the_old_plan() {
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        at_time(&shop, "2027-03-16T12:00:00Z").await;
        shop.ask("/sandbox/webhooks", json!({ "lose": 100 })).await;
        change_at_stripe(&shop, "basic_annual", "always_invoice").await;
        shop.customer("ada").consume_of("tokens", 500).await.expect(200);
        let rows = [
            ("2027-03-18T12:00", Charged(&[OLD])),
            ("2027-04-05T12:00", Charged(&[OLD])),
            ("2027-04-20T12:00", Charged(&[OLD])),
        ];
        live(&shop, "annual", &rows).await;
        assert_eq!(shop.subscription("ada").await["interval"], "annual");
    })
    .await;
}
