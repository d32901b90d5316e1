//! Usage past limits that charge for it: on the closing invoice, once.

use serde_json::json;

use super::corners::renew;
use super::{CATALOG, DAY, in_euros};
use crate::stage::{Shop, with_catalog};

#[tokio::test(flavor = "multi_thread")]
async fn usage_past_the_limit_is_a_line_of_the_closing_invoice_once() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "basic", "monthly").await;
        // 250 past 1,000, at 0.50 dollars for each 100: 1.25 dollars.
        customer.consume_of("tokens", 1_250).await.expect(200);
        let ends = shop.subscription("ada").await["billing"]["period"]["end"].clone();
        server.post("/api/v1/admin/clock", json!({ "now": ends })).await.expect(200);
        shop.settled().await;
        for _ in 0..3 {
            server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200);
        }
        shop.advance(2 * 3_600).await;
        let invoices = shop.invoices("ada").await;
        let closing = invoices.last().unwrap();
        assert_eq!((&closing["status"], &closing["total"]), (&json!("paid"), &json!("11.25")), "{closing}");
        let lines = closing["lines"].as_array().unwrap();
        let line = lines.iter().find(|line| line["amount"] == "1.25").expect("the overage");
        let description = line["description"].as_str().unwrap();
        assert!(description.starts_with("250 tokens past 1,000, at 0.5 USD for each 100"), "{description}");
        // The next period owes nothing for this one.
        shop.advance(32 * DAY).await;
        let totals: Vec<_> = shop.invoices("ada").await.iter().map(|invoice| invoice["total"].clone()).collect();
        assert_eq!(totals, [json!("10.00"), json!("11.25"), json!("10.00")]);
    })
    .await;
}

/// 250 past 1,000, at 0.45 euros for each 100: 1.125 euros, which is 1.12 to the even cent. 1,000 past would be 4.50 euros, of
/// which 4.00 were agreed on.
#[tokio::test(flavor = "multi_thread")]
async fn who_pays_in_euros_is_charged_in_euros() {
    with_catalog(&in_euros(), async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        customer.account().await;
        shop.sell_in("eur", "ada", "basic").await;
        for (used, total, said) in [
            (1_250, "10.12", "250 tokens past 1,000, at 0.45 EUR for each 100"),
            (2_000, "13.00", "1,000 tokens past 1,000, at 0.45 EUR for each 100"),
        ] {
            customer.consume_of("tokens", used).await.expect(200);
            renew(&shop, "ada").await;
            let closing = shop.invoices("ada").await.pop().expect("an invoice");
            assert_eq!((&closing["currency"], &closing["total"]), (&json!("EUR"), &json!(total)), "{closing}");
            let lines = closing["lines"].as_array().expect("lines");
            let said =
                lines.iter().filter(|line| line["description"].as_str().is_some_and(|text| text.starts_with(said)));
            assert_eq!(said.count(), 1, "{closing}");
        }
    })
    .await;
}

/// Bought on 1 March, changed to the year on 11 March: the month ends there with 1,250 used, 250 past 1,000, at 0.50 dollars
/// for each 100. The new month begins with nothing used; of it 100 past are charged when it is over, on 11 April.
#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_a_change_to_the_year_cuts_short_is_charged_once() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        server.post("/api/v1/admin/clock", json!({ "now": "2027-03-01T12:00:00Z" })).await.expect(200);
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "basic", "monthly").await;
        customer.consume_of("tokens", 1_250).await.expect(200);
        shop.advance(10 * DAY).await;
        let change = json!({ "plan": "basic", "interval": "annual", "when": "now" });
        shop.post("change", "ada", change).await.expect(200);
        shop.settled().await;
        assert_eq!(customer.used("tokens").await, 0);
        let own = async || {
            server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200);
            shop.settled().await;
            let mut invoices = shop.invoices("ada").await;
            invoices.retain(|invoice| invoice["reason"] == "manual");
            let line = |invoice: &serde_json::Value| {
                let words = invoice["lines"][0]["description"].as_str().expect("words").to_owned();
                (invoice["total"].as_str().expect("a total").to_owned(), words)
            };
            invoices.iter().map(line).collect::<Vec<_>>()
        };
        for _ in 0..2 {
            let [(total, words)] = &own().await[..] else { panic!("one invoice of its own") };
            assert_eq!(total, "1.25");
            assert!(words.contains("1 March 2027") && words.contains("11 March 2027"), "{words}");
        }
        customer.consume_of("tokens", 1_100).await.expect(200);
        shop.advance(32 * DAY).await;
        let mut totals: Vec<String> = own().await.into_iter().map(|(total, _)| total).collect();
        totals.sort();
        assert_eq!(totals, ["0.50", "1.25"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_yearly_plan_each_month_is_charged_on_an_invoice_of_its_own() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "basic", "annual").await;
        // 1,000 past 1,000, at 0.50 dollars for each 100; more than these 5 dollars were not agreed on.
        customer.consume_of("tokens", 2_000).await.expect(200);
        customer.consume_of("tokens", 1).await.expect(429);
        shop.advance(32 * DAY).await;
        for _ in 0..2 {
            server.post("/api/v1/admin/reconcile", json!({ "external_id": "ada" })).await.expect(200);
        }
        // An invoice of its own is collected an hour after it was made.
        shop.advance(2 * 3_600).await;
        let invoices = shop.invoices("ada").await;
        let totals: Vec<_> =
            invoices.iter().map(|invoice| (invoice["total"].clone(), invoice["status"].clone())).collect();
        assert_eq!(totals, [(json!("100.00"), json!("paid")), (json!("5.00"), json!("paid"))]);
    })
    .await;
}
