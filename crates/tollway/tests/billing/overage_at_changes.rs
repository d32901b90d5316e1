//! Usage past limits where the plan becomes another within the window: what was past the old limit at the old price, what
//! comes then past the new limit at the new price, no unit twice. All amounts are computed by hand.

mod again;
mod agreed;
mod ended;
mod late;

use serde_json::{Value, json};
use testkit::server::TestServer;

use crate::stage::{Shop, seconds, with_catalog};

/// Tokens by the month that is paid for, pages by the calendar's month, calls by its day, seals for ever.
pub const CATALOG: &str = r#"
product = "Shop"
currency = "USD"
default_plan = "free"
grace_days = 3

[meters.tokens]
[meters.pages]
[meters.calls]
[meters.seals]

[plans.free]
rank = 0
limits = { tokens = 100 }

[plans.basic]
rank = 1
price = { monthly = "10.00", annual = "100.00", EUR = { monthly = "9.00", annual = "90.00" } }
[plans.basic.limits]
tokens = { amount = 1_000, past = { charge = "0.50", each = 100, up_to = "20.00", EUR = { charge = "0.45", up_to = "18.00" } } }
pages = { amount = 100, per = "month", past = { charge = "0.10", each = 1, EUR = { charge = "0.09" } } }
calls = { amount = 10, per = "day", past = { charge = "1.00", each = 1, EUR = { charge = "0.90" } } }
seals = { amount = 5, per = "lifetime", past = { charge = "2.00", each = 1, EUR = { charge = "1.80" } } }

[plans.big]
rank = 2
price = { monthly = "20.00", annual = "200.00", EUR = { monthly = "18.00", annual = "180.00" } }
[plans.big.limits]
tokens = { amount = 5_000, past = { charge = "0.30", each = 100, up_to = "15.00", EUR = { charge = "0.27", up_to = "13.50" } } }
pages = { amount = 1_000, per = "month", past = { charge = "0.05", each = 1, EUR = { charge = "0.05" } } }
calls = { amount = 100, per = "day", past = { charge = "0.50", each = 1, EUR = { charge = "0.45" } } }

[plans.pro]
rank = 3
price = { monthly = "30.00", annual = "300.00" }
limits = { tokens = 1_000_000, pages = 1_000_000, calls = 1_000_000, seals = 1_000_000 }
"#;

/// What a customer does, or what is charged until then, at a time.
pub enum Row {
    Uses(&'static str, i64),
    /// Now, at the interval that is paid for.
    ChangesTo(&'static str),
    /// What was charged for usage until now, in the order it was: minor units and words.
    Charged(&'static [(i64, &'static str)]),
    /// All invoices with money on them.
    Invoices(&'static [&'static str]),
}

use Row::{ChangesTo, Charged, Invoices, Uses};

/// On both clocks; all that was due has happened.
pub async fn at_time(shop: &Shop<'_>, time: &str) {
    let now = shop.server.get("/api/v1/admin/clock").await.expect(200).json();
    if seconds(&now["now"]) < seconds(&json!(time)) {
        shop.server.post("/api/v1/admin/clock", json!({ "now": time })).await.expect(200);
        shop.settled().await;
    }
}

/// What was charged for usage by lines of our own, the first one first.
pub async fn charged(shop: &Shop<'_>) -> Vec<(i64, String)> {
    let customer = shop.last_customer().await;
    let items = shop.stripe_get(&format!("invoiceitems?limit=100&customer={customer}")).await;
    let items = items["data"].as_array().expect("items").iter().rev();
    let own = items.filter(|item| !item["metadata"]["tollway_overage"].is_null());
    own.map(|item| {
        let words = item["description"].as_str().expect("words").replace(" UTC", "");
        (item["amount"].as_i64().expect("an amount"), words)
    })
    .collect()
}

pub async fn is_charged(shop: &Shop<'_>, at: &str, expected: &[(i64, &str)]) {
    shop.server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200);
    shop.settled().await;
    let charged = charged(shop).await;
    let charged: Vec<(i64, &str)> = charged.iter().map(|(amount, words)| (*amount, words.as_str())).collect();
    assert_eq!(charged, expected, "at {at}");
}

/// Bought on 1 March 2027 at noon.
async fn buy(shop: &Shop<'_>, plan: &str, interval: &str) {
    at_time(shop, "2027-03-01T12:00:00Z").await;
    shop.customer("ada").account().await;
    shop.buy("ada", plan, interval).await;
    shop.settled().await;
}

/// Writes a grant or overrides of the account.
async fn put(shop: &Shop<'_>, what: &str, body: Value) {
    let path = format!("/api/v1/accounts/{}/{what}", shop.customer("ada").account().await);
    shop.server.put(&path, body).await.expect(200);
    shop.settled().await;
}

async fn live(shop: &Shop<'_>, interval: &str, rows: &[(&str, Row)]) {
    let customer = shop.customer("ada");
    for (at, row) in rows {
        at_time(shop, &format!("{at}:00Z")).await;
        match row {
            Uses(meter, quantity) => drop(customer.consume_of(meter, *quantity).await.expect(200)),
            ChangesTo(plan) => {
                let wanted = json!({ "plan": plan, "interval": interval, "when": "now" });
                let changed = shop.post("change", "ada", wanted).await.expect(200).json();
                assert_eq!(changed["subscription"]["plan"], *plan, "at {at}");
                shop.settled().await;
            }
            Charged(expected) => is_charged(shop, at, expected).await,
            Invoices(expected) => {
                let all = shop.invoices("ada").await;
                let totals = all.iter().filter_map(|invoice: &Value| invoice["total"].as_str());
                let totals: Vec<&str> = totals.filter(|total| *total != "0.00").collect();
                assert_eq!(totals, *expected, "at {at}");
            }
        }
    }
}

async fn story(plan: &str, interval: &str, rows: &[(&str, Row)]) {
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, plan, interval).await;
        live(&shop, interval, rows).await;
    })
    .await;
}

/// 250 past 1,000 at 0.50 for each 100 are 1.25. They come with the invoice that closes the month: 30.00 and 1.25.
#[tokio::test(flavor = "multi_thread")]
async fn who_upgrades_a_minute_before_the_end_pays_for_what_was_past_the_old_limit() {
    const OLD: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 1 April 2027, 11:59)");
    story(
        "basic",
        "monthly",
        &[
            ("2027-03-10T12:00", Uses("tokens", 1_250)),
            ("2027-04-01T11:58", Charged(&[])),
            ("2027-04-01T11:59", ChangesTo("pro")),
            ("2027-04-01T11:59", Charged(&[OLD])),
            ("2027-04-01T14:30", Charged(&[OLD])),
            ("2027-04-01T14:30", Invoices(&["10.00", "31.25"])),
            ("2027-05-03T14:30", Charged(&[OLD])),
            ("2027-05-03T14:30", Invoices(&["10.00", "31.25", "30.00"])),
        ],
    )
    .await;
}

/// To the plan with 5,000 on 16 March, when half of the month of 31 days is not quite over: 10.00 × 16/31 = 5.16 are credited
/// and 20.00 × 16/31 = 10.32 charged. Of 5,500 used in the end, 250 are paid for, and 250 more are past 5,000, at 0.30 for each
/// 100: 0.75.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_charged_at_the_change_does_not_use_up_the_new_limit() {
    const OLD: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const NEW: (i64, &str) =
        (75, "250 tokens past 5,000, at 0.3 USD for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)");
    story(
        "basic",
        "monthly",
        &[
            ("2027-03-10T12:00", Uses("tokens", 1_250)),
            ("2027-03-16T12:00", ChangesTo("big")),
            ("2027-03-20T12:00", Charged(&[OLD])),
            ("2027-03-20T12:00", Uses("tokens", 4_250)),
            ("2027-03-30T12:00", Charged(&[OLD])),
            ("2027-04-01T12:30", Charged(&[OLD, NEW])),
            ("2027-04-01T14:30", Charged(&[OLD, NEW])),
            ("2027-04-01T14:30", Invoices(&["10.00", "5.16", "22.00"])),
            ("2027-05-03T14:30", Charged(&[OLD, NEW])),
            ("2027-05-03T14:30", Invoices(&["10.00", "5.16", "22.00", "20.00"])),
        ],
    )
    .await;
}

/// Within both limits at the change, and past the new one later: 200 past 5,000 at 0.30 for each 100.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_within_the_limit_charges_what_is_past_the_new_one_alone() {
    story(
        "basic",
        "monthly",
        &[
            ("2027-03-10T12:00", Uses("tokens", 900)),
            ("2027-03-16T12:00", ChangesTo("big")),
            ("2027-03-20T12:00", Uses("tokens", 4_300)),
            (
                "2027-04-01T14:30",
                Charged(&[(
                    60,
                    "200 tokens past 5,000, at 0.3 USD for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)",
                )]),
            ),
        ],
    )
    .await;
}

/// 3,000 were used of 5,000: none of them is charged by the plan with 1,000. The 100 that come after the change are.
#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_charges_what_is_used_after_it_alone() {
    const NEW: (i64, &str) =
        (50, "100 tokens past 1,000, at 0.5 USD for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)");
    story(
        "big",
        "monthly",
        &[
            ("2027-03-10T12:00", Uses("tokens", 3_000)),
            ("2027-03-16T12:00", ChangesTo("basic")),
            ("2027-03-16T12:00", Charged(&[])),
            ("2027-03-20T12:00", Uses("tokens", 100)),
            ("2027-04-01T14:30", Charged(&[NEW])),
            ("2027-05-03T14:30", Charged(&[NEW])),
        ],
    )
    .await;
}

/// 250 past 1,000, then 1,750 under a plan that includes them, then 100 more past 1,000. And once more there and back, with
/// nothing used: nothing is charged again.
#[tokio::test(flavor = "multi_thread")]
async fn there_and_back_charges_each_unit_by_the_plan_that_it_was_used_under() {
    const FIRST: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 10 March 2027, 12:00)");
    const SECOND: (i64, &str) =
        (50, "100 tokens past 1,000, at 0.5 USD for each 100 (15 March 2027, 12:00 to 20 March 2027, 12:00)");
    story(
        "basic",
        "monthly",
        &[
            ("2027-03-09T12:00", Uses("tokens", 1_250)),
            ("2027-03-10T12:00", ChangesTo("pro")),
            ("2027-03-11T12:00", Uses("tokens", 1_750)),
            ("2027-03-15T12:00", ChangesTo("basic")),
            ("2027-03-16T12:00", Uses("tokens", 100)),
            ("2027-03-18T12:00", Charged(&[FIRST])),
            ("2027-03-20T12:00", ChangesTo("pro")),
            ("2027-03-20T12:00", Charged(&[FIRST, SECOND])),
            ("2027-03-25T12:00", ChangesTo("basic")),
            ("2027-04-01T14:30", Charged(&[FIRST, SECOND])),
            ("2027-05-03T14:30", Charged(&[FIRST, SECOND])),
        ],
    )
    .await;
}

/// 4,000 past 1,000 are 20.00, which is all that `up_to` allows. Of the plan with 5,000 that allows 15.00 nothing is left of it
/// in this month. In the next one 15.00 are charged: 5,000 past 5,000.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_charged_in_a_month_than_the_new_plan_allows_whatever_was_charged_before() {
    const OLD: (i64, &str) =
        (2_000, "4,000 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const APRIL: (i64, &str) =
        (1_500, "5,000 tokens past 5,000, at 0.3 USD for each 100 (1 April 2027, 12:00 to 1 May 2027, 12:00)");
    story(
        "basic",
        "monthly",
        &[
            ("2027-03-10T12:00", Uses("tokens", 5_000)),
            ("2027-03-16T12:00", ChangesTo("big")),
            ("2027-03-20T12:00", Uses("tokens", 5_000)),
            ("2027-04-01T14:30", Charged(&[OLD])),
            ("2027-04-10T12:00", Uses("tokens", 10_000)),
            ("2027-05-03T14:30", Charged(&[OLD, APRIL])),
        ],
    )
    .await;
}

/// 2,000 past 1,000 are 10.00; of the 15.00 that the plan with 5,000 allows 5.00 are left. 5,000 past 5,000, less the 2,000, are
/// 3,000 at 0.30 for each 100: 9.00, of which 5.00 are charged.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_charged_before_counts_toward_what_the_new_plan_allows() {
    const OLD: (i64, &str) =
        (1_000, "2,000 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const NEW: (i64, &str) =
        (500, "3,000 tokens past 5,000, at 0.3 USD for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)");
    story(
        "basic",
        "monthly",
        &[
            ("2027-03-10T12:00", Uses("tokens", 3_000)),
            ("2027-03-16T12:00", ChangesTo("big")),
            ("2027-03-20T12:00", Uses("tokens", 7_000)),
            ("2027-04-01T14:30", Charged(&[OLD, NEW])),
            ("2027-04-05T14:30", Charged(&[OLD, NEW])),
        ],
    )
    .await;
}

/// By the year each is an invoice of its own: 1.25 at the change, and 0.75 when the month is over.
#[tokio::test(flavor = "multi_thread")]
async fn by_the_year_the_change_brings_an_invoice_of_its_own() {
    const OLD: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const NEW: (i64, &str) =
        (75, "250 tokens past 5,000, at 0.3 USD for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "annual").await;
        let rows = [
            ("2027-03-10T12:00", Uses("tokens", 1_250)),
            ("2027-03-16T12:00", ChangesTo("big")),
            ("2027-03-16T12:00", Charged(&[OLD])),
            ("2027-03-20T12:00", Uses("tokens", 4_250)),
            ("2027-04-05T14:30", Charged(&[OLD, NEW])),
            ("2027-05-05T14:30", Charged(&[OLD, NEW])),
        ];
        live(&shop, "annual", &rows).await;
        let invoices = shop.invoices("ada").await;
        let own = invoices.iter().filter(|invoice| invoice["reason"] == "manual");
        let own: Vec<_> = own.map(|invoice| (invoice["total"].clone(), invoice["status"].clone())).collect();
        assert_eq!(own, [(json!("1.25"), json!("paid")), (json!("0.75"), json!("paid"))]);
    })
    .await;
}

/// Who pays in euros: 250 at 0.45 for each 100 are 1.125, which is 1.12 to the even cent; 250 at 0.27 are 0.675, which is 0.68.
#[tokio::test(flavor = "multi_thread")]
async fn who_pays_in_euros_pays_both_prices_in_euros() {
    const OLD: (i64, &str) =
        (112, "250 tokens past 1,000, at 0.45 EUR for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const NEW: (i64, &str) =
        (68, "250 tokens past 5,000, at 0.27 EUR for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        at_time(&shop, "2027-03-01T12:00:00Z").await;
        shop.customer("ada").account().await;
        shop.sell_in("eur", "ada", "basic").await;
        let rows = [
            ("2027-03-10T12:00", Uses("tokens", 1_250)),
            ("2027-03-16T12:00", ChangesTo("big")),
            ("2027-03-20T12:00", Uses("tokens", 4_250)),
            ("2027-04-01T14:30", Charged(&[OLD, NEW])),
        ];
        live(&shop, "monthly", &rows).await;
        let currencies = shop.invoices("ada").await;
        assert!(currencies.iter().all(|invoice| invoice["currency"] == "EUR"), "{currencies:?}");
    })
    .await;
}

/// Windows of the calendar go on through the change. 150 pages are 50 past 100 on 16 March, at 0.10: 5.00. In the rest
/// of March 1,000 more are used: of 1,150 in all 50 were paid for, and 100 are past 1,000, at 0.05. The day of the change: 12
/// calls are 2 past 10, and of 103 in all one is past 100 and the two. Nothing is past the day before and after. Seals are
/// counted for ever: 2 past 5 at 2.00.
#[tokio::test(flavor = "multi_thread")]
async fn windows_of_the_calendar_are_split_at_the_change_too() {
    const PAGES: (i64, &str) =
        (500, "50 pages past 100, at 0.1 USD for each 1 (1 March 2027, 12:00 to 16 March 2027, 18:00)");
    const CALLS: (i64, &str) =
        (200, "2 calls past 10, at 1 USD for each 1 (16 March 2027, 00:00 to 16 March 2027, 18:00)");
    const SEALS: (i64, &str) =
        (400, "2 seals past 5, at 2 USD for each 1 (1 March 2027, 12:00 to 16 March 2027, 18:00)");
    const LATER_CALLS: (i64, &str) =
        (50, "1 calls past 100, at 0.5 USD for each 1 (16 March 2027, 18:00 to 17 March 2027, 00:00)");
    const LATER_PAGES: (i64, &str) =
        (500, "100 pages past 1,000, at 0.05 USD for each 1 (16 March 2027, 18:00 to 1 April 2027, 00:00)");
    story(
        "basic",
        "monthly",
        &[
            ("2027-03-15T12:00", Uses("pages", 150)),
            ("2027-03-15T12:00", Uses("calls", 10)),
            ("2027-03-16T12:00", Uses("calls", 12)),
            ("2027-03-16T12:00", Uses("seals", 7)),
            ("2027-03-16T18:00", ChangesTo("big")),
            ("2027-03-16T18:10", Uses("calls", 91)),
            ("2027-03-16T18:10", Uses("pages", 1_000)),
            ("2027-03-16T18:20", Charged(&[SEALS, PAGES, CALLS])),
            ("2027-03-17T12:00", Uses("calls", 100)),
            ("2027-03-20T12:00", Charged(&[SEALS, PAGES, CALLS, LATER_CALLS])),
            ("2027-04-04T12:00", Charged(&[SEALS, PAGES, CALLS, LATER_CALLS, LATER_PAGES])),
            ("2027-05-10T12:00", Charged(&[SEALS, PAGES, CALLS, LATER_CALLS, LATER_PAGES])),
        ],
    )
    .await;
}
