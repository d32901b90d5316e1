//! Usage past limits that is reported to a meter at Stripe, and billed by Stripe: once, whatever is lost.

use serde_json::{Value, json};

use super::corners::{renew, totals};
use super::{CATALOG, in_euros};
use crate::stage::{Shop, until, with_catalog};

const HOUR: i64 = 3_600;

/// The same, with what is past one limit reported.
fn reported(catalog: &str) -> String {
    catalog.replace(r#"up_to = "5.00""#, r#"up_to = "5.00", stripe_meter = "extra_tokens""#)
}

/// The lines of an invoice that are priced by what the meter counts: how many, and for how much.
async fn counted(shop: &Shop<'_>, invoice: &Value) -> Vec<(Value, Value)> {
    let price = shop.stripe_get("prices?lookup_keys[]=basic_monthly_extra_tokens").await["data"][0]["id"].clone();
    let at_stripe = shop.stripe_get(&format!("invoices/{}", invoice["stripe_id"].as_str().expect("an id"))).await;
    let lines = at_stripe["lines"]["data"].as_array().expect("lines").iter();
    let counted = lines.filter(|line| line["pricing"]["price_details"]["price"] == price);
    counted.map(|line| (line["quantity"].clone(), line["amount"].clone())).collect()
}

async fn items(shop: &Shop<'_>, who: &str) -> Vec<String> {
    let subscription = shop.subscription(who).await["billing"]["subscription"].clone();
    let subscription = shop.stripe_get(&format!("subscriptions/{}", subscription.as_str().expect("an id"))).await;
    let items = subscription["items"]["data"].as_array().expect("items").clone();
    items.iter().filter_map(|item| item["price"]["lookup_key"].as_str().map(str::to_owned)).collect()
}

/// 250 past 1,000, at 0.50 dollars for each 100: 250 units at half a cent. In the second month more is used than the 5.00
/// dollars pay for that were agreed on: 1,000 units.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_the_limit_is_reported_and_is_one_line_of_the_closing_invoice() {
    with_catalog(&reported(CATALOG), async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "basic", "monthly").await;
        assert_eq!(items(&shop, "ada").await, ["basic_monthly", "basic_monthly_extra_tokens"]);
        assert_eq!(shop.subscription("ada").await["billing"]["amount"], "10.00");
        for (used, total, line) in
            [(1_250, "11.25", (250, 125)), (2_000, "15.00", (1_000, 500)), (900, "10.00", (0, 0))]
        {
            customer.consume_of("tokens", used).await.expect(200);
            let ends = shop.subscription("ada").await["billing"]["period"]["end"].clone();
            server.post("/api/v1/admin/clock", json!({ "now": ends })).await.expect(200);
            shop.settled().await;
            for _ in 0..3 {
                server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200);
            }
            shop.advance(2 * HOUR).await;
            let closing = shop.invoices("ada").await.pop().expect("an invoice");
            assert_eq!((&closing["status"], &closing["total"]), (&json!("paid"), &json!(total)), "{closing}");
            assert_eq!(counted(&shop, &closing).await, [(json!(line.0), json!(line.1))], "{closing}");
        }
        assert_eq!(shop.counts().await["invoice_items"], 0, "nothing is charged beside it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pays_in_euros_pays_the_meter_in_euros() {
    with_catalog(&reported(&in_euros()), async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        customer.account().await;
        shop.sell_in("eur", "ada", "basic").await;
        // Who sold it there forgot the meter. Changing to the plan of today brings it.
        assert_eq!(items(&shop, "ada").await, ["basic_monthly"]);
        let subscription = shop.subscription("ada").await["billing"]["subscription"].as_str().unwrap().to_owned();
        let price = shop.stripe_get("prices?lookup_keys[]=basic_monthly_extra_tokens").await;
        let price = price["data"][0]["id"].as_str().unwrap().to_owned();
        shop.stripe_post(&format!("subscriptions/{subscription}"), &[("items[0][price]", price.as_str())]).await;
        shop.settled().await;
        customer.consume_of("tokens", 1_200).await.expect(200);
        renew(&shop, "ada").await;
        let closing = shop.invoices("ada").await.pop().expect("an invoice");
        assert_eq!((&closing["total"], &closing["currency"]), (&json!("9.90"), &json!("EUR")), "{closing}");
        assert_eq!(counted(&shop, &closing).await, [(json!(200), json!(90))]);
    })
    .await;
}

/// The event comes to Stripe or does not, and no answer to it is ever learned. An hour after the invoice is final it is asked
/// for: what Stripe has is not charged again, and what it has not is a line of the next invoice.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_without_an_answer_is_charged_once() {
    for (effect, paid) in [("lose_answer", ["10.00", "11.25", "10.00"]), ("cut", ["10.00", "10.00", "11.25"])] {
        with_catalog(&reported(CATALOG), async |server| {
            println!("{effect}");
            let shop = Shop::of(server);
            let customer = shop.customer("ada");
            customer.account().await;
            shop.buy("ada", "basic", "monthly").await;
            customer.consume_of("tokens", 1_250).await.expect(200);
            shop.settled().await;
            let path = "/v1/billing/meter_events";
            shop.ask("/sandbox/faults", json!({ "method": "POST", "path": path, "times": 1_000, "effect": effect }))
                .await;
            let ends = shop.subscription("ada").await["billing"]["period"]["end"].clone();
            server.post("/api/v1/admin/clock", json!({ "now": ends })).await.expect(200);
            until("it was reported", async || {
                let asked = shop.see("/sandbox/requests").await;
                asked["requests"].as_array().is_some_and(|asked| asked.iter().any(|asked| asked["path"] == path))
            })
            .await;
            server.advance(3 * HOUR).await;
            let cleared = reqwest::Client::new().delete(format!("{}/sandbox/faults", shop.stripe)).send().await;
            assert!(cleared.is_ok_and(|answer| answer.status() == 200));
            server.advance(HOUR).await;
            for _ in 0..3 {
                server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200);
            }
            shop.settled().await;
            renew(&shop, "ada").await;
            assert_eq!(totals(&shop, "ada").await, paid, "{effect}");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_plan_brings_and_takes_the_meter_and_an_end_at_once_is_an_invoice_of_its_own() {
    with_catalog(&reported(CATALOG), async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "basic", "monthly").await;
        let change = async |plan: &str, interval: &str, when: &str| {
            shop.advance(HOUR).await;
            let body = json!({ "plan": plan, "interval": interval, "when": when });
            shop.post("preview", "ada", body.clone()).await.expect(200);
            shop.post("change", "ada", body).await.expect(200);
            shop.settled().await;
            items(&shop, "ada").await
        };
        assert_eq!(change("pro", "monthly", "now").await, ["pro_monthly"]);
        assert_eq!(change("basic", "monthly", "now").await, ["basic_monthly", "basic_monthly_extra_tokens"]);
        // The plan that is kept until then has its limits, and Stripe's meter is gone with its price.
        customer.consume_of("tokens", 1_250).await.expect(200);
        assert_eq!(change("pro", "monthly", "period_end").await, ["pro_monthly"]);
        renew(&shop, "ada").await;
        assert_eq!(totals(&shop, "ada").await.last().map(String::as_str), Some("31.25"), "30.00 and 1.25");
        assert_eq!(
            change("basic", "annual", "now").await,
            ["basic_annual"],
            "a year is billed from here, month by month"
        );
        assert_eq!(change("basic", "monthly", "now").await, ["basic_monthly", "basic_monthly_extra_tokens"]);
        shop.advance(HOUR).await;
        customer.consume_of("tokens", 1_100).await.expect(200);
        shop.post("cancel", "ada", json!({ "when": "now" })).await.expect(200);
        shop.settled().await;
        server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200);
        shop.settled().await;
        let own = shop.invoices("ada").await.into_iter().filter(|invoice| invoice["total"] == "0.50");
        let own: Vec<Value> = own.map(|invoice| invoice["status"].clone()).collect();
        assert_eq!(own, [json!("paid")], "{:?}", totals(&shop, "ada").await);
    })
    .await;
}
