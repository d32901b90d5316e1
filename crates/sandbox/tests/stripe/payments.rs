//! Payments that need their owner, fail, come late, are disputed or paid back.

use serde_json::{Value, json};

use crate::stage::{Stage, text, whole};

const DAY: i64 = 86_400;

async fn session(stage: &Stage, more: &[(&str, &str)]) -> String {
    let price = stage.price("pro", "2000", "month").await;
    let mut form = vec![
        ("mode", "subscription"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://app.test/ok"),
    ];
    form.extend_from_slice(more);
    text(&stage.post("/v1/checkout/sessions", &form).await, "id").to_owned()
}

async fn read_session(stage: &Stage, id: &str) -> Value {
    stage.get(&format!("/v1/checkout/sessions/{id}"), &[("expand[]", "subscription")]).await
}

#[tokio::test]
async fn a_card_of_an_owner_is_confirmed_or_not() {
    let stage = Stage::start().await;
    let id = session(&stage, &[]).await;
    let pay = format!("checkout/{id}/pay");
    let asked = stage.steer(&pay, json!({ "card": "4000002760003184" })).await;
    assert_eq!(text(&asked, "status"), "requires_action");
    assert_eq!(read_session(&stage, &id).await["subscription"], json!(null));
    let intent = text(&asked, "payment_intent");
    let failed = stage.steer(&format!("3ds/{intent}"), json!({ "confirm": false })).await;
    assert_eq!(text(&failed, "status"), "requires_payment_method");
    assert_eq!(text(&failed, "last_payment_error.code"), "payment_intent_authentication_failure");
    stage.steer(&pay, json!({ "card": "4000002760003184" })).await;
    let done = stage.steer(&format!("3ds/{intent}"), json!({ "confirm": true })).await;
    assert_eq!(text(&done, "status"), "succeeded");
    let complete = read_session(&stage, &id).await;
    assert_eq!((text(&complete, "status"), text(&complete, "subscription.status")), ("complete", "active"));
    let counts = stage.seen("counts").await;
    assert_eq!((&counts["charges_succeeded"], &counts["amount_charged"]), (&json!(1), &json!(2000)));
}

#[tokio::test]
async fn a_renewal_without_the_owner_waits_for_a_confirmation() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "2000", "month").await;
    let customer = stage.customer("pm_card_authenticationRequired").await;
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", &price),
        ("expand[]", "latest_invoice.confirmation_secret"),
    ];
    let made = stage.post("/v1/subscriptions", &form).await;
    assert_eq!(text(&made, "status"), "incomplete");
    let secret = text(&made, "latest_invoice.confirmation_secret.client_secret");
    let intent = secret.split("_secret_").next().unwrap().to_owned();
    stage.steer(&format!("3ds/{intent}"), json!({ "confirm": true })).await;
    let path = format!("/v1/subscriptions/{}", text(&made, "id"));
    assert_eq!(text(&stage.get(&path, &[]).await, "status"), "active");

    stage.advance(32 * DAY).await;
    let late = stage.get(&path, &[]).await;
    assert_eq!(text(&late, "status"), "past_due");
    let invoice = format!("/v1/invoices/{}", text(&late, "latest_invoice"));
    let invoice = stage.get(&invoice, &[("expand[]", "payments.data.payment.payment_intent")]).await;
    let intent = &invoice["payments"]["data"][0]["payment"]["payment_intent"];
    assert_eq!(text(intent, "status"), "requires_action");
    stage.settled().await;
    assert!(stage.receiver.types().contains(&"invoice.payment_action_required".to_owned()));
    stage.steer(&format!("3ds/{}", text(intent, "id")), json!({ "confirm": true })).await;
    assert_eq!(text(&stage.get(&path, &[]).await, "status"), "active");
}

#[tokio::test]
async fn an_incomplete_subscription_is_paid_with_its_secret_or_expires() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "2000", "month").await;
    let customer = text(&stage.post("/v1/customers", &[]).await, "id").to_owned();
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", &price),
        ("payment_behavior", "default_incomplete"),
        ("expand[]", "latest_invoice.confirmation_secret"),
    ];
    let (first, second) = (stage.post("/v1/subscriptions", &form).await, stage.post("/v1/subscriptions", &form).await);
    let secret = text(&first, "latest_invoice.confirmation_secret.client_secret");
    let confirm = format!("/v1/payment_intents/{}/confirm", secret.split("_secret_").next().unwrap());
    let declined =
        stage.refused(&confirm, &[("payment_method", "pm_card_visa_chargeDeclined"), ("client_secret", secret)]).await;
    assert_eq!((declined.0, text(&declined.1, "payment_intent.status")), (402, "requires_payment_method"));
    stage.post(&confirm, &[("payment_method", "pm_card_visa"), ("client_secret", secret)]).await;
    stage.advance(DAY).await;
    let status = |made: Value| {
        let stage = &stage;
        async move { stage.get(&format!("/v1/subscriptions/{}", text(&made, "id")), &[]).await["status"].clone() }
    };
    assert_eq!((status(first).await, status(second).await), (json!("active"), json!("incomplete_expired")));
    let (code, error) = stage.refused("/v1/subscriptions", &form[..2]).await;
    assert_eq!((code, text(&error, "code")), (400, "resource_missing"));
    let bad = stage.customer("pm_card_chargeCustomerFail").await;
    let form = [("customer", bad.as_str()), ("items[0][price]", &price), ("payment_behavior", "error_if_incomplete")];
    assert_eq!(stage.refused("/v1/subscriptions", &form).await.0, 402);
    assert_eq!(stage.get("/v1/subscriptions", &[("customer", &bad), ("status", "all")]).await["data"], json!([]));
}

#[tokio::test]
async fn a_delayed_method_completes_unpaid_and_is_known_a_day_later() {
    let stage = Stage::start().await;
    for (account, event, status) in [
        ("000123456789", "checkout.session.async_payment_succeeded", "paid"),
        ("000111111116", "checkout.session.async_payment_failed", "unpaid"),
    ] {
        let id = session(&stage, &[]).await;
        stage.steer(&format!("checkout/{id}/pay"), json!({ "card": account })).await;
        let complete = read_session(&stage, &id).await;
        assert_eq!((text(&complete, "status"), text(&complete, "payment_status")), ("complete", "unpaid"));
        stage.advance(DAY + 1).await;
        stage.settled().await;
        assert!(stage.receiver.types().contains(&event.to_owned()), "{event}");
        assert_eq!(text(&read_session(&stage, &id).await, "payment_status"), status);
        stage
            .post(
                &format!("/v1/prices/{}", text(&complete, "subscription.items.data.0.price.id")),
                &[("lookup_key", "")],
            )
            .await;
    }
}

#[tokio::test]
async fn money_goes_back_in_part_and_whole_and_never_more() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "2000", "month").await;
    stage.subscription("pm_card_visa", &price).await;
    let charges = stage.get("/v1/charges", &[]).await;
    let (charge, intent) = (text(&charges, "data.0.id"), text(&charges, "data.0.payment_intent"));
    let part =
        stage.post("/v1/refunds", &[("charge", charge), ("amount", "500"), ("reason", "requested_by_customer")]).await;
    assert_eq!((whole(&part, "amount"), text(&part, "status")), (500, "succeeded"));
    assert_eq!(stage.refused("/v1/refunds", &[("charge", charge), ("amount", "1501")]).await.0, 400);
    stage.post("/v1/refunds", &[("payment_intent", intent)]).await;
    let (_, error) = stage.refused("/v1/refunds", &[("payment_intent", intent)]).await;
    assert_eq!(text(&error, "code"), "charge_already_refunded");
    let after = stage.get(&format!("/v1/charges/{charge}"), &[("expand[]", "refunds")]).await;
    assert_eq!((whole(&after, "amount_refunded"), &after["refunded"]), (2000, &json!(true)));
    assert_eq!(after["refunds"]["data"].as_array().unwrap().len(), 2);
    let told: Vec<Value> =
        stage.settled().await.into_iter().filter(|event| text(event, "type") == "charge.refunded").collect();
    assert_eq!(whole(&told[1], "data.previous_attributes.amount_refunded"), 500);
}

#[tokio::test]
async fn a_disputed_charge_is_told_and_closed() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "2000", "month").await;
    stage.subscription("pm_card_createDispute", &price).await;
    let disputes = stage.get("/v1/disputes", &[]).await;
    let dispute = text(&disputes, "data.0.id");
    assert_eq!(text(&disputes, "data.0.status"), "needs_response");
    let (_, error) = stage.refused("/v1/refunds", &[("charge", text(&disputes, "data.0.charge"))]).await;
    assert_eq!(text(&error, "code"), "charge_disputed");
    assert_eq!(text(&stage.post(&format!("/v1/disputes/{dispute}/close"), &[]).await, "status"), "lost");
    stage.settled().await;
    for wanted in ["charge.dispute.created", "charge.dispute.closed"] {
        assert!(stage.receiver.types().contains(&wanted.to_owned()), "{wanted}");
    }
}

/// 20 % off $20.00, and 10 % tax on the rest: 1600 + 160.
#[tokio::test]
async fn a_promotion_code_and_tax_are_in_the_first_invoice() {
    let stage = Stage::start().await;
    stage.post("/v1/coupons", &[("id", "WELCOME"), ("percent_off", "20"), ("duration", "once")]).await;
    let form = [("promotion[type]", "coupon"), ("promotion[coupon]", "WELCOME"), ("code", "HELLO20")];
    stage.post("/v1/promotion_codes", &form).await;
    let id = session(&stage, &[("allow_promotion_codes", "true"), ("automatic_tax[enabled]", "true")]).await;
    assert_eq!(whole(&read_session(&stage, &id).await, "amount_total"), 2200);
    let pay = format!("checkout/{id}/pay");
    let wrong = stage.steer(&pay, json!({ "card": "4242424242424242", "promotion_code": "NOPE" })).await;
    assert_eq!(wrong["error"], "This code is invalid.");
    stage.steer(&pay, json!({ "card": "4242424242424242", "promotion_code": "hello20" })).await;
    let complete = read_session(&stage, &id).await;
    assert_eq!(complete["total_details"], json!({ "amount_discount": 400, "amount_shipping": 0, "amount_tax": 160 }));
    let invoice = stage.get(&format!("/v1/invoices/{}", text(&complete, "invoice")), &[]).await;
    assert_eq!((whole(&invoice, "amount_paid"), whole(&invoice, "total_taxes.0.amount")), (1760, 160));
    stage.advance(32 * DAY).await;
    let latest = text(&read_session(&stage, &id).await, "subscription.latest_invoice").to_owned();
    let renewal = stage.get(&format!("/v1/invoices/{latest}"), &[]).await;
    assert_eq!(whole(&renewal, "amount_paid"), 2200, "the code was for one invoice");
}

#[tokio::test]
async fn a_session_nobody_pays_expires_after_a_day() {
    let stage = Stage::start().await;
    let id = session(&stage, &[]).await;
    stage.advance(DAY + 60).await;
    assert_eq!(text(&read_session(&stage, &id).await, "status"), "expired");
    let refused = stage.steer(&format!("checkout/{id}/pay"), json!({ "card": "4242424242424242" })).await;
    assert_eq!(refused["error"], "This Checkout Session has expired.");
    stage.settled().await;
    assert!(stage.receiver.types().contains(&"checkout.session.expired".to_owned()));
}

#[tokio::test]
async fn an_invoice_of_its_own_takes_items_and_is_paid() {
    let stage = Stage::start().await;
    let customer = stage.customer("pm_card_visa").await;
    let invoice = stage.post("/v1/invoices", &[("customer", &customer), ("auto_advance", "false")]).await;
    let id = text(&invoice, "id");
    let item = [
        ("customer", customer.as_str()),
        ("invoice", id),
        ("unit_amount_decimal", "0.35"),
        ("quantity", "1001"),
        ("currency", "usd"),
    ];
    let item = stage.post("/v1/invoiceitems", &item).await;
    assert_eq!(whole(&item, "amount"), 350, "350.35 cents");
    let opened = stage.post(&format!("/v1/invoices/{id}/finalize"), &[]).await;
    assert_eq!(
        (text(&opened, "status"), whole(&opened, "amount_due"), text(&opened, "billing_reason")),
        ("open", 350, "manual")
    );
    let paid = stage.post(&format!("/v1/invoices/{id}/pay"), &[]).await;
    assert_eq!((text(&paid, "status"), whole(&paid, "amount_remaining")), ("paid", 0));
    assert_eq!(stage.refused(&format!("/v1/invoices/{id}/void"), &[]).await.0, 400);
}

#[tokio::test]
async fn an_endpoint_and_a_caller_of_an_older_version_get_the_older_shape() {
    let stage = Stage::start().await;
    let url = format!("{}/other", stage.receiver.url);
    let form = [
        ("url", url.as_str()),
        ("enabled_events[]", "invoice.paid"),
        ("enabled_events[]", "customer.subscription.created"),
        ("api_version", "2024-09-30.acacia"),
    ];
    let endpoint = stage.post("/v1/webhook_endpoints", &form).await;
    assert!(text(&endpoint, "secret").starts_with("whsec_"));
    let again = stage.get(&format!("/v1/webhook_endpoints/{}", text(&endpoint, "id")), &[]).await;
    assert!(again.get("secret").is_none());
    let price = stage.price("pro", "2000", "month").await;
    let made = stage.subscription("pm_card_visa", &price).await;
    let invoice = format!("/v1/invoices/{}", text(&made, "latest_invoice"));
    assert!(stage.get(&invoice, &[]).await.get("subscription").is_none());
    let old = stage.call("POST", &invoice, &[], &[("Stripe-Version", "2024-09-30.acacia")]).await;
    assert_eq!(old.headers["stripe-version"], "2024-09-30.acacia");
    stage.settled().await;
    let events = stage.receiver.others();
    let of = |name: &str| events.iter().find(|event| text(event, "type") == name).expect("it came").clone();
    for shown in [old.body, of("invoice.paid")["data"]["object"].clone()] {
        assert_eq!((text(&shown, "subscription"), &shown["paid"]), (text(&made, "id"), &json!(true)));
        assert!(text(&shown, "payment_intent").starts_with("pi_") && text(&shown, "charge").starts_with("ch_"));
        assert_eq!(text(&shown, "lines.data.0.price.id"), price);
        assert!(shown.get("parent").is_none());
    }
    let created = of("customer.subscription.created");
    assert_eq!(text(&created, "api_version"), "2024-09-30.acacia");
    let end = whole(&made, "items.data.0.current_period_end");
    assert_eq!(whole(&created, "data.object.current_period_end"), end);
    assert!(created["data"]["object"]["items"]["data"][0].get("current_period_end").is_none());
}

#[tokio::test]
async fn a_trial_with_a_card_of_an_owner_begins_when_that_is_confirmed() {
    let stage = Stage::start().await;
    let id = session(&stage, &[("subscription_data[trial_period_days]", "14")]).await;
    let pay = format!("checkout/{id}/pay");
    let declined = stage.steer(&pay, json!({ "card": "4000000000000002" })).await;
    assert_eq!(declined["error"], "Your card was declined.");
    let asked = stage.steer(&pay, json!({ "card": "4000002500003155" })).await;
    assert_eq!(
        (text(&asked, "status"), stage.seen("counts").await["subscriptions"].clone()),
        ("requires_action", json!(0))
    );
    let kept = stage.steer(&format!("3ds/{}", text(&asked, "intent")), json!({ "confirm": true })).await;
    assert_eq!((text(&kept, "object"), text(&kept, "status")), ("setup_intent", "succeeded"));
    let complete = read_session(&stage, &id).await;
    assert_eq!(
        (text(&complete, "payment_status"), text(&complete, "subscription.status")),
        ("no_payment_required", "trialing")
    );
    stage.advance(15 * DAY).await;
    let counts = stage.seen("counts").await;
    assert_eq!(
        (&counts["subscriptions_by_status"], &counts["amount_charged"]),
        (&json!({ "active": 1 }), &json!(2000))
    );
}

#[tokio::test]
async fn paused_collection_leaves_voids_or_gives_up_what_falls_due() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "2000", "month").await;
    for (behavior, expected) in [("keep_as_draft", "draft"), ("void", "void"), ("mark_uncollectible", "uncollectible")]
    {
        let made = stage.subscription("pm_card_visa", &price).await;
        let path = format!("/v1/subscriptions/{}", text(&made, "id"));
        stage.post(&path, &[("pause_collection[behavior]", behavior)]).await;
        stage.advance(32 * DAY).await;
        let read = stage.get(&path, &[("expand[]", "latest_invoice")]).await;
        assert_eq!((text(&read, "status"), text(&read, "latest_invoice.status")), ("active", expected));
        let resumed = stage.post(&path, &[("pause_collection", "")]).await;
        assert_eq!(resumed["pause_collection"], json!(null));
        stage.delete(&path, &[]).await;
    }
}

#[tokio::test]
async fn retries_that_are_used_up_leave_it_unpaid_where_that_is_chosen() {
    let stage = Stage::start().await;
    stage.steer("settings", json!({ "after_retries": "unpaid" })).await;
    let price = stage.price("pro", "2000", "month").await;
    let made = stage.subscription("pm_card_visa", &price).await;
    let customer = text(&made, "customer");
    let bad = stage.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", customer)]).await;
    let path = format!("/v1/subscriptions/{}", text(&made, "id"));
    stage.post(&path, &[("default_payment_method", text(&bad, "id"))]).await;
    stage.advance(50 * DAY).await;
    let unpaid = stage.get(&path, &[]).await;
    assert_eq!(text(&unpaid, "status"), "unpaid");
    let invoice = text(&unpaid, "latest_invoice");
    stage.post(&format!("/v1/invoices/{invoice}/pay"), &[("payment_method", "pm_card_visa")]).await;
    assert_eq!(text(&stage.get(&path, &[]).await, "status"), "active");
}

#[tokio::test]
async fn what_paid_first_is_kept_where_that_is_asked_for_and_currencies_do_not_mix() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "2000", "month").await;
    let customer = text(&stage.post("/v1/customers", &[]).await, "id").to_owned();
    let form = [
        ("customer", customer.as_str()),
        ("items[0][price]", &price),
        ("payment_behavior", "default_incomplete"),
        ("payment_settings[save_default_payment_method]", "on_subscription"),
        ("expand[]", "latest_invoice.confirmation_secret"),
    ];
    let made = stage.post("/v1/subscriptions", &form).await;
    let secret = text(&made, "latest_invoice.confirmation_secret.client_secret");
    let confirm = format!("/v1/payment_intents/{}/confirm", secret.split("_secret_").next().unwrap());
    let intent = stage.post(&confirm, &[("payment_method", "pm_card_visa")]).await;
    let paid = stage.get(&format!("/v1/subscriptions/{}", text(&made, "id")), &[]).await;
    assert_eq!((text(&paid, "status"), &paid["default_payment_method"]), ("active", &intent["payment_method"]));
    stage.advance(32 * DAY).await;
    assert_eq!(stage.seen("counts").await["charges_succeeded"], 2);
    let form =
        [("currency", "eur"), ("unit_amount", "100"), ("recurring[interval]", "month"), ("product_data[name]", "Euro")];
    let euro = stage.post("/v1/prices", &form).await;
    let form = [("customer", customer.as_str()), ("items[0][price]", text(&euro, "id"))];
    let (status, error) = stage.refused("/v1/subscriptions", &form).await;
    assert_eq!(status, 400);
    assert!(text(&error, "message").starts_with("You cannot combine currencies on a single customer."));
}
