//! Accounts that are suspended, closed, given a plan, told of elsewhere, or deleted at Stripe.

use serde_json::{Value, json};

use super::super::{CATALOG, DAY};
use super::{price_of, renew, with_mail};
use crate::stage::{GOOD_CARD, Receiver, Shop, assert_problem, until, with_catalog};

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_deleted_at_stripe_is_on_the_free_plan_and_may_buy_again() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        with_mail(&shop, "ada", "ada@example.com").await;
        shop.buy("ada", "basic", "monthly").await;
        shop.settled().await;
        let first = shop.last_customer().await;
        delete_customer(&shop, &first).await;
        shop.until_on("ada", "free").await;
        let after = shop.subscription("ada").await;
        assert_eq!((&after["billing"], &after["source"]), (&json!(null), &json!("default")));
        shop.settled().await;
        assert_eq!(shop.story("ada").await.last().map(String::as_str), Some("canceled"));

        // A page that was open for a customer who is no more is not shown again.
        let open = shop.checkout("ada", "pro", "monthly").await.expect(201).json();
        let second = shop.last_customer().await;
        assert_ne!(first, second);
        delete_customer(&shop, &second).await;
        shop.settled().await;
        let page = shop.checkout("ada", "pro", "monthly").await.expect(201).json();
        assert_ne!(page["session"], open["session"]);
        shop.pay(page["session"].as_str().unwrap(), GOOD_CARD).await;
        shop.until_on("ada", "pro").await;
        assert!(![first, second].contains(&shop.last_customer().await));
        shop.settled().await;
        assert_eq!(shop.invoices("ada").await.len(), 2, "what was paid before stays written down");
    })
    .await;
}

async fn delete_customer(shop: &Shop<'_>, customer: &str) {
    let key = shop.server.ready["stripe_key"].as_str().unwrap_or("sk_test_sandbox");
    let request = reqwest::Client::new().delete(format!("{}/v1/customers/{customer}", shop.stripe)).bearer_auth(key);
    assert_eq!(request.send().await.expect("the stand-in answers").status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_plan_that_was_given_and_one_that_is_paid_the_higher_holds() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        let account = customer.account().await;
        let holds = async |plan: &str, source: &str| {
            let subscription = shop.subscription("ada").await;
            assert_eq!((&subscription["plan"], &subscription["source"]), (&json!(plan), &json!(source)));
            assert_eq!(subscription["billing"]["amount"], "10.00", "what is paid goes on");
        };
        shop.buy("ada", "basic", "monthly").await;
        customer.consume(700).await.expect(200);
        customer.grant("pro").await;
        holds("pro", "granted").await;
        customer.grant("tried").await;
        holds("tried", "granted").await;
        customer.grant("basic").await;
        holds("basic", "paid").await;
        assert_eq!(customer.used("requests").await, 700, "its period was going on");
        customer.grant("old").await;
        holds("basic", "paid").await;
        // A grant that ends gives way to what is paid, to the instant.
        let now = server.get("/api/v1/admin/clock").await.expect(200).json();
        let tomorrow = domain::time::Timestamp::from_seconds(crate::stage::seconds(&now["now"]) + DAY).to_string();
        let path = format!("/api/v1/accounts/{account}/grant");
        server.put(&path, json!({ "plan": "pro", "until": tomorrow })).await.expect(200);
        holds("pro", "granted").await;
        shop.advance(DAY + 60).await;
        assert_eq!(shop.subscription("ada").await["plan"], "basic", "there is no moment between the two");
        until("the row says so", async || shop.subscription("ada").await["source"] == "paid").await;
        holds("basic", "paid").await;
        assert_eq!(customer.used("requests").await, 700);
        customer.grant("enterprise").await;
        shop.post("cancel", "ada", json!({ "when": "now" })).await.expect(200);
        let left = shop.subscription("ada").await;
        assert_eq!(
            (&left["plan"], &left["source"], &left["billing"]),
            (&json!("enterprise"), &json!("granted"), &json!(null))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_or_closed_buys_nothing() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        for who in ["suspended", "closed"] {
            let account = shop.customer(who).account().await;
            shop.checkout(who, "basic", "monthly").await.expect(201);
            match who {
                "suspended" => {
                    let path = format!("/api/v1/accounts/{account}/status");
                    server.put(&path, json!({ "status": "suspended" })).await.expect(200);
                }
                _ => drop(server.delete(&format!("/api/v1/accounts/{account}")).await.expect(204)),
            }
            let plan = json!({ "account": account, "plan": "basic", "interval": "monthly" });
            let pack = json!({ "account": account, "pack": "small" });
            for (path, body) in
                [("subscription/checkout", &plan), ("subscription", &plan), ("credit-packs/checkout", &pack)]
            {
                let refused = server.post(&format!("/api/v1/{path}"), body.clone()).await;
                assert!((400..500).contains(&refused.status), "{who}, {path}: {}", refused.text);
            }
        }
        let counts = shop.counts().await;
        assert_eq!((&counts["subscriptions"], &counts["charges_succeeded"]), (&json!(0), &json!(0)), "{counts}");
        let active = json!({ "status": "active" });
        let account = shop.customer("suspended").account().await;
        server.put(&format!("/api/v1/accounts/{account}/status"), active).await.expect(200);
        shop.buy("suspended", "basic", "monthly").await;
        assert_problem(&shop.checkout("suspended", "pro", "monthly").await, 409, "already_subscribed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_for_another_plan_ends_the_one_that_was_not_paid() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        let begin = async |plan: &str| {
            let body = json!({ "external_id": "ada", "plan": plan, "interval": "monthly" });
            server.post("/api/v1/subscription", body).await.expect(201).json()["subscription"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let (first, again) = (begin("basic").await, begin("basic").await);
        assert_eq!(first, again, "the same while it waits");
        let second = begin("pro").await;
        assert_ne!(first, second);
        let status = async |id: &str| shop.stripe_get(&format!("subscriptions/{id}")).await["status"].clone();
        assert_eq!((status(&first).await, status(&second).await), (json!("canceled"), json!("incomplete")));
        shop.settled().await;
        assert_eq!(shop.subscription("ada").await["billing"]["subscription"], json!(second));
    })
    .await;
}

/// The pages are closed by the job; who has paid in the moment before is paid back.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_who_is_suspended_or_closed_are_closed_and_what_was_paid_all_the_same_is_paid_back() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        for who in ["suspended", "closed"] {
            let account = shop.customer(who).account().await;
            let page = shop.checkout(who, "basic", "monthly").await.expect(201).json();
            let pack = json!({ "external_id": who, "pack": "small" });
            let credits = server.post("/api/v1/credit-packs/checkout", pack).await.expect(201).json();
            let customer = shop.last_customer().await;
            match who {
                "suspended" => {
                    let path = format!("/api/v1/accounts/{account}/status");
                    server.put(&path, json!({ "status": "suspended" })).await.expect(200);
                }
                _ => drop(server.delete(&format!("/api/v1/accounts/{account}")).await.expect(204)),
            }
            shop.settled().await;
            for page in [&page, &credits] {
                let path = format!("checkout/sessions/{}", page["session"].as_str().unwrap());
                assert_eq!(shop.stripe_get(&path).await["status"], "expired", "{who}");
            }
            // As a page that was paid in the same moment.
            shop.advance(60).await;
            let card = shop.use_card(&customer, "pm_card_visa").await;
            let price = price_of(&shop, "basic_monthly").await["id"].as_str().unwrap().to_owned();
            let form =
                [("customer", customer.as_str()), ("items[0][price]", &price), ("default_payment_method", &card)];
            let sold = shop.stripe_post("subscriptions", &form).await;
            assert_eq!(sold["status"], "active", "{sold}");
            shop.settled().await;
            let path = format!("subscriptions/{}", sold["id"].as_str().unwrap());
            until("it is ended", async || shop.stripe_get(&path).await["status"] == "canceled").await;
            shop.settled().await;
        }
        let counts = shop.counts().await;
        assert_eq!((&counts["amount_charged"], &counts["amount_refunded"]), (&json!(2_000), &json!(2_000)), "{counts}");
        let story = shop.story("suspended").await;
        assert!(story.contains(&"late_purchase_refunded".to_owned()), "{story:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_endpoint_is_told_of_buying_failing_and_ending() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let account = shop.customer("ada").account().await;
        let receiver = Receiver::start().await;
        let endpoint = json!({ "url": receiver.url, "events": ["subscription.changed"] });
        server.post(&format!("/api/v1/accounts/{account}/webhook-endpoints"), endpoint).await.expect(201);
        let told = async || -> Vec<Value> {
            let received = receiver.received().await;
            let body = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            received.iter().map(|told| body(&told.body)["data"].clone()).collect()
        };
        let basic = |status: &str| json!({ "plan": "basic", "source": "paid", "status": status });
        let free = |status: &str| json!({ "plan": "free", "source": "default", "status": status });
        let mut wanted = vec![basic("active")];
        shop.buy("ada", "basic", "monthly").await;
        until("buying is told", async || told().await == wanted).await;

        shop.use_card(&shop.last_customer().await, "pm_card_chargeCustomerFail").await;
        renew(&shop, "ada").await;
        wanted.push(basic("past_due"));
        until("the failure is told", async || told().await == wanted).await;
        shop.advance(2 * DAY + 82_800).await;
        wanted.push(free("past_due"));
        until("the end of grace is told", async || told().await == wanted).await;
        shop.advance(30 * DAY).await;
        wanted.push(free("active"));
        until("the end is told", async || told().await.last() == wanted.last()).await;
        shop.settled().await;
        assert_eq!(told().await, wanted);
    })
    .await;
}
