//! Renewals by the clock: periods, drafts, retries, trials, ends.

use serde_json::{Value, json};

use crate::stage::{Stage, text, whole};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

async fn read(stage: &Stage, subscription: &Value) -> Value {
    stage.get(&format!("/v1/subscriptions/{}", text(subscription, "id")), &[("expand[]", "latest_invoice")]).await
}

/// Moves the clock to a moment of the stand-in.
fn go_to(stage: &Stage, moment: i64) {
    stage.stripe.move_clock_to(moment);
}

#[tokio::test]
async fn a_renewal_is_a_draft_for_an_hour_and_then_paid() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "1500", "month").await;
    let subscription = stage.subscription("pm_card_visa", &price).await;
    let end = whole(&subscription, "items.data.0.current_period_end");
    let item = [
        ("customer", text(&subscription, "customer")),
        ("subscription", text(&subscription, "id")),
        ("amount", "250"),
        ("currency", "usd"),
        ("description", "Overage"),
    ];
    stage.post("/v1/invoiceitems", &item).await;
    go_to(&stage, end);
    let renewed = read(&stage, &subscription).await;
    assert_eq!((text(&renewed, "status"), whole(&renewed, "items.data.0.current_period_start")), ("active", end));
    let invoice = &renewed["latest_invoice"];
    assert_eq!(
        (text(invoice, "status"), text(invoice, "billing_reason"), whole(invoice, "total")),
        ("draft", "subscription_cycle", 1750)
    );
    assert_eq!((whole(invoice, "created"), whole(invoice, "automatically_finalizes_at")), (end, end + HOUR));
    go_to(&stage, end + HOUR);
    let paid = read(&stage, &subscription).await;
    assert_eq!((text(&paid, "latest_invoice.status"), whole(&paid, "latest_invoice.amount_paid")), ("paid", 1750));
    assert_eq!(whole(&paid, "latest_invoice.status_transitions.paid_at"), end + HOUR);
}

#[tokio::test]
async fn a_year_in_one_move_is_twelve_renewals_each_at_its_time() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "1500", "month").await;
    let subscription = stage.subscription("pm_card_visa", &price).await;
    let start = whole(&subscription, "start_date");
    stage.advance(366 * DAY).await;
    let invoices = stage.get("/v1/invoices", &[("subscription", text(&subscription, "id")), ("limit", "100")]).await;
    let invoices = invoices["data"].as_array().unwrap();
    assert_eq!(invoices.len(), 13);
    assert!(invoices.iter().all(|invoice| text(invoice, "status") == "paid" && whole(invoice, "amount_paid") == 1500));
    let created: Vec<i64> = invoices.iter().rev().map(|invoice| whole(invoice, "created")).collect();
    assert!(created.is_sorted() && created[0] == start && created[12] - start >= 365 * DAY);
    let events = stage.get("/v1/events", &[("type", "invoice.paid"), ("limit", "100")]).await;
    let moments: Vec<i64> =
        events["data"].as_array().unwrap().iter().rev().map(|event| whole(event, "created")).collect();
    assert_eq!(moments[1], created[1] + HOUR);
}

/// docs.stripe.com/billing/revenue-recovery: past_due meanwhile; here 3, 5 and 7 days after the attempt before.
#[tokio::test]
async fn a_failed_renewal_is_tried_again_after_3_5_and_7_days_and_then_canceled() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "1500", "month").await;
    let subscription = stage.subscription("pm_card_visa", &price).await;
    let customer = text(&subscription, "customer");
    let attach = stage.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", customer)]).await;
    let form = [("invoice_settings[default_payment_method]", text(&attach, "id"))];
    stage.post(&format!("/v1/customers/{customer}"), &form).await;
    let first = whole(&subscription, "items.data.0.current_period_end") + HOUR;
    let mut expected = first;
    for (attempt, days) in [(1, 3), (2, 5), (3, 7)] {
        go_to(&stage, expected);
        let now = read(&stage, &subscription).await;
        assert_eq!((text(&now, "status"), whole(&now, "latest_invoice.attempt_count")), ("past_due", attempt));
        expected += days * DAY;
        assert_eq!(whole(&now, "latest_invoice.next_payment_attempt"), expected);
    }
    go_to(&stage, expected);
    let ended = read(&stage, &subscription).await;
    assert_eq!((text(&ended, "status"), text(&ended, "cancellation_details.reason")), ("canceled", "payment_failed"));
    assert_eq!((whole(&ended, "ended_at"), whole(&ended, "latest_invoice.attempt_count")), (first + 15 * DAY, 4));
    stage.settled().await;
    let failed = stage.receiver.types().iter().filter(|name| *name == "invoice.payment_failed").count();
    assert_eq!(failed, 4);
}

#[tokio::test]
async fn a_new_card_brings_a_past_due_subscription_back() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "1500", "month").await;
    let subscription = stage.subscription("pm_card_visa", &price).await;
    let customer = text(&subscription, "customer");
    let bad = stage.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", customer)]).await;
    stage
        .post(
            &format!("/v1/subscriptions/{}", text(&subscription, "id")),
            &[("default_payment_method", text(&bad, "id"))],
        )
        .await;
    go_to(&stage, whole(&subscription, "items.data.0.current_period_end") + HOUR);
    let late = read(&stage, &subscription).await;
    assert_eq!(text(&late, "status"), "past_due");
    let pay = format!("/v1/invoices/{}/pay", text(&late, "latest_invoice.id"));
    let (status, error) = stage.refused(&pay, &[]).await;
    assert_eq!((status, text(&error, "code"), text(&error, "decline_code")), (402, "card_declined", "generic_decline"));
    let good = stage.post("/v1/payment_methods/pm_card_visa/attach", &[("customer", customer)]).await;
    let paid = stage.post(&pay, &[("payment_method", text(&good, "id"))]).await;
    assert_eq!(text(&paid, "status"), "paid");
    assert_eq!(text(&read(&stage, &subscription).await, "status"), "active");
}

#[tokio::test]
async fn a_trial_ends_in_a_payment_a_pause_or_an_end() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "1500", "month").await;
    let trial = |behavior: &'static str, customer: String| {
        let (stage, price) = (&stage, price.clone());
        async move {
            let path = "trial_settings[end_behavior][missing_payment_method]";
            let form = [
                ("customer", customer.as_str()),
                ("items[0][price]", &price),
                ("trial_period_days", "14"),
                (path, behavior),
            ];
            stage.post("/v1/subscriptions", &form).await
        }
    };
    let bare = || async { text(&stage.post("/v1/customers", &[]).await, "id").to_owned() };
    let paying = trial("pause", stage.customer("pm_card_visa").await).await;
    let pausing = trial("pause", bare().await).await;
    let ending = trial("cancel", bare().await).await;
    assert_eq!(
        (text(&paying, "status"), whole(&paying, "trial_end") - whole(&paying, "trial_start")),
        ("trialing", 14 * DAY)
    );
    assert_eq!(whole(&read(&stage, &paying).await, "latest_invoice.total"), 0);
    stage.advance(11 * DAY + HOUR).await;
    stage.settled().await;
    let told = stage.receiver.types().iter().filter(|name| *name == "customer.subscription.trial_will_end").count();
    assert_eq!(told, 3);
    stage.advance(3 * DAY + HOUR).await;
    let paid = read(&stage, &paying).await;
    assert_eq!((text(&paid, "status"), whole(&paid, "latest_invoice.amount_paid")), ("active", 1500));
    assert_eq!(paid["billing_cycle_anchor"], paid["trial_end"]);
    assert_eq!(text(&read(&stage, &pausing).await, "status"), "paused");
    assert_eq!(text(&read(&stage, &ending).await, "status"), "canceled");

    let customer = text(&pausing, "customer");
    let card = stage.post("/v1/payment_methods/pm_card_visa/attach", &[("customer", customer)]).await;
    stage
        .post(&format!("/v1/customers/{customer}"), &[("invoice_settings[default_payment_method]", text(&card, "id"))])
        .await;
    let resumed = stage.post(&format!("/v1/subscriptions/{}/resume", text(&pausing, "id")), &[]).await;
    assert_eq!(text(&resumed, "status"), "active");
    stage.settled().await;
    for wanted in ["customer.subscription.paused", "customer.subscription.resumed", "customer.subscription.deleted"] {
        assert!(stage.receiver.types().iter().any(|name| name == wanted), "{wanted}");
    }
}

#[tokio::test]
async fn an_end_at_the_periods_end_bills_what_is_pending_and_renews_no_more() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "1500", "month").await;
    let subscription = stage.subscription("pm_card_visa", &price).await;
    let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));
    let ending = stage.post(&path, &[("cancel_at_period_end", "true")]).await;
    let end = whole(&subscription, "items.data.0.current_period_end");
    assert_eq!((whole(&ending, "cancel_at"), text(&ending, "status")), (end, "active"));
    let item = [
        ("customer", text(&subscription, "customer")),
        ("subscription", text(&subscription, "id")),
        ("amount", "700"),
        ("currency", "usd"),
    ];
    stage.post("/v1/invoiceitems", &item).await;
    stage.advance(70 * DAY).await;
    let ended = read(&stage, &subscription).await;
    assert_eq!((text(&ended, "status"), whole(&ended, "ended_at")), ("canceled", end));
    let invoice = &ended["latest_invoice"];
    assert_eq!((text(invoice, "status"), whole(invoice, "amount_paid")), ("paid", 700));
    assert_eq!(stage.seen("counts").await["invoices"], 2);
}

#[tokio::test]
async fn ended_now_is_over_now() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "3000", "month").await;
    let subscription = stage.subscription("pm_card_visa", &price).await;
    let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));
    let ended = stage.delete(&path, &[]).await;
    assert_eq!(text(&ended, "status"), "canceled");
    assert_eq!(stage.call("DELETE", &path, &[], &[]).await.status, 404);
    stage.advance(40 * DAY).await;
    assert_eq!(stage.seen("counts").await["invoices"], 1);
    let listed = stage.get("/v1/subscriptions", &[("customer", text(&subscription, "customer"))]).await;
    assert_eq!(listed["data"], json!([]));
    let all = stage.get("/v1/subscriptions", &[("customer", text(&subscription, "customer")), ("status", "all")]).await;
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_customer_of_a_test_clock_lives_by_its_time() {
    let stage = Stage::start().await;
    let price = stage.price("pro", "1500", "month").await;
    // 31 January 2027, 12:00 UTC; 28 February and 31 March follow.
    let clock = stage.post("/v1/test_helpers/test_clocks", &[("frozen_time", "1801396800")]).await;
    let form = [
        ("test_clock", text(&clock, "id")),
        ("payment_method", "pm_card_visa"),
        ("invoice_settings[default_payment_method]", "pm_card_visa"),
    ];
    let customer = stage.post("/v1/customers", &form).await;
    let subscription =
        stage.post("/v1/subscriptions", &[("customer", text(&customer, "id")), ("items[0][price]", &price)]).await;
    assert_eq!(
        (whole(&subscription, "start_date"), whole(&subscription, "items.data.0.current_period_end")),
        (1_801_396_800, 1_803_816_000)
    );
    let advance = format!("/v1/test_helpers/test_clocks/{}/advance", text(&clock, "id"));
    stage.post(&advance, &[("frozen_time", "1803823200")]).await;
    let renewed = read(&stage, &subscription).await;
    assert_eq!(whole(&renewed, "items.data.0.current_period_end"), 1_806_494_400);
    assert_eq!(
        (text(&renewed, "latest_invoice.status"), whole(&renewed, "latest_invoice.created")),
        ("paid", 1_803_816_000)
    );
}
