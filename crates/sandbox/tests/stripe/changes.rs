//! Changes of plan: prorations to the second, previews that are what comes, periods that begin anew.
//!
//! Subscriptions begin on 1 April 2027, 00:00 UTC (1,806,537,600), in a month of 30 days, 2,592,000 seconds.

use serde_json::{Value, json};

use crate::stage::{Stage, text, whole};

const START: i64 = 1_806_537_600;
const HALF: i64 = 1_296_000;
const DAY: i64 = 86_400;

struct Scene {
    stage: Stage,
    clock: String,
    subscription: String,
    item: String,
    customer: String,
}

impl Scene {
    /// A subscription to a monthly price of so many cents, by a customer of a test clock.
    async fn begin(amount: &str, more: &[(&str, &str)]) -> Scene {
        let stage = Stage::start().await;
        let price = stage.price("first", amount, "month").await;
        let clock = stage.post("/v1/test_helpers/test_clocks", &[("frozen_time", &START.to_string())]).await;
        let form = [
            ("test_clock", text(&clock, "id")),
            ("payment_method", "pm_card_visa"),
            ("invoice_settings[default_payment_method]", "pm_card_visa"),
        ];
        let customer = stage.post("/v1/customers", &form).await;
        let customer = text(&customer, "id").to_owned();
        let mut form = vec![("customer", customer.as_str()), ("items[0][price]", price.as_str())];
        form.extend_from_slice(more);
        let made = stage.post("/v1/subscriptions", &form).await;
        let (subscription, item) = (text(&made, "id").to_owned(), text(&made, "items.data.0.id").to_owned());
        Scene { clock: text(&clock, "id").to_owned(), subscription, item, customer, stage }
    }

    async fn go_to(&self, moment: i64) {
        let path = format!("/v1/test_helpers/test_clocks/{}/advance", self.clock);
        self.stage.post(&path, &[("frozen_time", &moment.to_string())]).await;
    }

    async fn change(&self, price: &str, more: &[(&str, &str)]) -> Value {
        let mut form =
            vec![("items[0][id]", self.item.as_str()), ("items[0][price]", price), ("expand[]", "latest_invoice")];
        form.extend_from_slice(more);
        self.stage.post(&format!("/v1/subscriptions/{}", self.subscription), &form).await
    }

    async fn preview(&self, price: &str, more: &[(&str, &str)]) -> Value {
        let mut form = vec![
            ("subscription", self.subscription.as_str()),
            ("subscription_details[items][0][id]", self.item.as_str()),
            ("subscription_details[items][0][price]", price),
        ];
        form.extend_from_slice(more);
        self.stage.post("/v1/invoices/create_preview", &form).await
    }

    async fn read(&self) -> Value {
        let path = format!("/v1/subscriptions/{}", self.subscription);
        self.stage.get(&path, &[("expand[]", "latest_invoice")]).await
    }
}

fn lines(invoice: &Value) -> Vec<(i64, String)> {
    let all = invoice["lines"]["data"].as_array().expect("an invoice has lines");
    all.iter().map(|line| (whole(line, "amount"), text(line, "description").to_owned())).collect()
}

/// 1,000,003 seconds in, 1,591,997 of 2,592,000 are left. Of $10.00: 614.2 cents; of $25.00: 1535.5, that is 1,535.49.
#[tokio::test]
async fn an_upgrade_at_once_costs_what_its_preview_said_to_the_cent() {
    let scene = Scene::begin("1000", &[]).await;
    let price = scene.stage.price("second", "2500", "month").await;
    scene.go_to(START + 1_000_003).await;
    let preview = scene.preview(&price, &[("subscription_details[proration_behavior]", "always_invoice")]).await;
    let expected = vec![
        (-614, "Unused time on first after 12 Apr 2027".to_owned()),
        (1535, "Remaining time on second after 12 Apr 2027".to_owned()),
    ];
    assert_eq!((lines(&preview), whole(&preview, "amount_due")), (expected.clone(), 921));
    assert_eq!(scene.read().await["items"]["data"][0]["price"]["lookup_key"], "first", "a preview changes nothing");
    let changed = scene.change(&price, &[("proration_behavior", "always_invoice")]).await;
    let invoice = &changed["latest_invoice"];
    assert_eq!((lines(invoice), whole(invoice, "amount_paid")), (expected, 921));
    assert_eq!((text(invoice, "status"), text(invoice, "billing_reason")), ("paid", "subscription_update"));
    assert_eq!(whole(&changed, "items.data.0.current_period_end"), START + 2 * HALF);
}

#[tokio::test]
async fn prorations_wait_for_the_next_invoice_which_the_preview_shows() {
    let scene = Scene::begin("1000", &[]).await;
    let price = scene.stage.price("second", "3000", "month").await;
    scene.go_to(START + HALF).await;
    let preview = scene.preview(&price, &[]).await;
    let changed = scene.change(&price, &[]).await;
    assert_eq!(whole(&changed, "latest_invoice.created"), START, "nothing is billed at once");
    scene.go_to(START + 2 * HALF + 3601).await;
    let invoice = scene.read().await["latest_invoice"].clone();
    let amounts: Vec<i64> = lines(&invoice).into_iter().map(|(amount, _)| amount).collect();
    assert_eq!(amounts, [-500, 1500, 3000]);
    assert_eq!((whole(&invoice, "amount_paid"), lines(&preview)), (4000, lines(&invoice)));
    assert_eq!(whole(&preview, "total"), 4000);
}

/// A second change the same day credits what the first really charged.
#[tokio::test]
async fn a_downgrade_leaves_the_rest_on_the_customers_balance() {
    let scene = Scene::begin("3000", &[]).await;
    let price = scene.stage.price("second", "1000", "month").await;
    scene.go_to(START + HALF).await;
    let changed = scene.change(&price, &[("proration_behavior", "always_invoice")]).await;
    let invoice = &changed["latest_invoice"];
    assert_eq!(
        (whole(invoice, "total"), whole(invoice, "amount_due"), whole(invoice, "ending_balance")),
        (-1000, 0, -1000)
    );
    let customer = scene.stage.get(&format!("/v1/customers/{}", scene.customer), &[]).await;
    assert_eq!(whole(&customer, "balance"), -1000);
    scene.go_to(START + 2 * HALF + 3601).await;
    let renewal = scene.read().await["latest_invoice"].clone();
    assert_eq!(
        (whole(&renewal, "total"), whole(&renewal, "starting_balance"), whole(&renewal, "amount_due")),
        (1000, -1000, 0)
    );
    assert_eq!(text(&renewal, "status"), "paid");
}

#[tokio::test]
async fn without_prorations_the_new_price_holds_from_the_next_period() {
    let scene = Scene::begin("1000", &[]).await;
    let price = scene.stage.price("second", "3000", "month").await;
    scene.go_to(START + HALF).await;
    scene.change(&price, &[("proration_behavior", "none")]).await;
    scene.go_to(START + 2 * HALF + 3601).await;
    assert_eq!(whole(&scene.read().await["latest_invoice"], "amount_paid"), 3000);
}

/// docs.stripe.com/billing/subscriptions/change-price: another interval credits the unused time, charges the new price
/// at once and sets the billing date anew.
#[tokio::test]
async fn from_month_to_year_a_new_period_begins_now() {
    let scene = Scene::begin("1000", &[]).await;
    let price = scene.stage.price("yearly", "10000", "year").await;
    scene.go_to(START + HALF).await;
    let preview = scene.preview(&price, &[]).await;
    let changed = scene.change(&price, &[]).await;
    let invoice = &changed["latest_invoice"];
    let amounts: Vec<i64> = lines(invoice).into_iter().map(|(amount, _)| amount).collect();
    assert_eq!((amounts, whole(invoice, "amount_paid")), (vec![-500, 10_000], 9500));
    assert_eq!(lines(&preview), lines(invoice));
    assert_eq!(whole(&changed, "items.data.0.current_period_start"), START + HALF);
    assert_eq!(
        whole(&changed, "items.data.0.current_period_end"),
        START + HALF + 366 * DAY,
        "16 April 2028 is after a leap day"
    );
    assert_eq!(whole(&changed, "billing_cycle_anchor"), START + HALF);
}

#[tokio::test]
async fn an_anchor_of_now_begins_a_period_and_an_end_of_the_trial_does_too() {
    let scene = Scene::begin("1000", &[("trial_period_days", "10")]).await;
    scene.go_to(START + DAY).await;
    let path = format!("/v1/subscriptions/{}", scene.subscription);
    let ended = scene.stage.post(&path, &[("trial_end", "now"), ("expand[]", "latest_invoice")]).await;
    assert_eq!((text(&ended, "status"), whole(&ended, "latest_invoice.amount_paid")), ("active", 1000));
    assert_eq!(whole(&ended, "items.data.0.current_period_end"), START + 31 * DAY);
    scene.go_to(START + 16 * DAY).await;
    let again = scene.stage.post(&path, &[("billing_cycle_anchor[type]", "now"), ("expand[]", "latest_invoice")]).await;
    assert_eq!(whole(&again, "latest_invoice.amount_paid"), 500, "half of the 30 days is credited");
    assert_eq!(whole(&again, "items.data.0.current_period_start"), START + 16 * DAY);
}

#[tokio::test]
async fn from_free_to_paid_a_new_period_begins_now() {
    let scene = Scene::begin("0", &[]).await;
    let price = scene.stage.price("second", "2000", "month").await;
    scene.go_to(START + 5 * DAY).await;
    let changed = scene.change(&price, &[]).await;
    assert_eq!(whole(&changed, "latest_invoice.amount_paid"), 2000);
    assert_eq!(whole(&changed, "items.data.0.current_period_start"), START + 5 * DAY);
}

#[tokio::test]
async fn a_change_that_must_be_paid_waits_or_is_refused() {
    let scene = Scene::begin("1000", &[]).await;
    let price = scene.stage.price("second", "3000", "month").await;
    let bad = scene
        .stage
        .post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", &scene.customer)])
        .await;
    let path = format!("/v1/subscriptions/{}", scene.subscription);
    scene.stage.post(&path, &[("default_payment_method", text(&bad, "id"))]).await;
    scene.go_to(START + HALF).await;
    let form = |behavior: &'static str| {
        [
            ("items[0][id]", scene.item.clone()),
            ("items[0][price]", price.clone()),
            ("proration_behavior", "always_invoice".to_owned()),
            ("payment_behavior", behavior.to_owned()),
        ]
    };
    let wanted = form("error_if_incomplete");
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, error) = scene.stage.refused(&path, &wanted).await;
    assert_eq!((status, text(&error, "code")), (402, "card_declined"));
    assert_eq!(scene.read().await["items"]["data"][0]["price"]["lookup_key"], "first");
    let waiting = scene
        .change(&price, &[("proration_behavior", "always_invoice"), ("payment_behavior", "pending_if_incomplete")])
        .await;
    assert_eq!(
        (text(&waiting, "status"), &waiting["items"]["data"][0]["price"]["lookup_key"]),
        ("active", &json!("first"))
    );
    assert_eq!(whole(&waiting, "pending_update.expires_at"), START + HALF + 23 * 3600);
    let invoice = text(&waiting, "latest_invoice.id");
    assert_eq!((text(&waiting, "latest_invoice.status"), whole(&waiting, "latest_invoice.amount_due")), ("open", 1000));
    scene.stage.post(&format!("/v1/invoices/{invoice}/pay"), &[("payment_method", "pm_card_visa")]).await;
    let applied = scene.read().await;
    assert_eq!(applied["items"]["data"][0]["price"]["lookup_key"], "second");
    assert_eq!(applied["pending_update"], json!(null));
}

#[tokio::test]
async fn quantities_and_items_of_their_own_are_prorated_too() {
    let scene = Scene::begin("1000", &[]).await;
    let seats = scene.stage.price("seats", "500", "month").await;
    scene.go_to(START + HALF).await;
    let form = [
        ("subscription", scene.subscription.as_str()),
        ("price", &seats),
        ("quantity", "3"),
        ("proration_behavior", "always_invoice"),
    ];
    let item = scene.stage.post("/v1/subscription_items", &form).await;
    assert_eq!(whole(&scene.read().await["latest_invoice"], "amount_paid"), 750);
    let path = format!("/v1/subscription_items/{}", text(&item, "id"));
    scene.stage.post(&path, &[("quantity", "5"), ("proration_behavior", "always_invoice")]).await;
    assert_eq!(whole(&scene.read().await["latest_invoice"], "amount_paid"), 500);
    scene.stage.delete(&path, &[]).await;
    scene.go_to(START + 2 * HALF + 3601).await;
    let amounts: Vec<i64> =
        lines(&scene.read().await["latest_invoice"]).into_iter().map(|(amount, _)| amount).collect();
    assert_eq!(amounts, [-1250, 1000]);
}

#[tokio::test]
async fn an_end_with_prorations_and_an_invoice_credits_the_unused_half() {
    let scene = Scene::begin("1000", &[]).await;
    scene.go_to(START + HALF).await;
    let path = format!("/v1/subscriptions/{}", scene.subscription);
    scene.stage.delete(&path, &[("prorate", "true"), ("invoice_now", "true")]).await;
    let customer = scene.stage.get(&format!("/v1/customers/{}", scene.customer), &[]).await;
    assert_eq!(whole(&customer, "balance"), -500);
}

/// 200 reported at $0.05 each; one of 50 is taken back.
#[tokio::test]
async fn metered_use_is_billed_when_its_period_is_over() {
    let scene = Scene::begin("1000", &[]).await;
    let form = [("display_name", "Tokens"), ("event_name", "tokens"), ("default_aggregation[formula]", "sum")];
    let meter = scene.stage.post("/v1/billing/meters", &form).await;
    let form = [
        ("currency", "usd"),
        ("unit_amount", "5"),
        ("recurring[interval]", "month"),
        ("recurring[usage_type]", "metered"),
        ("recurring[meter]", text(&meter, "id")),
        ("product_data[name]", "Tokens"),
    ];
    let price = scene.stage.post("/v1/prices", &form).await;
    let form = [("subscription", scene.subscription.as_str()), ("price", text(&price, "id"))];
    scene.stage.post("/v1/subscription_items", &form).await;
    for (identifier, value) in [("a", "150"), ("b", "50"), ("c", "50")] {
        let form = [
            ("event_name", "tokens"),
            ("identifier", identifier),
            ("payload[stripe_customer_id]", scene.customer.as_str()),
            ("payload[value]", value),
        ];
        scene.stage.post("/v1/billing/meter_events", &form).await;
        let (status, _) = scene.stage.refused("/v1/billing/meter_events", &form).await;
        assert_eq!(status, 400, "an identifier counts once");
    }
    let form = [("event_name", "tokens"), ("type", "cancel"), ("cancel[identifier]", "c")];
    scene.stage.post("/v1/billing/meter_event_adjustments", &form).await;
    scene.go_to(START + 2 * HALF + 3601).await;
    let invoice = scene.read().await["latest_invoice"].clone();
    assert_eq!((whole(&invoice, "amount_paid"), lines(&invoice).len()), (2000, 2));
}

#[tokio::test]
async fn a_scheduled_change_holds_from_the_periods_end_without_prorations() {
    let scene = Scene::begin("3000", &[]).await;
    let price = scene.stage.price("second", "1000", "month").await;
    let schedule = scene.stage.post("/v1/subscription_schedules", &[("from_subscription", &scene.subscription)]).await;
    let present = text(&schedule, "phases.0.items.0.price").to_owned();
    let (start, end) = (START.to_string(), (START + 2 * HALF).to_string());
    let form = [
        ("phases[0][items][0][price]", present.as_str()),
        ("phases[0][start_date]", &start),
        ("phases[0][end_date]", &end),
        ("phases[1][items][0][price]", &price),
        ("phases[1][items][0][quantity]", "1"),
    ];
    let path = format!("/v1/subscription_schedules/{}", text(&schedule, "id"));
    let planned = scene.stage.post(&path, &form).await;
    assert_eq!(
        (whole(&planned, "phases.1.start_date"), text(&planned, "phases.1.items.0.price")),
        (START + 2 * HALF, price.as_str())
    );
    assert_eq!(text(&scene.read().await, "schedule"), text(&schedule, "id"));
    scene.go_to(START + 2 * HALF + 3601).await;
    let changed = scene.read().await;
    assert_eq!(
        (text(&changed, "items.data.0.price.id"), whole(&changed, "latest_invoice.amount_paid")),
        (price.as_str(), 1000)
    );
    assert_eq!(text(&changed, "items.data.0.id"), scene.item);
    scene.go_to(START + 2 * HALF + 32 * DAY).await;
    let free = scene.stage.get(&path, &[]).await;
    assert_eq!((text(&free, "status"), &scene.read().await["schedule"]), ("released", &json!(null)));
}

/// To the 16th are 15 of the 31 days since 16 March: 483.87 cents of $10.00.
#[tokio::test]
async fn an_anchor_ahead_makes_a_short_first_period() {
    let anchor = (START + 15 * DAY).to_string();
    let scene = Scene::begin("1000", &[("billing_cycle_anchor", &anchor)]).await;
    let made = scene.read().await;
    assert_eq!(whole(&made, "latest_invoice.amount_paid"), 484);
    assert_eq!(whole(&made, "items.data.0.current_period_end"), START + 15 * DAY);
    scene.go_to(START + 15 * DAY + 3601).await;
    let renewed = scene.read().await;
    assert_eq!(whole(&renewed, "latest_invoice.amount_paid"), 1000);
    assert_eq!(whole(&renewed, "items.data.0.current_period_end"), START + 45 * DAY, "16 May");
}

#[tokio::test]
async fn a_trial_is_made_longer_and_an_end_is_set_within_a_period() {
    let scene = Scene::begin("1000", &[("trial_period_days", "5")]).await;
    let path = format!("/v1/subscriptions/{}", scene.subscription);
    let longer = scene.stage.post(&path, &[("trial_end", &(START + 20 * DAY).to_string())]).await;
    assert_eq!((text(&longer, "status"), whole(&longer, "billing_cycle_anchor")), ("trialing", START + 20 * DAY));
    scene.go_to(START + 6 * DAY).await;
    assert_eq!(text(&scene.read().await, "status"), "trialing");
    scene.go_to(START + 20 * DAY + 3601).await;
    let paying = scene.read().await;
    assert_eq!((text(&paying, "status"), whole(&paying, "latest_invoice.amount_paid")), ("active", 1000));
    scene.stage.post(&path, &[("cancel_at", &(START + 25 * DAY).to_string())]).await;
    scene.go_to(START + 26 * DAY).await;
    let ended = scene.read().await;
    assert_eq!((text(&ended, "status"), whole(&ended, "ended_at")), ("canceled", START + 25 * DAY));
}

#[tokio::test]
async fn a_cancellation_taken_back_renews_and_a_preview_of_one_bills_nothing() {
    let scene = Scene::begin("1000", &[]).await;
    let path = format!("/v1/subscriptions/{}", scene.subscription);
    scene.stage.post(&path, &[("cancel_at_period_end", "true")]).await;
    let (status, error) =
        scene.stage.refused("/v1/invoices/create_preview", &[("subscription", &scene.subscription)]).await;
    assert_eq!((status, text(&error, "code")), (404, "invoice_upcoming_none"));
    scene.stage.post(&path, &[("cancel_at_period_end", "false")]).await;
    let preview = scene.stage.post("/v1/invoices/create_preview", &[("subscription", &scene.subscription)]).await;
    assert_eq!((whole(&preview, "amount_due"), whole(&preview, "period_end")), (1000, START + 2 * HALF));
    scene.go_to(START + 2 * HALF + 3601).await;
    assert_eq!(
        (text(&scene.read().await, "status"), scene.stage.seen("counts").await["invoices"].clone()),
        ("active", json!(2))
    );
}

/// docs.stripe.com/billing/subscriptions/prorations: the preview's date is passed on, so that both amounts agree.
#[tokio::test]
async fn the_date_of_a_preview_holds_for_the_change_an_hour_later() {
    let scene = Scene::begin("1000", &[]).await;
    let price = scene.stage.price("second", "3000", "month").await;
    scene.go_to(START + HALF).await;
    let date = (START + HALF).to_string();
    let behavior = [
        ("subscription_details[proration_behavior]", "always_invoice"),
        ("subscription_details[proration_date]", date.as_str()),
    ];
    let preview = scene.preview(&price, &behavior).await;
    scene.go_to(START + HALF + 3600).await;
    let changed = scene.change(&price, &[("proration_behavior", "always_invoice"), ("proration_date", &date)]).await;
    assert_eq!((whole(&preview, "amount_due"), whole(&changed, "latest_invoice.amount_paid")), (1000, 1000));
    let form = [("items[0][id]", scene.item.as_str()), ("items[0][price]", &price), ("proration_date", "1")];
    let (status, error) = scene.stage.refused(&format!("/v1/subscriptions/{}", scene.subscription), &form).await;
    assert_eq!((status, text(&error, "param")), (400, "proration_date"));
}
