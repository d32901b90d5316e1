//! Days and amounts that are known without asking anybody: computed by hand, or quoted from Stripe's documentation.

use serde_json::{Value, json};
use testkit::server::TestServer;

use super::CATALOG;
use crate::stage::{GOOD_CARD, Shop, limit, reconcile_all, seconds, with_catalog};

/// What happens to a customer, or how a customer stands, at a time. Every look also uses one request more.
enum Row {
    Buys { plan: &'static str, interval: &'static str },
    Has { used: i64, month: [&'static str; 2], paid: [&'static str; 2] },
    Leaves { invoices: &'static [&'static str] },
}

type Dated = (&'static str, &'static str, Row);

const fn buys(at: &'static str, who: &'static str, plan: &'static str, interval: &'static str) -> Dated {
    (at, who, Row::Buys { plan, interval })
}

/// By the month, what is used and what is paid for are one period.
const fn has(at: &'static str, who: &'static str, used: i64, month: [&'static str; 2]) -> Dated {
    (at, who, Row::Has { used, month, paid: month })
}

const fn has_paid(
    at: &'static str,
    who: &'static str,
    used: i64,
    month: [&'static str; 2],
    paid: [&'static str; 2],
) -> Dated {
    (at, who, Row::Has { used, month, paid })
}

const fn leaves(at: &'static str, who: &'static str, invoices: &'static [&'static str]) -> Dated {
    (at, who, Row::Leaves { invoices })
}

/// docs.stripe.com/billing/subscriptions/billing-cycle: a monthly subscription anchored on 31 January "bills the last day
/// of the month closest to the anchor date, so February 28 (or February 29 in a leap year), then March 31, April 30, and
/// so on". The same page: where there is a trial its end is the anchor. Fourteen days from 17 March end on 31 March.
static SHORT_MONTHS: &[Dated] = &[
    buys("2027-01-31T12:00", "january", "basic", "monthly"),
    has("2027-01-31T12:10", "january", 0, ["2027-01-31", "2027-02-28"]),
    has("2027-02-28T11:00", "january", 1, ["2027-01-31", "2027-02-28"]),
    has("2027-02-28T13:30", "january", 0, ["2027-02-28", "2027-03-31"]),
    buys("2027-03-17T12:00", "tried", "tried", "monthly"),
    has_paid("2027-03-17T12:10", "tried", 0, ["2027-02-28", "2027-03-31"], ["2027-03-17", "2027-03-31"]),
    has("2027-03-31T11:00", "january", 1, ["2027-02-28", "2027-03-31"]),
    has_paid("2027-03-31T11:00", "tried", 1, ["2027-02-28", "2027-03-31"], ["2027-03-17", "2027-03-31"]),
    has("2027-03-31T13:30", "january", 0, ["2027-03-31", "2027-04-30"]),
    has("2027-03-31T13:30", "tried", 0, ["2027-03-31", "2027-04-30"]),
    has("2027-04-30T13:30", "january", 0, ["2027-04-30", "2027-05-31"]),
    has("2027-04-30T13:30", "tried", 0, ["2027-04-30", "2027-05-31"]),
    leaves("2027-05-01T12:00", "january", &["10.00", "10.00", "10.00", "10.00"]),
    leaves("2027-05-01T12:00", "tried", &["0.00", "12.00", "12.00"]),
    // A year whose months end on the days that they have.
    buys("2027-08-31T12:00", "august", "basic", "annual"),
    has_paid("2027-08-31T12:10", "august", 0, ["2027-08-31", "2027-09-30"], ["2027-08-31", "2028-08-31"]),
    has_paid("2027-09-30T11:00", "august", 1, ["2027-08-31", "2027-09-30"], ["2027-08-31", "2028-08-31"]),
    has_paid("2027-09-30T13:30", "august", 0, ["2027-09-30", "2027-10-31"], ["2027-08-31", "2028-08-31"]),
    has_paid("2028-02-29T11:00", "august", 0, ["2028-01-31", "2028-02-29"], ["2027-08-31", "2028-08-31"]),
    has_paid("2028-02-29T13:30", "august", 0, ["2028-02-29", "2028-03-31"], ["2027-08-31", "2028-08-31"]),
    has_paid("2028-08-31T13:30", "august", 0, ["2028-08-31", "2028-09-30"], ["2028-08-31", "2029-08-31"]),
    leaves("2028-08-31T14:00", "august", &["100.00", "100.00"]),
];

/// The same rule from a day that three years of four do not have.
static LEAP_DAY: &[Dated] = &[
    buys("2028-02-29T12:00", "month", "basic", "monthly"),
    buys("2028-02-29T12:05", "year", "basic", "annual"),
    has("2028-02-29T12:10", "month", 0, ["2028-02-29", "2028-03-29"]),
    has_paid("2028-02-29T12:10", "year", 0, ["2028-02-29", "2028-03-29"], ["2028-02-29", "2029-02-28"]),
    has("2028-03-29T11:00", "month", 1, ["2028-02-29", "2028-03-29"]),
    has("2028-03-29T13:30", "month", 0, ["2028-03-29", "2028-04-29"]),
    has_paid("2028-03-29T13:30", "year", 0, ["2028-03-29", "2028-04-29"], ["2028-02-29", "2029-02-28"]),
    leaves("2028-03-30T12:00", "month", &["10.00", "10.00"]),
    has_paid("2029-02-28T11:00", "year", 0, ["2029-01-29", "2029-02-28"], ["2028-02-29", "2029-02-28"]),
    has_paid("2029-02-28T13:30", "year", 0, ["2029-02-28", "2029-03-29"], ["2029-02-28", "2030-02-28"]),
    has_paid("2029-03-29T13:30", "year", 0, ["2029-03-29", "2029-04-29"], ["2029-02-28", "2030-02-28"]),
    has_paid("2030-02-28T13:30", "year", 0, ["2030-02-28", "2030-03-29"], ["2030-02-28", "2031-02-28"]),
    has_paid("2031-02-28T13:30", "year", 0, ["2031-02-28", "2031-03-29"], ["2031-02-28", "2032-02-29"]),
    has_paid("2032-02-29T11:00", "year", 0, ["2032-01-29", "2032-02-29"], ["2031-02-28", "2032-02-29"]),
    has_paid("2032-02-29T13:30", "year", 0, ["2032-02-29", "2032-03-29"], ["2032-02-29", "2033-02-28"]),
    leaves("2032-02-29T14:00", "year", &["100.00", "100.00", "100.00", "100.00", "100.00"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn who_buys_on_the_31st_renews_on_the_last_day_of_shorter_months() {
    with_catalog(CATALOG, async |server| live(server, SHORT_MONTHS).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_buys_on_29_february_renews_on_the_29th_and_in_other_years_on_28_february() {
    with_catalog(CATALOG, async |server| live(server, LEAP_DAY).await).await;
}

async fn live(server: &TestServer, rows: &[Dated]) {
    let shop = Shop::of(server);
    for (at, who, row) in rows {
        at_time(&shop, &format!("{at}:00Z")).await;
        match row {
            Row::Buys { plan, interval } => {
                shop.customer(who).account().await;
                shop.buy(who, plan, interval).await;
                shop.settled().await;
            }
            Row::Has { used, month, paid } => look(&shop, (at, who), *used, *month, *paid).await,
            Row::Leaves { invoices } => {
                assert_eq!(totals(&shop, who).await, *invoices, "{who}, at {at}");
                shop.post("cancel", who, json!({ "when": "now" })).await.expect(200);
            }
        }
    }
}

async fn look(shop: &Shop<'_>, (at, who): (&str, &'static str), used: i64, month: [&str; 2], paid: [&str; 2]) {
    let subscription = shop.subscription(who).await;
    assert_eq!(days(&subscription["billing"]["period"]), paid, "{who} has paid, at {at}: {subscription}");
    assert_eq!(days(&subscription["period"]), month, "{who} is in the month, at {at}: {subscription}");
    let customer = shop.customer(who);
    let requests = limit(&customer.usage().await, "requests");
    assert_eq!(requests["resets_at"], subscription["period"]["end"], "{who}, at {at}");
    assert_eq!(requests["used"], used, "{who}, at {at}");
    customer.consume(1).await.expect(200);
}

fn days(period: &Value) -> [&str; 2] {
    ["start", "end"].map(|name| period[name].as_str().and_then(|time| time.get(..10)).expect("a time"))
}

/// It is so late now, on both clocks, and all that was due has happened.
async fn at_time(shop: &Shop<'_>, time: &str) {
    let now = shop.server.get("/api/v1/admin/clock").await.expect(200).json();
    if seconds(&now["now"]) < seconds(&json!(time)) {
        shop.server.post("/api/v1/admin/clock", json!({ "now": time })).await.expect(200);
        shop.settled().await;
    }
}

async fn totals(shop: &Shop<'_>, who: &str) -> Vec<String> {
    let invoices = shop.invoices(who).await;
    invoices.iter().map(|invoice| invoice["total"].as_str().expect("a total").to_owned()).collect()
}

/// Each line of the last invoice: what it is worth, and whether it is a part of a period.
async fn last_lines(shop: &Shop<'_>, who: &str) -> Vec<String> {
    let invoices = shop.invoices(who).await;
    let lines = invoices.last().expect("an invoice")["lines"].as_array().expect("lines").clone();
    let mut amounts: Vec<String> =
        lines.iter().map(|line| line["amount"].as_str().expect("money").to_owned()).collect();
    amounts.sort();
    amounts
}

/// So many whole days after the period began, on both clocks; that instant, as a change of plan is told it.
async fn days_in(shop: &Shop<'_>, who: &str, days: i64) -> String {
    let start = shop.subscription(who).await["billing"]["period"]["start"].clone();
    let instant = domain::time::Timestamp::from_seconds(seconds(&start) + days * super::DAY).to_string();
    at_time(shop, &instant).await;
    instant
}

/// docs.stripe.com/billing/subscriptions/prorations: what is left of a period is credited at the old price and charged at
/// the new one, to the second. Of 10 to 30 dollars:
///
/// - 10 days into the 31 of March 2027, 21/31 are left: 10.00 × 21/31 = 6.774…, 30.00 × 21/31 = 20.322…; 13.55 together.
/// - 11 days into the 28 of February 2027, 17/28 are left: 10.00 × 17/28 = 6.071…, 30.00 × 17/28 = 18.214…; 12.14 together.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_credits_and_charges_the_share_of_the_month_that_is_left() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        for (who, bought, days, lines, due) in [
            ("february", "2027-02-01T12:00:00Z", 11, ["-6.07", "18.21"], "12.14"),
            ("march", "2027-03-01T12:00:00Z", 10, ["-6.77", "20.32"], "13.55"),
        ] {
            at_time(&shop, bought).await;
            let customer = shop.customer(who);
            customer.account().await;
            shop.buy(who, "basic", "monthly").await;
            customer.consume(700).await.expect(200);
            let period = shop.subscription(who).await["billing"]["period"].clone();
            let change = json!({ "plan": "pro", "interval": "monthly", "when": "now",
                "proration_date": days_in(&shop, who, days).await });
            let preview = shop.post("preview", who, change.clone()).await.expect(200).json();
            assert_eq!((&preview["due_now"], &preview["next_invoice"]["amount"]), (&json!(due), &json!("30.00")));
            let changed = shop.post("change", who, change).await.expect(200).json();
            assert_eq!(changed["subscription"]["billing"]["period"], period, "the period stays");
            shop.settled().await;
            assert_eq!(last_lines(&shop, who).await, lines, "{who}");
            assert_eq!(totals(&shop, who).await, ["10.00", due], "{who}");
            let requests = limit(&customer.usage().await, "requests");
            assert_eq!((&requests["used"], &requests["limit"]), (&json!(700), &json!(10_000)));
            at_time(&shop, period["end"].as_str().unwrap()).await;
            shop.advance(2 * 3_600).await;
            assert_eq!(totals(&shop, who).await, ["10.00", due, "30.00"], "{who}");
            assert_eq!(customer.used("requests").await, 0);
            shop.post("cancel", who, json!({ "when": "now" })).await.expect(200);
        }
    })
    .await;
}

/// The same page: where the interval changes, the unused time of the old price is credited, the new one is charged whole,
/// and the change's day is the new anchor. 10.00 × 21/31 = 6.77 is credited; 100.00 − 6.77 = 93.23.
#[tokio::test(flavor = "multi_thread")]
async fn to_the_year_in_mid_month_a_whole_year_is_charged_less_the_rest_of_the_month() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        at_time(&shop, "2027-03-01T12:00:00Z").await;
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "basic", "monthly").await;
        customer.consume(700).await.expect(200);
        let change = json!({ "plan": "basic", "interval": "annual", "when": "now",
            "proration_date": days_in(&shop, "ada", 10).await });
        let changed = shop.post("change", "ada", change).await.expect(200).json();
        let subscription = &changed["subscription"];
        assert_eq!(days(&subscription["billing"]["period"]), ["2027-03-11", "2028-03-11"], "{changed}");
        assert_eq!(days(&subscription["period"]), ["2027-03-11", "2027-04-11"], "{changed}");
        shop.settled().await;
        assert_eq!(last_lines(&shop, "ada").await, ["-6.77", "100.00"]);
        assert_eq!(totals(&shop, "ada").await, ["10.00", "93.23"]);
        assert_eq!(customer.used("requests").await, 0, "a new period begins with the new year");
    })
    .await;
}

/// 30.00 for March, 10.00 for April, and nothing for the change.
#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_for_later_holds_from_the_last_day_of_a_short_month() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        at_time(&shop, "2027-03-31T12:00:00Z").await;
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "pro", "monthly").await;
        customer.consume(5_000).await.expect(200);
        at_time(&shop, "2027-04-15T12:00:00Z").await;
        let change = json!({ "plan": "basic", "interval": "monthly", "when": "period_end" });
        let changed = shop.post("change", "ada", change).await.expect(200).json();
        let scheduled = &changed["subscription"]["billing"]["scheduled_change"];
        assert_eq!(scheduled["at"].as_str().and_then(|at| at.get(..10)), Some("2027-04-30"), "{changed}");
        at_time(&shop, "2027-04-30T11:00:00Z").await;
        assert_eq!(shop.subscription("ada").await["plan"], "pro");
        assert_eq!(customer.used("requests").await, 5_000);
        at_time(&shop, "2027-04-30T13:30:00Z").await;
        let subscription = shop.subscription("ada").await;
        assert_eq!(subscription["plan"], "basic");
        assert_eq!(days(&subscription["billing"]["period"]), ["2027-04-30", "2027-05-31"]);
        assert_eq!(customer.used("requests").await, 0);
        assert_eq!(totals(&shop, "ada").await, ["30.00", "10.00"]);
    })
    .await;
}

/// To the year with the end of the month that runs: it goes on from 31 January to 28 February with what was used in it. The
/// same page of Stripe's: where the interval changes, the change's day is the new anchor. So the year runs from 28 February,
/// and its months from the 28th. 10.00 for the month, 100.00 for the year, and 0.25 for 50 past 1,000 in the month that ran, at
/// 0.50 for each 100.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_the_year_for_later_leaves_the_month_that_runs_as_it_is() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        at_time(&shop, "2027-01-31T12:00:00Z").await;
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "basic", "monthly").await;
        customer.consume(700).await.expect(200);
        customer.consume_of("tokens", 1_050).await.expect(200);
        at_time(&shop, "2027-02-10T12:00:00Z").await;
        let change = json!({ "plan": "basic", "interval": "annual", "when": "period_end" });
        shop.post("change", "ada", change).await.expect(200);
        shop.settled().await;
        for at in ["2027-02-10T12:00:00Z", "2027-02-28T11:00:00Z"] {
            at_time(&shop, at).await;
            let subscription = shop.subscription("ada").await;
            assert_eq!(days(&subscription["period"]), ["2027-01-31", "2027-02-28"], "at {at}: {subscription}");
            assert_eq!(customer.used("requests").await, 700, "at {at}");
        }
        customer.consume(301).await.expect(429);
        at_time(&shop, "2027-02-28T13:30:00Z").await;
        let subscription = shop.subscription("ada").await;
        assert_eq!(days(&subscription["billing"]["period"]), ["2027-02-28", "2028-02-28"], "{subscription}");
        assert_eq!(days(&subscription["period"]), ["2027-02-28", "2027-03-28"]);
        assert_eq!(customer.used("requests").await, 0);
        at_time(&shop, "2027-03-28T13:30:00Z").await;
        assert_eq!(days(&shop.subscription("ada").await["period"]), ["2027-03-28", "2027-04-28"]);
        let mut paid = totals(&shop, "ada").await;
        paid.retain(|total| total != "0.00");
        paid.sort();
        assert_eq!(paid, ["0.25", "10.00", "100.00"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_is_canceled_ends_with_its_last_day_and_costs_nothing() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        at_time(&shop, "2027-03-17T12:00:00Z").await;
        let customer = shop.customer("ada");
        customer.consume(60).await.expect(200);
        let session = shop.checkout("ada", "tried", "monthly").await.expect(201).json();
        shop.pay(session["session"].as_str().unwrap(), GOOD_CARD).await;
        shop.until_status("ada", "trialing").await;
        customer.consume(1_500).await.expect(200);
        let canceled = shop.post("cancel", "ada", json!({})).await.expect(200).json();
        assert_eq!(canceled["billing"]["cancel_at"], canceled["billing"]["trial_ends_at"]);
        assert_eq!(canceled["billing"]["cancel_at"].as_str().and_then(|at| at.get(..10)), Some("2027-03-31"));
        at_time(&shop, "2027-03-31T11:00:00Z").await;
        assert_eq!(shop.subscription("ada").await["plan"], "tried");
        at_time(&shop, "2027-03-31T13:30:00Z").await;
        let ended = shop.subscription("ada").await;
        assert_eq!((&ended["plan"], &ended["billing"]), (&json!("free"), &json!(null)));
        // The account was made on 17 March: its own month is not over, and what it used in it is not forgotten.
        assert_eq!(customer.used("requests").await, 60);
        assert!(totals(&shop, "ada").await.iter().all(|total| total == "0.00"));
        assert!(shop.payments("ada").await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn telling_of_a_renewal_again_gives_no_quota_again() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        at_time(&shop, "2027-01-31T12:00:00Z").await;
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "basic", "monthly").await;
        customer.consume(1_000).await.expect(200);
        shop.ask("/sandbox/webhooks", json!({ "hold": true, "double": 100, "shuffle": true, "seed": 3 })).await;
        server.post("/api/v1/admin/clock", json!({ "now": "2027-02-28T13:30:00Z" })).await.expect(200);
        assert_eq!(customer.used("requests").await, 0, "the month is over, whatever was told of it");
        customer.consume(1_000).await.expect(200);
        shop.ask("/sandbox/webhooks/release", json!({})).await;
        shop.settled().await;
        let told: i64 = shop.story("ada").await.iter().filter(|kind| *kind == "renewed").count() as i64;
        assert_eq!((customer.used("requests").await, told), (json!(1_000), 1));
        shop.ask("/sandbox/webhooks", json!({})).await;
        // Events of their own that tell of the same period.
        let subscription = shop.subscription("ada").await["billing"]["subscription"].clone();
        let path = format!("subscriptions/{}", subscription.as_str().unwrap());
        for note in ["one", "two"] {
            shop.stripe_post(&path, &[("metadata[note]", note)]).await;
        }
        shop.settled().await;
        let one = server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200).json();
        for compared in [one, reconcile_all(server).await] {
            assert_eq!(compared["found"], json!([]), "nothing was left to repair");
        }
        assert_eq!(customer.used("requests").await, 1_000);
        customer.consume(1).await.expect(429);
        assert_eq!(totals(&shop, "ada").await, ["10.00", "10.00"]);
    })
    .await;
}
