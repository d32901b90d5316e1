//! From a customer to a paid subscription, by checkout and by the API, with the webhooks that tell of it.

use serde_json::json;

use crate::stage::{Stage, text, whole};

#[tokio::test]
async fn a_paid_checkout_makes_the_subscription_and_tells_of_it() {
    let stage = Stage::start().await;
    let price = stage.price("pro_monthly", "1500", "month").await;
    let customer = stage.post("/v1/customers", &[("email", "ada@example.com"), ("metadata[account]", "acct_1")]).await;
    let form = [
        ("mode", "subscription"),
        ("customer", text(&customer, "id")),
        ("line_items[0][price]", &price),
        ("line_items[0][quantity]", "1"),
        ("subscription_data[metadata][account]", "acct_1"),
        ("success_url", "http://app.test/ok?session={CHECKOUT_SESSION_ID}"),
        ("client_reference_id", "acct_1"),
    ];
    let session = stage.post("/v1/checkout/sessions", &form).await;
    let id = text(&session, "id");
    assert_eq!((text(&session, "status"), &session["subscription"]), ("open", &json!(null)));
    assert_eq!(whole(&session, "amount_total"), 1500);
    assert_eq!(stage.seen("counts").await["subscriptions"], 0);

    let paid = stage.steer(&format!("checkout/{id}/pay"), json!({ "card": "4242424242424242" })).await;
    assert_eq!(text(&paid, "success_url"), format!("http://app.test/ok?session={id}"));
    let session =
        stage.get(&format!("/v1/checkout/sessions/{id}"), &[("expand[]", "subscription.latest_invoice")]).await;
    assert_eq!((text(&session, "status"), text(&session, "payment_status")), ("complete", "paid"));
    let subscription = &session["subscription"];
    assert_eq!((text(subscription, "status"), text(subscription, "metadata.account")), ("active", "acct_1"));
    assert_eq!(text(subscription, "items.data.0.price.id"), price);
    assert_eq!(text(subscription, "latest_invoice.status"), "paid");
    assert_eq!(whole(subscription, "latest_invoice.amount_paid"), 1500);
    let invoice = text(subscription, "latest_invoice.id");
    let payments = stage.get("/v1/invoice_payments", &[("invoice", invoice)]).await;
    let intent =
        stage.get(&format!("/v1/payment_intents/{}", text(&payments, "data.0.payment.payment_intent")), &[]).await;
    assert_eq!((text(&intent, "status"), whole(&intent, "amount_received")), ("succeeded", 1500));

    stage.settled().await;
    let types = stage.receiver.types();
    for wanted in [
        "checkout.session.completed",
        "customer.subscription.created",
        "invoice.paid",
        "payment_intent.succeeded",
        "charge.succeeded",
    ] {
        assert_eq!(types.iter().filter(|name| *name == wanted).count(), 1, "{wanted}: {types:?}");
    }
}

#[tokio::test]
async fn webhooks_come_in_the_order_of_their_making_and_again_until_they_are_taken() {
    let stage = Stage::start().await;
    stage.receiver.answer_with(500);
    for number in 0..4 {
        stage.post("/v1/customers", &[("name", &number.to_string())]).await;
    }
    stage.receiver.answer_with(200);
    let events = stage.settled().await;
    assert_eq!(events.len(), 4, "{:?}", stage.receiver.types());
    let names: std::collections::BTreeSet<&str> = events.iter().map(|event| text(event, "data.object.name")).collect();
    assert_eq!(names.len(), 4);
    stage.receiver.forget();
    for number in 0..20 {
        stage.post("/v1/customers", &[("name", &format!("{number:02}"))]).await;
    }
    let names: Vec<String> =
        stage.settled().await.iter().map(|event| text(event, "data.object.name").to_owned()).collect();
    assert_eq!(names, (0..20).map(|number| format!("{number:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn webhooks_are_lost_doubled_held_and_shuffled_when_a_test_says_so() {
    let stage = Stage::start().await;
    stage.steer("webhooks", json!({ "lose": ["customer.created"] })).await;
    stage.post("/v1/customers", &[]).await;
    assert!(stage.settled().await.is_empty());
    stage.steer("webhooks", json!({ "double": 100 })).await;
    stage.post("/v1/customers", &[]).await;
    assert_eq!(stage.settled().await.len(), 2);
    stage.receiver.forget();
    stage.steer("webhooks", json!({ "hold": true, "shuffle": true, "seed": 7 })).await;
    for number in 0..10 {
        stage.post("/v1/customers", &[("name", &number.to_string())]).await;
    }
    assert!(stage.settled().await.is_empty());
    let released = stage.steer("webhooks/release", json!({})).await;
    assert_eq!(released["released"], 10);
    let names: Vec<String> =
        stage.settled().await.iter().map(|event| text(event, "data.object.name").to_owned()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted.len(), 10);
    assert_ne!(names, sorted);
}

#[tokio::test]
async fn a_declined_card_leaves_the_session_open() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "1500", "month").await;
    let form = [
        ("mode", "subscription"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://app.test/ok"),
    ];
    let session = stage.post("/v1/checkout/sessions", &form).await;
    let pay = format!("checkout/{}/pay", text(&session, "id"));
    let declined = stage.steer(&pay, json!({ "card": "4000000000000002" })).await;
    assert_eq!(declined["error"], "Your card was declined.");
    let counts = stage.seen("counts").await;
    assert_eq!((&counts["subscriptions"], &counts["charges_failed"]), (&json!(0), &json!(1)));
    assert_eq!(stage.steer(&pay, json!({ "card": "4242424242424242" })).await["status"], "complete");
    let counts = stage.seen("counts").await;
    assert_eq!(
        (&counts["subscriptions"], &counts["charges_succeeded"], &counts["customers"]),
        (&json!(1), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_state_file_is_read_again_and_addresses_follow() {
    let file = std::env::temp_dir().join(format!("stripe-sandbox-{}.json", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let stage = Stage::with(Some(file.clone())).await;
    let price = stage.price("pro", "1500", "month").await;
    let subscription = stage.subscription("pm_card_visa", &price).await;
    let (old_url, path) = (stage.url.clone(), format!("/v1/subscriptions/{}", text(&subscription, "id")));
    stage.settled().await;
    drop(stage);
    let stage = Stage::with(Some(file.clone())).await;
    assert_ne!(stage.url, old_url);
    assert_eq!(stage.get(&path, &[]).await, subscription);
    let invoice = stage.get(&format!("/v1/invoices/{}", text(&subscription, "latest_invoice")), &[]).await;
    assert!(text(&invoice, "hosted_invoice_url").starts_with(&stage.url), "{invoice}");
    stage.advance(32 * 86_400).await;
    let renewed = stage.get(&path, &[]).await;
    assert_ne!(renewed["latest_invoice"], subscription["latest_invoice"], "what was to fall due still does");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_long_invoice_shows_ten_lines_and_lists_them_all() {
    let stage = Stage::start().await;
    let customer = stage.customer("pm_card_visa").await;
    for _ in 0..12 {
        stage.post("/v1/invoiceitems", &[("customer", &customer), ("amount", "100"), ("currency", "usd")]).await;
    }
    let form = [("customer", customer.as_str()), ("pending_invoice_items_behavior", "include")];
    let invoice = stage.post("/v1/invoices", &form).await;
    assert_eq!((whole(&invoice, "total"), invoice["lines"]["data"].as_array().map(Vec::len)), (1200, Some(10)));
    assert_eq!(invoice["lines"]["has_more"], true);
    let lines = stage.get(&format!("/v1/invoices/{}/lines", text(&invoice, "id")), &[("limit", "100")]).await;
    assert_eq!(lines["data"].as_array().map(Vec::len), Some(12));
}
