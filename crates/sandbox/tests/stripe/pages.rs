//! The pages, used as a browser without scripts uses them: read, fill in, send, go where it says.

use serde_json::{Value, json};

use crate::stage::{Stage, text, whole};

/// What a browser shows: the status, the text, and the address that it would go on to.
struct Shown {
    status: u16,
    body: String,
    location: Option<String>,
}

async fn browse(stage: &Stage, path: &str, form: Option<&[(&str, &str)]>) -> Shown {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("it builds");
    let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", stage.url) };
    let request = match form {
        None => browser.get(url),
        Some(form) => {
            let fields: Vec<String> =
                form.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
            browser.post(url).header("content-type", "application/x-www-form-urlencoded").body(fields.join("&"))
        }
    };
    let response = request.send().await.expect("the page answers");
    let location = response.headers().get("location").map(|value| value.to_str().expect("text").to_owned());
    Shown { status: response.status().as_u16(), location, body: response.text().await.expect("text") }
}

async fn session(stage: &Stage, more: &[(&str, &str)]) -> Value {
    let price = stage.price("pro", "2000", "month").await;
    let mut form = vec![
        ("mode", "subscription"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://app.test/ok?s={CHECKOUT_SESSION_ID}"),
        ("cancel_url", "http://app.test/plans"),
    ];
    form.extend_from_slice(more);
    stage.post("/v1/checkout/sessions", &form).await
}

#[tokio::test]
async fn checkout_shows_what_is_bought_and_takes_a_card_after_one_that_was_declined() {
    let stage = Stage::start().await;
    let session = session(&stage, &[("subscription_data[metadata][a]", "b")]).await;
    let url = text(&session, "url");
    let page = browse(&stage, url, None).await;
    for wanted in [
        "Test page: no money moves here.",
        "1 × $20.00 every month",
        "Total due today",
        "http://app.test/plans",
        "4000000000000002",
    ] {
        assert!(page.body.contains(wanted), "{wanted}: {}", page.body);
    }
    assert!(!page.body.contains("<script"));
    let declined = browse(&stage, url, Some(&[("test_card", "4000000000000002"), ("email", "a@b.c")])).await;
    assert_eq!(declined.status, 402);
    assert!(declined.body.contains("Your card was declined."), "{}", declined.body);
    let paid =
        browse(&stage, url, Some(&[("action", "pay"), ("card", "4242 4242 4242 4242"), ("email", "a@b.c")])).await;
    let expected = format!("http://app.test/ok?s={}", text(&session, "id"));
    assert_eq!((paid.status, paid.location), (303, Some(expected.clone())));
    assert_eq!(browse(&stage, url, None).await.location, Some(expected), "a paid session leads back to the shop");
    let customers = stage.get("/v1/customers", &[]).await;
    assert_eq!(text(&customers, "data.0.email"), "a@b.c");
}

#[tokio::test]
async fn three_d_secure_is_a_page_that_leads_back() {
    let stage = Stage::start().await;
    let session = session(&stage, &[]).await;
    let url = text(&session, "url");
    let ask =
        async || browse(&stage, url, Some(&[("test_card", "4000002500003155")])).await.location.expect("it goes on");
    let page = browse(&stage, &ask().await, None).await;
    assert!(page.body.contains("whether you want to pay $20.00"), "{}", page.body);
    let failed = browse(&stage, &ask().await, Some(&[("answer", "fail")])).await;
    assert_eq!(failed.location, Some(format!("/checkout/{}", text(&session, "id"))));
    assert_eq!(stage.seen("counts").await["subscriptions"], 0);
    browse(&stage, &ask().await, Some(&[("answer", "confirm")])).await;
    assert_eq!(stage.seen("counts").await["subscriptions_by_status"], json!({ "active": 1 }));
    stage.advance(32 * 86_400).await;
    let counts = stage.seen("counts").await;
    assert_eq!(counts["charges_succeeded"], 2, "this card need not be confirmed again");
}

#[tokio::test]
async fn a_promotion_code_changes_what_is_due_and_a_trial_asks_for_nothing() {
    let stage = Stage::start().await;
    stage.post("/v1/coupons", &[("id", "HALF"), ("percent_off", "50")]).await;
    stage
        .post("/v1/promotion_codes", &[("promotion[type]", "coupon"), ("promotion[coupon]", "HALF"), ("code", "HALF")])
        .await;
    let half = session(&stage, &[("allow_promotion_codes", "true")]).await;
    let page = browse(&stage, text(&half, "url"), Some(&[("action", "code"), ("promotion_code", "HALF")])).await;
    assert!(page.body.contains("-$10.00") && page.body.contains("Pay $10.00"), "{}", page.body);
    let page = browse(&stage, text(&half, "url"), Some(&[("action", "code"), ("promotion_code", "NOPE")])).await;
    assert!(page.body.contains("This code is invalid."), "{}", page.body);
    let price = text(&stage.get("/v1/prices", &[]).await, "data.0.id").to_owned();
    let form = [
        ("mode", "subscription"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://app.test/ok"),
        ("subscription_data[trial_period_days]", "14"),
        ("payment_method_collection", "if_required"),
    ];
    let trial = stage.post("/v1/checkout/sessions", &form).await;
    let page = browse(&stage, text(&trial, "url"), None).await;
    assert!(page.body.contains("Free until") && page.body.contains("Start without a card"), "{}", page.body);
    let begun = browse(&stage, text(&trial, "url"), Some(&[("action", "without"), ("card", "4242")])).await;
    assert_eq!(begun.location.as_deref(), Some("http://app.test/ok"));
    let session =
        stage.get(&format!("/v1/checkout/sessions/{}", text(&trial, "id")), &[("expand[]", "subscription")]).await;
    assert_eq!(
        (text(&session, "payment_status"), text(&session, "subscription.status")),
        ("no_payment_required", "trialing")
    );
}

#[tokio::test]
async fn the_portal_changes_the_plan_as_it_said_and_cancels_and_takes_that_back() {
    let stage = Stage::start().await;
    let small = stage.price("small", "1000", "month").await;
    let large = stage.price("large", "3000", "month").await;
    let subscription = stage.subscription("pm_card_visa", &small).await;
    let product = text(&stage.get(&format!("/v1/prices/{large}"), &[]).await, "product").to_owned();
    let form = [
        ("features[subscription_update][enabled]", "true"),
        ("features[subscription_update][default_allowed_updates][]", "price"),
        ("features[subscription_update][proration_behavior]", "always_invoice"),
        ("features[subscription_update][products][0][product]", product.as_str()),
        ("features[subscription_update][products][0][prices][]", large.as_str()),
        ("features[subscription_cancel][enabled]", "true"),
        ("features[payment_method_update][enabled]", "true"),
        ("features[invoice_history][enabled]", "true"),
    ];
    stage.post("/v1/billing_portal/configurations", &form).await;
    let form = [("customer", text(&subscription, "customer")), ("return_url", "http://app.test/billing")];
    let portal = stage.post("/v1/billing_portal/sessions", &form).await;
    let (url, id) = (text(&portal, "url"), text(&subscription, "id"));
    let page = browse(&stage, url, None).await;
    for wanted in [
        "$10.00 / month",
        "Change to large, $30.00 / month",
        "visa ending in 4242",
        "http://app.test/billing",
        "(paid)",
    ] {
        assert!(page.body.contains(wanted), "{wanted}: {}", page.body);
    }
    let asked = browse(&stage, &format!("{url}?subscription={id}&price={large}"), None).await;
    assert!(asked.body.contains("Due now") && asked.body.contains("Unused time on small"), "{}", asked.body);
    browse(&stage, url, Some(&[("action", "change"), ("subscription", id), ("price", &large)])).await;
    let read = async || stage.get(&format!("/v1/subscriptions/{id}"), &[]).await;
    assert_eq!(text(&read().await, "items.data.0.price.id"), large);
    browse(&stage, url, Some(&[("action", "cancel"), ("subscription", id)])).await;
    assert_eq!(read().await["cancel_at_period_end"], true);
    browse(&stage, url, Some(&[("action", "resume"), ("subscription", id)])).await;
    assert_eq!(read().await["cancel_at_period_end"], false);
    let declined = browse(&stage, url, Some(&[("test_card", "4000000000000002")])).await;
    assert!(declined.body.contains("Your card was declined."));
    browse(&stage, url, Some(&[("test_card", "5555555555554444")])).await;
    assert!(browse(&stage, url, None).await.body.contains("mastercard ending in 4444"));
    let other = stage
        .steer(&format!("portal/{}/change", text(&portal, "id")), json!({ "subscription": id, "price": small }))
        .await;
    assert_eq!(other["error"], "The portal's configuration does not offer this price.");
}

#[tokio::test]
async fn an_open_invoice_is_paid_on_its_page_and_read_as_a_pdf() {
    let stage = Stage::start().await;
    let customer = stage.customer("pm_card_chargeCustomerFail").await;
    let price = stage.price("pro", "2000", "month").await;
    let made = stage
        .post(
            "/v1/subscriptions",
            &[("customer", &customer), ("items[0][price]", &price), ("expand[]", "latest_invoice")],
        )
        .await;
    let url = text(&made, "latest_invoice.hosted_invoice_url");
    let page = browse(&stage, url, None).await;
    assert!(page.body.contains("Pay $20.00") && page.body.contains("1 × pro (at $20.00 / month)"), "{}", page.body);
    let paid = browse(&stage, url, Some(&[("test_card", "4242424242424242")])).await;
    assert_eq!(paid.status, 303);
    let invoice = stage.get(&format!("/v1/invoices/{}", text(&made, "latest_invoice.id")), &[]).await;
    assert_eq!((text(&invoice, "status"), whole(&invoice, "amount_paid")), ("paid", 2000));
    let subscription = stage.get(&format!("/v1/subscriptions/{}", text(&made, "id")), &[]).await;
    assert_eq!(text(&subscription, "status"), "active");
    let pdf = browse(&stage, text(&invoice, "invoice_pdf"), None).await;
    assert!(pdf.body.starts_with("%PDF-1.4") && pdf.body.contains("$20.00") && pdf.body.ends_with("%%EOF\n"));
}
