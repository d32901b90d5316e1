//! Banks that ask back, and money that comes late or goes back.

use serde_json::json;

use super::super::{CATALOG, DAY};
use super::{pay_with, renew, totals, with_mail};
use crate::stage::{Shop, assert_problem, mails_to, reconcile_all, until, with_catalog};

const CONFIRMED_EACH_TIME: &str = "4000002760003184";
const DISPUTED: &str = "4000000000000259";
/// Bank accounts: the payment is made a day later, or is not.
const LATE: &str = "000123456789";
const LATE_AND_FAILING: &str = "000111111116";

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_the_bank_asks_about_is_mailed_with_the_page_to_confirm_it_on() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        with_mail(&shop, "ada", "ada@example.com").await;
        shop.buy("ada", "basic", "monthly").await;
        shop.use_card(&shop.last_customer().await, "pm_card_authenticationRequired").await;
        renew(&shop, "ada").await;
        shop.until_status("ada", "past_due").await;
        assert_eq!(shop.subscription("ada").await["plan"], "basic", "within the days of grace");
        let mails = async |kind: &str| mails_to(server, "ada@example.com", kind).await;
        until("the question is mailed", async || mails("payment_action_required").await.len() == 1).await;
        assert!(mails("payment_failed").await.is_empty(), "it has not failed: the bank asks");
        let owed = shop.invoices("ada").await.last().cloned().unwrap();
        let page = owed["hosted_url"].as_str().unwrap();
        let mail = mails("payment_action_required").await[0]["id"].clone();
        let mail = server.get(&format!("/api/v1/admin/mails/{}", mail.as_str().unwrap())).await.expect(200);
        assert!(mail.text.contains(page), "{page} in {}", mail.text);

        let payment = shop.payments("ada").await.last().cloned().unwrap();
        assert_eq!(payment["status"], "requires_action");
        let intent = payment["stripe_id"].as_str().unwrap();
        let paid = shop.ask(&format!("/sandbox/3ds/{intent}"), json!({ "confirm": true })).await;
        assert_eq!(paid["status"], "succeeded", "{paid}");
        shop.until_status("ada", "active").await;
        shop.settled().await;
        let story = shop.story("ada").await;
        assert!(story.contains(&"recovered".to_owned()) && story.contains(&"renewed".to_owned()), "{story:?}");
        assert_eq!(shop.payments("ada").await.last().unwrap()["status"], "succeeded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_that_the_bank_asks_about_gives_the_plan_when_it_is_confirmed() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        for is_confirmed in [false, true] {
            let asked = pay_with(&shop, "ada", "basic", CONFIRMED_EACH_TIME).await;
            assert_eq!(asked["status"], "requires_action", "{asked}");
            shop.settled().await;
            assert_eq!(shop.subscription("ada").await["plan"], "free");
            let path = format!("/sandbox/3ds/{}", asked["intent"].as_str().unwrap());
            shop.ask(&path, json!({ "confirm": is_confirmed })).await;
            shop.settled().await;
            let plan = if is_confirmed { "basic" } else { "free" };
            shop.until_on("ada", plan).await;
        }
        assert_eq!(totals(&shop, "ada").await, ["10.00"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_back_at_stripe_is_shown_and_takes_no_plan_away() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        shop.settled().await;
        let intent = shop.payments("ada").await[0]["stripe_id"].as_str().unwrap().to_owned();
        for (amount, refunded) in [("300", "3.00"), ("700", "10.00")] {
            shop.stripe_post("refunds", &[("payment_intent", &intent), ("amount", amount)]).await;
            shop.settled().await;
            assert_eq!(shop.payments("ada").await[0]["refunded"], refunded);
        }
        let history = shop.history("ada").await;
        let told: Vec<_> = history.iter().filter(|entry| entry["kind"] == "refunded").collect();
        let amounts: Vec<_> = told.iter().map(|entry| entry["amount"].clone()).collect();
        assert_eq!(amounts, [json!("3.00"), json!("10.00")], "what is paid back altogether");
        assert_eq!(shop.subscription("ada").await["plan"], "basic");
        assert_eq!(shop.payments("ada").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_is_shown_and_told_once() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        pay_with(&shop, "ada", "basic", DISPUTED).await;
        shop.until_on("ada", "basic").await;
        shop.settled().await;
        reconcile_all(server).await;
        let payment = shop.payments("ada").await[0].clone();
        assert_eq!((&payment["disputed"], &payment["status"]), (&json!(true), &json!("succeeded")), "{payment}");
        let told = shop.story("ada").await.into_iter().filter(|kind| kind == "disputed").count();
        assert_eq!(told, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_takes_days_is_told_as_paid_or_failed_when_it_is() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        for (who, email, account) in
            [("paid", "paid@example.com", LATE), ("unpaid", "unpaid@example.com", LATE_AND_FAILING)]
        {
            with_mail(&shop, who, email).await;
            let done = pay_with(&shop, who, "basic", account).await;
            assert_eq!((&done["status"], &done["payment_status"]), (&json!("complete"), &json!("unpaid")), "{done}");
            shop.settled().await;
            assert_eq!(shop.payments(who).await[0]["status"], "processing");
            let story = shop.story(who).await;
            assert!(!story.iter().any(|kind| kind == "paid" || kind == "payment_failed"), "{who}: {story:?}");
        }
        shop.advance(DAY + 60).await;
        shop.until_status("unpaid", "past_due").await;
        let told = async |who: &str, kind: &str| shop.story(who).await.iter().filter(|told| *told == kind).count();
        assert_eq!((told("paid", "paid").await, told("paid", "payment_failed").await), (1, 0));
        assert_eq!((told("unpaid", "paid").await, told("unpaid", "payment_failed").await), (0, 1));
        assert_eq!(shop.subscription("paid").await["plan"], "basic");
        until("the failure is mailed", async || {
            mails_to(server, "unpaid@example.com", "payment_failed").await.len() == 1
        })
        .await;
        assert!(mails_to(server, "paid@example.com", "payment_failed").await.is_empty());
        // Nothing is given past the three days of grace.
        shop.advance(3 * DAY).await;
        assert_eq!(shop.subscription("unpaid").await["plan"], "free");
        assert_eq!(told("unpaid", "payment_failed").await, 1);
        assert_problem(&shop.checkout("paid", "pro", "monthly").await, 409, "already_subscribed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_that_are_paid_days_later_are_given_when_they_are_paid() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        for (who, account) in [("paid", LATE), ("unpaid", LATE_AND_FAILING)] {
            shop.customer(who).consume(100).await.expect(200);
            let body = json!({ "external_id": who, "pack": "small" });
            let page = server.post("/api/v1/credit-packs/checkout", body).await.expect(201).json();
            let done = shop.pay(page["session"].as_str().unwrap(), account).await;
            assert_eq!(done["payment_status"], "unpaid", "{done}");
            shop.settled().await;
            shop.customer(who).consume(1).await.expect(429);
        }
        shop.advance(DAY + 60).await;
        until("the credit is given", async || shop.customer("paid").consume(1).await.status == 200).await;
        reconcile_all(server).await;
        shop.customer("unpaid").consume(1).await.expect(429);
        // What has failed is asked about no more.
        let asked = async || {
            let asked = shop.see("/sandbox/requests").await["requests"].as_array().cloned().unwrap_or_default();
            asked
                .iter()
                .filter(|call| call["path"].as_str().is_some_and(|path| path.contains("checkout/sessions/")))
                .count()
        };
        let before = asked().await;
        for _ in 0..2 {
            server.post("/api/v1/admin/reconcile", json!({ "external_id": "unpaid" })).await.expect(200);
        }
        assert_eq!(asked().await, before);
        let body = json!({ "external_id": "unpaid", "pack": "small" });
        server.post("/api/v1/credit-packs/checkout", body).await.expect(201);
    })
    .await;
}
