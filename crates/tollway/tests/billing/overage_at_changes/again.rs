//! Windows of several stretches of which one costs nothing, or is added to late: comparing again charges nothing again.

use serde_json::{Value, json};
use testkit::server::TestServer;

use super::Row::{ChangesTo, Charged, Uses};
use super::{CATALOG, at_time, buy, is_charged, live, put};
use crate::stage::{Shop, with_catalog};

fn tokens(past: &Value) -> Value {
    json!({ "limits": [{ "meter": "tokens", "per": "period", "amount": 1_000, "past": past }] })
}

async fn is_charged_again_and_again(shop: &Shop<'_>, expected: &[(i64, &str)]) {
    for at in ["2027-04-01T12:30", "2027-04-01T14:30", "2027-04-02T12:00", "2027-04-05T12:00", "2027-05-05T12:00"] {
        at_time(shop, &format!("{at}:00Z")).await;
        is_charged(shop, at, expected).await;
        is_charged(shop, at, expected).await;
    }
}

/// 4,000 past 1,000 are 20.00, which is all that the first plan allows; the second allows 15.00, so that its 1,000 cost
/// nothing. Then 60.00 are agreed, and 300 past 1,000 are used at 0.50 for each 100: 1.50.
#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_of_which_nothing_is_left_to_charge_does_not_charge_the_next_one_twice() {
    const OLD: (i64, &str) =
        (2_000, "4,000 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const LAST: (i64, &str) =
        (150, "300 tokens past 1,000, at 0.5 USD for each 100 (20 March 2027, 12:00 to 1 April 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        let rows = [
            ("2027-03-10T12:00", Uses("tokens", 5_000)),
            ("2027-03-16T12:00", ChangesTo("big")),
            ("2027-03-17T12:00", Uses("tokens", 5_000)),
        ];
        live(&shop, "monthly", &rows).await;
        at_time(&shop, "2027-03-20T12:00:00Z").await;
        let past = json!({ "on_exceed": "charge", "charge": "0.50", "each": 100, "up_to": "60.00" });
        put(&shop, "overrides", tokens(&past)).await;
        let rows = [("2027-03-20T12:00", Charged(&[OLD])), ("2027-03-21T12:00", Uses("tokens", 300))];
        live(&shop, "monthly", &rows).await;
        is_charged_again_and_again(&shop, &[OLD, LAST]).await;
        let totals: Vec<Value> = shop.invoices("ada").await.iter().map(|invoice| invoice["total"].clone()).collect();
        // 10.00; 16 days of 31 of 10.00 more; 20.00 with 20.00 and 1.50; 20.00.
        assert_eq!(totals, ["10.00", "5.16", "41.50", "20.00"]);
    })
    .await;
}

/// Who pays in euros is given a price in dollars alone: the 250 of that time cost nothing. The 250 after it are past 1,000 at
/// 0.45 for each 100: 1.125, which is 1.12 to the even cent.
#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_without_a_price_in_the_currency_does_not_charge_the_next_one_twice() {
    const LAST: (i64, &str) =
        (112, "250 tokens past 1,000, at 0.45 EUR for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        at_time(&shop, "2027-03-01T12:00:00Z").await;
        shop.customer("ada").account().await;
        shop.sell_in("eur", "ada", "basic").await;
        put(&shop, "overrides", tokens(&json!({ "on_exceed": "charge", "charge": "0.20", "each": 100 }))).await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        at_time(&shop, "2027-03-16T12:00:00Z").await;
        put(&shop, "overrides", json!({})).await;
        let rows = [("2027-03-16T12:00", Charged(&[])), ("2027-03-20T12:00", Uses("tokens", 250))];
        live(&shop, "monthly", &rows).await;
        is_charged_again_and_again(&shop, &[LAST]).await;
    })
    .await;
}

/// 49 at 0.01 for each 100 are 0.49 cents, which are none. The 60 after it, at 0.50 for each 100, are 0.30.
#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_that_is_rounded_to_nothing_does_not_charge_the_next_one_twice() {
    const LAST: (i64, &str) =
        (30, "60 tokens past 1,000, at 0.5 USD for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        put(&shop, "overrides", tokens(&json!({ "on_exceed": "charge", "charge": "0.01", "each": 100 }))).await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_049))]).await;
        at_time(&shop, "2027-03-16T12:00:00Z").await;
        put(&shop, "overrides", json!({})).await;
        let rows = [("2027-03-16T12:00", Charged(&[])), ("2027-03-20T12:00", Uses("tokens", 60))];
        live(&shop, "monthly", &rows).await;
        is_charged_again_and_again(&shop, &[LAST]).await;
    })
    .await;
}

/// Held ten minutes before the change, which is ten minutes before the window's end, and settled after both stretches were
/// charged: 100 more at 0.50 for each 100, by the plan that they were held under.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_before_the_change_and_settled_after_the_window_is_charged_at_the_old_price() {
    const OLD: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 1 April 2027, 11:50)");
    const NEW: (i64, &str) =
        (75, "250 tokens past 5,000, at 0.3 USD for each 100 (1 April 2027, 11:50 to 1 April 2027, 12:00)");
    const MORE: (i64, &str) =
        (50, "100 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 1 April 2027, 11:50)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        at_time(&shop, "2027-04-01T11:40:00Z").await;
        let held = json!({ "meter": "tokens", "quantity": 200, "ttl_seconds": 3_600 });
        let held = shop.customer("ada").reserve(held).await.expect(201).json();
        let rows = [
            ("2027-04-01T11:50", ChangesTo("big")),
            ("2027-04-01T11:55", Uses("tokens", 4_250)),
            ("2027-04-01T12:15", Charged(&[OLD, NEW])),
        ];
        live(&shop, "monthly", &rows).await;
        let path = format!("/api/v1/usage/reservations/{}/commit", held["reservation"].as_str().expect("an id"));
        server.post(&path, json!({ "usage": [{ "meter": "tokens", "quantity": 100 }] })).await.expect(200);
        is_charged_again_and_again(&shop, &[OLD, NEW, MORE]).await;
    })
    .await;
}
