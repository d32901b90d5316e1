//! Buying a plan: on Stripe's page, on a form of the app's, at sign-up; and what is refused.

use serde_json::json;

use super::CATALOG;
use crate::stage::{
    DECLINED_CARD, GOOD_CARD, PASSWORD, Person, Shop, ask, assert_problem, limit, mail_link, mails_to, until,
    with_catalog,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_checkout_puts_the_account_on_the_plan_and_leaves_records() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        let account = customer.account().await;
        let email = json!({ "email": "ada@example.com", "billing_email": "bills@example.com" });
        let request = server.request("PATCH", &format!("/api/v1/accounts/{account}")).json(&email);
        server.send(request).await.unwrap().expect(200);
        customer.consume(90).await.expect(200);

        let page = shop.checkout("ada", "basic", "monthly").await.expect(201).json();
        assert!(page["checkout_url"].as_str().unwrap().starts_with(&shop.stripe), "{page}");
        assert_eq!(shop.subscription("ada").await["plan"], "free", "nothing is had before it is paid");
        shop.pay(page["session"].as_str().unwrap(), GOOD_CARD).await;
        shop.until_on("ada", "basic").await;
        shop.settled().await;

        let subscription = shop.subscription("ada").await;
        assert_eq!((&subscription["status"], &subscription["source"]), (&json!("active"), &json!("paid")));
        assert_eq!(subscription["billing"]["amount"], "10.00");
        assert_eq!(subscription["billing"]["auto_renew"], true);
        assert_eq!(subscription["period"], subscription["billing"]["period"], "a month of usage is a month of billing");
        let usage = customer.usage().await;
        assert_eq!(
            (&limit(&usage, "requests")["limit"], &limit(&usage, "requests")["used"]),
            (&json!(1_000), &json!(0))
        );

        let invoices = shop.invoices("ada").await;
        assert_eq!(invoices.len(), 1, "{invoices:?}");
        assert_eq!((&invoices[0]["status"], &invoices[0]["total"]), (&json!("paid"), &json!("10.00")));
        assert_eq!(invoices[0]["lines"].as_array().map(Vec::len), Some(1));
        for link in ["hosted_url", "pdf_url"] {
            let answer = reqwest::get(invoices[0][link].as_str().unwrap()).await.unwrap();
            assert_eq!(answer.status(), 200, "{link}");
        }
        let one =
            server.get(&format!("/api/v1/invoices/{}?external_id=ada", invoices[0]["id"].as_str().unwrap())).await;
        assert_eq!(one.expect(200).json(), invoices[0]);
        let payments = shop.payments("ada").await;
        assert_eq!(payments.len(), 1, "{payments:?}");
        assert_eq!((&payments[0]["status"], &payments[0]["amount"]), (&json!("succeeded"), &json!("10.00")));
        assert_eq!(payments[0]["invoice"], invoices[0]["id"]);
        assert!(payments[0]["receipt_url"].is_string());
        assert_eq!(shop.story("ada").await, ["created", "activated", "paid"]);
        until("the mails are written", async || {
            let receipts = mails_to(server, "bills@example.com", "receipt").await;
            let confirmed = mails_to(server, "bills@example.com", "subscription_confirmed").await;
            (receipts.len(), confirmed.len()) == (1, 1)
        })
        .await;
        assert!(mails_to(server, "ada@example.com", "receipt").await.is_empty(), "receipts go where invoices go");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_is_given_while_it_is_open_and_no_second_plan_is_sold() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        let first = shop.checkout("ada", "basic", "monthly").await.expect(201).json();
        let again = shop.checkout("ada", "basic", "monthly").await.expect(201).json();
        assert_eq!(first, again);
        assert_eq!(shop.counts().await["customers"], 1);
        let session = first["session"].as_str().unwrap();
        let declined = shop.pay(session, DECLINED_CARD).await;
        assert!(!declined["error"].is_null(), "{declined}");
        shop.pay(session, GOOD_CARD).await;
        shop.until_on("ada", "basic").await;
        assert_problem(&shop.checkout("ada", "pro", "monthly").await, 409, "already_subscribed");
        let body = json!({ "external_id": "ada", "plan": "pro", "interval": "monthly" });
        assert_problem(&server.post("/api/v1/subscription", body).await, 409, "already_subscribed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sold_is_refused_with_the_reason() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        for (plan, interval, reason) in [
            ("free", "monthly", "is free"),
            ("enterprise", "monthly", "contact sales"),
            ("old", "monthly", "not sold any more"),
            ("tried", "annual", "not sold annual"),
        ] {
            let problem = assert_problem(&shop.checkout("ada", plan, interval).await, 422, "plan_not_sold");
            assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
            assert_eq!(problem["plan"], plan);
        }
        let problem = assert_problem(&shop.checkout("ada", "bascic", "monthly").await, 404, "not_found");
        assert!(problem["detail"].as_str().unwrap().contains("did you mean basic"), "{problem}");
        let nobody = shop.checkout("nobody", "basic", "monthly").await;
        assert_problem(&nobody, 404, "account_unknown");
        for target in ["https://evil.example/x", "//evil.example", "javascript:alert(1)", "not an address"] {
            let body = json!({ "external_id": "ada", "plan": "basic", "interval": "monthly", "success_url": target });
            let problem =
                assert_problem(&server.post("/api/v1/subscription/checkout", body).await, 422, "invalid_request");
            assert_eq!(problem["field"], "success_url");
        }
        let body = json!({ "external_id": "ada", "plan": "basic", "interval": "monthly",
            "success_url": format!("{}/done?session={{CHECKOUT_SESSION_ID}}", server.url) });
        server.post("/api/v1/subscription/checkout", body).await.expect(201);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_and_admins_buy_and_members_do_not() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let owner = Person::new(server, "owner@example.com").await;
        let body = json!({ "plan": "basic", "interval": "monthly" });
        let member = Person::new(server, "member@example.com").await;
        let invited = json!({ "email": "member@example.com", "role": "member" });
        let path = format!("/api/v1/accounts/{}/invitations", owner.account);
        owner.post(&path, invited).await.expect(201);
        let token = mail_link(server, "member@example.com", "invitation").await;
        member.post("/api/v1/invitations/accept", json!({ "token": token })).await.expect(200);
        let mut for_team = body.clone();
        for_team["account"] = json!(owner.account);
        let refused = member.post("/api/v1/subscription/checkout", for_team.clone()).await;
        assert_problem(&refused, 403, "insufficient_role");
        let stranger = Person::new(server, "stranger@example.com").await;
        let refused = stranger.post("/api/v1/subscription/checkout", for_team.clone()).await;
        assert_problem(&refused, 404, "account_unknown");
        let page = owner.post("/api/v1/subscription/checkout", for_team.clone()).await.expect(201).json();
        shop.pay(page["session"].as_str().unwrap(), GOOD_CARD).await;
        let path = format!("/api/v1/subscription?account={}", owner.account);
        until("the team is on the plan", async || owner.get(&path).await.json()["plan"] == "basic").await;
        assert_problem(&owner.post("/api/v1/subscription/checkout", for_team).await, 409, "already_subscribed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_checkouts_that_are_both_paid_the_second_is_ended_and_paid_back() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        let first = shop.checkout("ada", "basic", "monthly").await.expect(201).json();
        let second = shop.checkout("ada", "pro", "annual").await.expect(201).json();
        assert_ne!(first["session"], second["session"]);
        shop.pay(first["session"].as_str().unwrap(), GOOD_CARD).await;
        // The clock of subscriptions counts seconds: the other is made later.
        shop.ask("/sandbox/clock", json!({ "advance_seconds": 2 })).await;
        shop.pay(second["session"].as_str().unwrap(), GOOD_CARD).await;
        until("the second is paid back", async || shop.counts().await["refunds"] == 1).await;
        shop.settled().await;
        shop.until_on("ada", "basic").await;
        let payments = shop.payments("ada").await;
        let amounts: Vec<_> = payments.iter().map(|paid| (paid["amount"].clone(), paid["refunded"].clone())).collect();
        assert_eq!(amounts, [(json!("10.00"), json!("0.00")), (json!("300.00"), json!("300.00"))]);
        let story = shop.story("ada").await;
        assert!(
            story.contains(&"double_found".to_owned()) && story.contains(&"double_refunded".to_owned()),
            "{story:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_the_apps_own_begins_a_subscription_that_waits_for_its_payment() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        let body = json!({ "external_id": "ada", "plan": "basic", "interval": "annual" });
        let begun = server.post("/api/v1/subscription", body.clone()).await.expect(201).json();
        assert_eq!(begun["status"], "incomplete");
        assert!(begun["publishable_key"].as_str().unwrap().starts_with("pk_test_"));
        assert_eq!(server.post("/api/v1/subscription", body).await.expect(201).json(), begun);
        assert_eq!(shop.subscription("ada").await["plan"], "free");
        assert_eq!(shop.subscription("ada").await["status"], "incomplete");
        let secret = begun["client_secret"].as_str().unwrap();
        let intent = secret.split("_secret_").next().unwrap();
        let confirm = format!("payment_intents/{intent}/confirm");
        let paid = shop.stripe_post(&confirm, &[("payment_method", "pm_card_visa")]).await;
        assert_eq!(paid["status"], "succeeded", "{paid}");
        shop.until_on("ada", "basic").await;
        let subscription = shop.subscription("ada").await;
        assert_eq!((&subscription["status"], &subscription["interval"]), (&json!("active"), &json!("annual")));
        // A year is paid for, and usage is counted by the month.
        assert_ne!(subscription["period"]["end"], subscription["billing"]["period"]["end"]);
        assert_eq!(subscription["period"]["start"], subscription["billing"]["period"]["start"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_registers_with_a_paid_plan_is_told_where_to_pay() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "plan": "basic", "interval": "annual" });
        let answer = ask(server, "POST", "/api/v1/auth/register", body).await.expect(201).json();
        let person = Person::of(server, "ada@example.com", &answer);
        let url = answer["checkout_url"].as_str().expect("a page to pay on");
        assert!(url.starts_with(&shop.stripe), "{url}");
        let subscription = person.get("/api/v1/subscription").await.expect(200).json();
        assert_eq!(subscription["plan"], "free");
        let session = url.trim_end_matches('/').rsplit('/').next().unwrap().split(['?', '#']).next().unwrap();
        shop.pay(session, GOOD_CARD).await;
        let on_plan = async || person.get("/api/v1/subscription").await.json()["plan"] == "basic";
        until("the plan holds", on_plan).await;
        let free = json!({ "email": "bob@example.com", "password": PASSWORD });
        let answer = ask(server, "POST", "/api/v1/auth/register", free).await.expect(201).json();
        assert_eq!(answer["checkout_url"], json!(null));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_is_had_once() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.buy("ada", "tried", "monthly").await;
        let subscription = shop.subscription("ada").await;
        assert_eq!(subscription["status"], "trialing");
        assert!(subscription["billing"]["trial_ends_at"].is_string());
        shop.settled().await;
        assert_eq!(shop.story("ada").await, ["created", "trial_started"]);
        shop.post("cancel", "ada", json!({ "when": "now" })).await.expect(200);
        assert_eq!(shop.subscription("ada").await["plan"], "free");
        shop.buy("ada", "tried", "monthly").await;
        assert_eq!(shop.subscription("ada").await["status"], "active", "the second time it is paid at once");
    })
    .await;
}
