//! What is given or agreed beside a plan, a plan's newer version, and what a meter at Stripe counts: each is a change of what
//! prices usage past limits.

use serde_json::json;
use testkit::server::{Engine, TestServer};

use super::Row::{ChangesTo, Charged, Uses};
use super::{CATALOG, at_time, buy, live, put};
use crate::stage::{Shop, Site, TextFile, with_catalog};

/// What was past the limits until the grant is charged with it. Under the grant nothing is, and afterwards only what comes
/// then: of 660 pages in the end the last 10.
#[tokio::test(flavor = "multi_thread")]
async fn a_granted_plan_charges_nothing_and_forgives_nothing() {
    const PAGES: (i64, &str) =
        (500, "50 pages past 100, at 0.1 USD for each 1 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const TOKENS: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const LATER_PAGES: (i64, &str) =
        (100, "10 pages past 100, at 0.1 USD for each 1 (20 March 2027, 12:00 to 1 April 2027, 00:00)");
    const LATER_TOKENS: (i64, &str) =
        (25, "50 tokens past 1,000, at 0.5 USD for each 100 (20 March 2027, 12:00 to 1 April 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        let rows = [("2027-03-10T12:00", Uses("pages", 150)), ("2027-03-10T12:00", Uses("tokens", 1_250))];
        live(&shop, "monthly", &rows).await;
        at_time(&shop, "2027-03-16T12:00:00Z").await;
        put(&shop, "grant", json!({ "plan": "pro", "until": "2027-03-20T12:00:00Z" })).await;
        let rows = [
            ("2027-03-16T12:00", Charged(&[PAGES, TOKENS])),
            ("2027-03-17T12:00", Uses("pages", 500)),
            ("2027-03-17T12:00", Uses("tokens", 5_000)),
            ("2027-03-20T12:05", Charged(&[PAGES, TOKENS])),
            ("2027-03-20T12:10", Uses("pages", 10)),
            ("2027-03-20T12:10", Uses("tokens", 50)),
            ("2027-03-21T12:00", Charged(&[PAGES, TOKENS])),
            ("2027-04-01T12:30", Charged(&[PAGES, TOKENS, LATER_PAGES, LATER_TOKENS])),
            ("2027-04-05T12:30", Charged(&[PAGES, TOKENS, LATER_PAGES, LATER_TOKENS])),
        ];
        live(&shop, "monthly", &rows).await;
    })
    .await;
}

/// Another price is agreed on 16 March: 250 at 0.50 until then, 100 at 0.20 afterwards. What is agreed of other things
/// changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn another_price_that_is_agreed_holds_from_then_on() {
    const OLD: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const NEW: (i64, &str) =
        (20, "100 tokens past 1,000, at 0.2 USD for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)");
    with_catalog(CATALOG, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        at_time(&shop, "2027-03-16T12:00:00Z").await;
        let past = json!({ "on_exceed": "charge", "charge": "0.20", "each": 100 });
        let tokens = json!({ "meter": "tokens", "per": "period", "amount": 1_000, "past": past });
        let pages = json!({ "meter": "pages", "per": "month", "amount": 70 });
        put(&shop, "overrides", json!({ "limits": [tokens] })).await;
        let rows = [("2027-03-16T12:00", Charged(&[OLD])), ("2027-03-17T12:00", Uses("tokens", 60))];
        live(&shop, "monthly", &rows).await;
        put(&shop, "overrides", json!({ "limits": [tokens, pages] })).await;
        let rows = [
            ("2027-03-18T12:00", Uses("tokens", 40)),
            ("2027-03-18T12:00", Charged(&[OLD])),
            ("2027-04-01T12:30", Charged(&[OLD, NEW])),
            ("2027-04-05T12:30", Charged(&[OLD, NEW])),
        ];
        live(&shop, "monthly", &rows).await;
    })
    .await;
}

/// The newer version has 1,100 and charges 0.40: 250 past 1,000 at 0.50 are charged with the move to it. Of 1,450 in the end
/// 350 are past 1,100, less the 250: 100 at 0.40.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_before_a_newer_version_of_the_plan_is_charged_by_the_older() {
    const OLD: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    const NEW: (i64, &str) =
        (40, "100 tokens past 1,100, at 0.4 USD for each 100 (16 March 2027, 12:00 to 1 April 2027, 12:00)");
    let newer =
        CATALOG.replace(r#"amount = 1_000, past = { charge = "0.50""#, r#"amount = 1_100, past = { charge = "0.40""#);
    assert_ne!(newer, CATALOG);
    let file = TextFile::new("catalog.toml", CATALOG);
    for engine in Engine::all() {
        println!("on {}", engine.name());
        file.write(CATALOG);
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), file.path().into()];
        let mut server = site.start();
        let shop = Shop::of(&server);
        buy(&shop, "basic", "monthly").await;
        live(&shop, "monthly", &[("2027-03-10T12:00", Uses("tokens", 1_250))]).await;
        server.stop();
        file.write(&newer);
        let server = site.start();
        let shop = Shop::of(&server);
        shop.settled().await;
        let rows = [
            ("2027-03-16T12:00", Charged(&[])),
            ("2027-03-16T12:00", ChangesTo("basic")),
            ("2027-03-16T12:00", Charged(&[OLD])),
            ("2027-03-18T12:00", Uses("tokens", 200)),
            ("2027-04-01T12:30", Charged(&[OLD, NEW])),
            ("2027-04-05T12:30", Charged(&[OLD, NEW])),
        ];
        live(&shop, "monthly", &rows).await;
        assert_eq!(shop.subscription("ada").await["plan_version"], 2);
    }
}

/// The meter at Stripe is told of what was used under the plan that it has the price of, and no more; what was used before is
/// charged from here: 250 at 0.50, then 250 at 0.30 for each 100, which are 250 units of 0.3 cents at Stripe.
#[tokio::test(flavor = "multi_thread")]
async fn a_meter_at_stripe_is_told_what_was_used_after_the_change_alone() {
    const OLD: (i64, &str) =
        (125, "250 tokens past 1,000, at 0.5 USD for each 100 (1 March 2027, 12:00 to 16 March 2027, 12:00)");
    let reported = CATALOG
        .replace(r#"up_to = "20.00", "#, r#"up_to = "20.00", stripe_meter = "extra_tokens", "#)
        .replace(r#"up_to = "15.00", "#, r#"up_to = "15.00", stripe_meter = "extra_tokens", "#);
    with_catalog(&reported, async |server: &TestServer| {
        let shop = Shop::of(server);
        buy(&shop, "basic", "monthly").await;
        let rows = [
            ("2027-03-10T12:00", Uses("tokens", 1_250)),
            ("2027-03-16T12:00", ChangesTo("big")),
            ("2027-03-16T12:00", Charged(&[OLD])),
            ("2027-03-18T12:00", Uses("tokens", 4_250)),
            ("2027-04-01T12:30", Charged(&[OLD])),
            ("2027-04-01T14:30", Charged(&[OLD])),
        ];
        live(&shop, "monthly", &rows).await;
        let closing = shop.invoices("ada").await.pop().expect("an invoice");
        assert_eq!(closing["total"], "22.00", "20.00, 1.25 and 0.75: {closing}");
        let price = shop.stripe_get("prices?lookup_keys[]=big_monthly_extra_tokens").await["data"][0]["id"].clone();
        let at_stripe = shop.stripe_get(&format!("invoices/{}", closing["stripe_id"].as_str().expect("an id"))).await;
        let lines = at_stripe["lines"]["data"].as_array().expect("lines").iter();
        let counted = lines.filter(|line| line["pricing"]["price_details"]["price"] == price);
        let counted: Vec<_> = counted.map(|line| (line["quantity"].clone(), line["amount"].clone())).collect();
        assert_eq!(counted, [(json!(250), json!(75))]);
    })
    .await;
}
