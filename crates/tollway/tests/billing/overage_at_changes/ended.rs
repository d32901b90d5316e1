//! What waits for the next invoice of a subscription, where that ends and no invoice comes.

use serde_json::Value;
use testkit::server::TestServer;

use super::Row::{ChangesTo, Charged, Uses};
use super::{CATALOG, at_time, buy, is_charged, live};
use crate::stage::{Shop, with_catalog};

/// 250 past 1,000 are 1.25 and wait for the invoice of 1 April. On 20 March the subscription is ended at Stripe, at once and
/// without an invoice: they get one of their own, once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_charged_at_a_change_gets_an_invoice_of_its_own_when_the_subscription_ends_without_one() {
    const OLD: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        let rows = [
            ("2027-03-10T12:00", Uses("tokens", 1_250)),
            ("2027-03-16T12:00", ChangesTo("big")),
            ("2027-03-20T12:00", Charged(&[OLD])),
        ];
        live(&shop, "monthly", &rows).await;
        let told = shop.subscription("ada").await;
        let subscription = told["billing"]["subscription"].as_str().expect("it is paid for");
        assert_eq!(shop.stripe_delete(&format!("subscriptions/{subscription}")).await["status"], "canceled");
        shop.until_on("ada", "free").await;
        shop.settled().await;
        for at in ["2027-03-20T12:30", "2027-03-21T12:00", "2027-04-01T14:30", "2027-05-05T12:00"] {
            at_time(&shop, &format!("{at}:00Z")).await;
            is_charged(&shop, at, &[OLD]).await;
            is_charged(&shop, at, &[OLD]).await;
            let invoices = shop.invoices("ada").await;
            let told: Vec<(&Value, &Value)> =
                invoices.iter().map(|invoice| (&invoice["total"], &invoice["status"])).collect();
            // 10.00; 16 days of 31 of 10.00 more; and what was past the limit.
            let expected = [("10.00", "paid"), ("5.16", "paid"), ("1.25", "paid")];
            assert!(
                told.iter()
                    .map(|(total, status)| (total.as_str(), status.as_str()))
                    .eq(expected.map(|(total, status)| (Some(total), Some(status)))),
                "at {at}: {told:?}"
            );
        }
    })
    .await;
}
