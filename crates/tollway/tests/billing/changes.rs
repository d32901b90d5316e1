//! Changing a plan that is paid for: what the preview says, what is charged, and what becomes of used quota.

use serde_json::{Value, json};

use super::{CATALOG, DAY};
use crate::stage::{Shop, assert_problem, limit, with_catalog};

fn to(plan: &str, interval: &str, when: &str) -> Value {
    json!({ "plan": plan, "interval": interval, "when": when })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_costs_to_the_cent_what_the_preview_says_and_keeps_what_was_used() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "basic", "monthly").await;
        customer.consume(700).await.expect(200);
        shop.advance(10 * DAY).await;
        let mut wanted = to("pro", "monthly", "now");
        let preview = shop.post("preview", "ada", wanted.clone()).await.expect(200).json();
        assert_eq!(shop.subscription("ada").await["plan"], "basic", "a preview changes nothing");
        let lines: Vec<&str> =
            preview["lines"].as_array().unwrap().iter().map(|line| line["amount"].as_str().unwrap()).collect();
        assert_eq!(lines.len(), 2, "{preview}");
        assert!(lines.iter().any(|amount| amount.starts_with('-')), "unused time is credited: {preview}");
        let requests = preview["limits_after"].as_array().unwrap().iter().find(|limit| limit["meter"] == "requests");
        assert_eq!(requests.unwrap()["limit"], 10_000);

        wanted["proration_date"] = preview["proration_date"].clone();
        let changed = shop.post("change", "ada", wanted).await.expect(200).json();
        assert_eq!(changed["pay_url"], json!(null));
        assert_eq!(changed["subscription"]["plan"], "pro");
        shop.settled().await;
        let invoices = shop.invoices("ada").await;
        assert_eq!(invoices.last().unwrap()["total"], preview["due_now"], "{invoices:?}");
        assert_eq!(invoices.len(), 2);
        let requests = limit(&customer.usage().await, "requests").clone();
        assert_eq!((&requests["used"], &requests["limit"]), (&json!(700), &json!(10_000)));
        let story = shop.story("ada").await;
        assert!(story.contains(&"upgraded".to_owned()), "{story:?}");
        assert_problem(&shop.post("change", "ada", to("pro", "monthly", "now")).await, 409, "nothing_to_change");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_for_later_keeps_the_plan_until_the_period_ends_and_costs_nothing_before() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        let customer = shop.customer("ada");
        customer.account().await;
        shop.buy("ada", "pro", "monthly").await;
        customer.consume(5_000).await.expect(200);
        let preview = shop.post("preview", "ada", to("basic", "monthly", "period_end")).await.expect(200).json();
        assert_eq!((&preview["due_now"], &preview["lines"]), (&json!("0.00"), &json!([])));
        assert_eq!(preview["next_invoice"]["amount"], "10.00");
        let changed = shop.post("change", "ada", to("basic", "monthly", "period_end")).await.expect(200).json();
        let subscription = &changed["subscription"];
        assert_eq!(subscription["plan"], "pro");
        assert_eq!(subscription["billing"]["scheduled_change"]["plan"], "basic");
        assert_eq!(subscription["billing"]["scheduled_change"]["at"], subscription["billing"]["period"]["end"]);
        customer.consume(1_000).await.expect(200);
        shop.advance(15 * DAY).await;
        assert_eq!(shop.subscription("ada").await["plan"], "pro");
        shop.advance(17 * DAY).await;
        shop.until_on("ada", "basic").await;
        let invoices = shop.invoices("ada").await;
        let totals: Vec<_> = invoices.iter().map(|invoice| invoice["total"].clone()).collect();
        assert_eq!(totals, [json!("30.00"), json!("10.00")]);
        assert_eq!(customer.used("requests").await, 0, "a new period begins");
        assert_eq!(shop.subscription("ada").await["billing"]["scheduled_change"], json!(null));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_for_later_is_taken_back_by_changing_back() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.buy("ada", "pro", "monthly").await;
        shop.post("change", "ada", to("basic", "monthly", "period_end")).await.expect(200);
        let changed = shop.post("change", "ada", to("pro", "monthly", "period_end")).await.expect(200).json();
        assert_eq!(changed["subscription"]["billing"]["scheduled_change"], json!(null), "{changed}");
        shop.advance(32 * DAY).await;
        assert_eq!(shop.subscription("ada").await["plan"], "pro");
        let totals: Vec<_> = shop.invoices("ada").await.iter().map(|invoice| invoice["total"].clone()).collect();
        assert_eq!(totals, [json!("30.00"), json!("30.00")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_month_to_the_year_a_new_period_begins_at_once_and_back_at_its_end() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        shop.advance(10 * DAY).await;
        let mut wanted = to("basic", "annual", "now");
        let preview = shop.post("preview", "ada", wanted.clone()).await.expect(200).json();
        wanted["proration_date"] = preview["proration_date"].clone();
        let changed = shop.post("change", "ada", wanted).await.expect(200).json();
        assert_eq!(changed["subscription"]["interval"], "annual");
        shop.settled().await;
        let invoices = shop.invoices("ada").await;
        assert_eq!(invoices.last().unwrap()["total"], preview["due_now"]);
        let year_ends = shop.subscription("ada").await["billing"]["period"]["end"].clone();
        let back = shop.post("change", "ada", to("basic", "monthly", "period_end")).await.expect(200).json();
        assert_eq!(back["subscription"]["billing"]["scheduled_change"]["at"], year_ends, "{back}");
        assert_eq!(shop.invoices("ada").await.iter().filter(|invoice| invoice["total"] != "0.00").count(), 2);
        shop.advance(366 * DAY).await;
        let after = shop.subscription("ada").await;
        assert_eq!(
            (&after["plan"], &after["interval"], &after["status"]),
            (&json!("basic"), &json!("monthly"), &json!("active"))
        );
        assert_eq!(after["billing"]["amount"], "10.00");
    })
    .await;
}
