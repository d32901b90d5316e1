//! Payments that fail: grace, mails with a link, recovery, and what happens without it.

use serde_json::json;

use super::{CATALOG, DAY};
use crate::stage::{Shop, mails_to, until, with_catalog};

const FAILING: &str = "pm_card_chargeCustomerFail";

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_renewal_keeps_the_plan_for_the_days_of_grace_and_is_recovered_by_paying() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let account = shop.customer("ada").account().await;
        let email = json!({ "email": "ada@example.com" });
        server
            .send(server.request("PATCH", &format!("/api/v1/accounts/{account}")).json(&email))
            .await
            .unwrap()
            .expect(200);
        shop.buy("ada", "basic", "monthly").await;
        let customer = shop.last_customer().await;
        shop.use_card(&customer, FAILING).await;
        let ends = shop.subscription("ada").await["billing"]["period"]["end"].clone();
        server.post("/api/v1/admin/clock", json!({ "now": ends })).await.expect(200);
        // Stripe charges an hour after the period's end.
        shop.advance(2 * 3_600).await;
        shop.until_status("ada", "past_due").await;
        let failing = shop.subscription("ada").await;
        assert_eq!(failing["plan"], "basic");
        assert!(failing["billing"]["grace_until"].is_string(), "{failing}");
        until("the failure is told", async || mails_to(server, "ada@example.com", "payment_failed").await.len() == 1)
            .await;
        let owed = shop.invoices("ada").await.last().cloned().unwrap();
        assert_eq!((&owed["status"], &owed["amount_due"]), (&json!("open"), &json!("10.00")));

        shop.advance(3 * DAY - 3_600).await;
        let fallen = shop.subscription("ada").await;
        assert_eq!((&fallen["plan"], &fallen["status"]), (&json!("free"), &json!("past_due")), "grace is over");

        let invoice = owed["stripe_id"].as_str().unwrap();
        let card = shop.use_card(&customer, "pm_card_visa").await;
        let paid = shop.stripe_post(&format!("invoices/{invoice}/pay"), &[("payment_method", &card)]).await;
        assert_eq!(paid["status"], "paid", "{paid}");
        shop.until_status("ada", "active").await;
        assert_eq!(shop.subscription("ada").await["plan"], "basic");
        let story = shop.story("ada").await;
        for kind in ["payment_failed", "past_due", "recovered", "renewed"] {
            assert!(story.contains(&kind.to_owned()), "{kind} in {story:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_paid_ends_in_the_free_plan() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        let customer = shop.last_customer().await;
        shop.use_card(&customer, FAILING).await;
        shop.advance(60 * DAY).await;
        let ended = shop.subscription("ada").await;
        assert_eq!((&ended["plan"], &ended["billing"]), (&json!("free"), &json!(null)), "{ended}");
        assert!(shop.story("ada").await.contains(&"canceled".to_owned()));
    })
    .await;
}
