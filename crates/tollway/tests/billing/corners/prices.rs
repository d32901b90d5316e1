//! Taxes, promotion codes, currencies, and prices that change.

use serde_json::json;
use testkit::server::Engine;

use super::super::{CATALOG, in_euros};
use super::{price_of, renew, totals, with_settings};
use crate::stage::{GOOD_CARD, Shop, Site, TextFile, assert_problem, limit, reconcile_all, with_catalog};

/// The stand-in takes 10 %: 10.00 and 1.00. Ten days into the 31 of March 2027 21/31 are left: 6.77 are credited and 20.32
/// charged, each with a tenth of its own, −0.68 and 2.03; 13.55 + 1.35 = 14.90. Then 30.00 and 3.00.
#[tokio::test(flavor = "multi_thread")]
async fn taxes_are_charged_on_plans_and_changes_as_the_preview_says() {
    with_settings(CATALOG, &[("TOLLWAY_STRIPE_AUTOMATIC_TAX", "true")], async |server| {
        let shop = Shop::of(server);
        server.post("/api/v1/admin/clock", json!({ "now": "2027-03-01T12:00:00Z" })).await.expect(200);
        shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        shop.settled().await;
        let first = shop.invoices("ada").await[0].clone();
        assert_eq!(
            (&first["subtotal"], &first["tax"], &first["total"]),
            (&json!("10.00"), &json!("1.00"), &json!("11.00"))
        );
        shop.advance(10 * super::super::DAY + 60).await;
        let start = shop.subscription("ada").await["billing"]["period"]["start"].clone();
        let instant = crate::stage::seconds(&start) + 10 * super::super::DAY;
        let change = json!({ "plan": "pro", "interval": "monthly", "when": "now",
            "proration_date": domain::time::Timestamp::from_seconds(instant).to_string() });
        let preview = shop.post("preview", "ada", change.clone()).await.expect(200).json();
        assert_eq!(preview["due_now"], "14.90", "{preview}");
        assert_eq!(preview["next_invoice"]["amount"], "33.00", "{preview}");
        let later = json!({ "plan": "basic", "interval": "annual", "when": "period_end" });
        let later = shop.post("preview", "ada", later).await.expect(200).json();
        assert_eq!(
            (&later["due_now"], &later["next_invoice"]["amount"]),
            (&json!("0.00"), &json!("110.00")),
            "{later}"
        );
        shop.post("change", "ada", change).await.expect(200);
        shop.settled().await;
        let second = shop.invoices("ada").await[1].clone();
        assert_eq!(
            (&second["subtotal"], &second["tax"], &second["total"]),
            (&json!("13.55"), &json!("1.35"), &json!("14.90"))
        );
        renew(&shop, "ada").await;
        assert_eq!(totals(&shop, "ada").await, ["11.00", "14.90", "33.00"]);
        let paid: Vec<_> = shop.payments("ada").await.iter().map(|payment| payment["amount"].clone()).collect();
        assert_eq!(paid, [json!("11.00"), json!("14.90"), json!("33.00")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promotion_codes_count_where_the_setting_allows_them() {
    for (allowed, total) in [("true", "7.50"), ("false", "10.00")] {
        with_settings(CATALOG, &[("TOLLWAY_STRIPE_PROMOTION_CODES", allowed)], async |server| {
            let shop = Shop::of(server);
            shop.customer("ada").account().await;
            let coupon = shop.stripe_post("coupons", &[("percent_off", "25"), ("duration", "once")]).await;
            let coupon = coupon["id"].as_str().unwrap_or_else(|| panic!("{coupon}"));
            let code = [("promotion[type]", "coupon"), ("promotion[coupon]", coupon), ("code", "WELCOME")];
            let code = shop.stripe_post("promotion_codes", &code).await;
            assert_eq!(code["code"], "WELCOME", "{code}");
            let page = shop.checkout("ada", "basic", "monthly").await.expect(201).json();
            let path = format!("{}/sandbox/checkout/{}/pay", shop.stripe, page["session"].as_str().unwrap());
            let body = json!({ "card": GOOD_CARD, "promotion_code": "WELCOME" });
            let paid = reqwest::Client::new().post(path).json(&body).send().await.unwrap();
            assert_eq!(paid.status() == 200, allowed == "true");
            if allowed == "false" {
                shop.pay(page["session"].as_str().unwrap(), GOOD_CARD).await;
            }
            shop.until_on("ada", "basic").await;
            shop.settled().await;
            renew(&shop, "ada").await;
            assert_eq!(totals(&shop, "ada").await, [total, "10.00"], "once");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_goes_on_in_the_currency_it_first_paid_in() {
    with_catalog(&in_euros(), async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.sell_in("eur", "ada", "basic").await;
        let billing = shop.subscription("ada").await["billing"].clone();
        assert_eq!((&billing["amount"], &billing["currency"]), (&json!("9.00"), &json!("EUR")));
        let annual = json!({ "plan": "basic", "interval": "annual", "when": "period_end" });
        let preview = shop.post("preview", "ada", annual).await.expect(200).json();
        assert_eq!((&preview["currency"], &preview["next_invoice"]["amount"]), (&json!("EUR"), &json!("90.00")));
        let to_pro = json!({ "plan": "pro", "interval": "monthly", "when": "now" });
        let refused = assert_problem(&shop.post("change", "ada", to_pro).await, 422, "plan_not_sold");
        assert!(refused["detail"].as_str().unwrap().contains("EUR"), "{refused}");
        shop.post("cancel", "ada", json!({ "when": "now" })).await.expect(200);
        shop.settled().await;

        assert_problem(&shop.checkout("ada", "pro", "monthly").await, 422, "plan_not_sold");
        let pack = json!({ "external_id": "ada", "pack": "small" });
        assert_problem(&server.post("/api/v1/credit-packs/checkout", pack).await, 422, "plan_not_sold");
        shop.buy("ada", "basic", "monthly").await;
        shop.settled().await;
        let invoices = shop.invoices("ada").await;
        let last = invoices.last().unwrap();
        assert_eq!((&last["currency"], &last["total"]), (&json!("EUR"), &json!("9.00")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_the_catalog_does_not_know_keeps_the_plan_and_is_told_as_drift() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        shop.settled().await;
        let known = price_of(&shop, "basic_monthly").await;
        let form = [
            ("product", known["product"].as_str().unwrap()),
            ("currency", "usd"),
            ("unit_amount", "800"),
            ("recurring[interval]", "month"),
        ];
        let strange = shop.stripe_post("prices", &form).await["id"].as_str().unwrap().to_owned();
        let subscription = shop.subscription("ada").await["billing"]["subscription"].as_str().unwrap().to_owned();
        let path = format!("subscriptions/{subscription}");
        let item = shop.stripe_get(&path).await["items"]["data"][0]["id"].as_str().unwrap().to_owned();
        let to = async |price: &str| {
            let form = [("items[0][id]", item.as_str()), ("items[0][price]", price), ("proration_behavior", "none")];
            let changed = shop.stripe_post(&path, &form).await;
            assert_eq!(changed["items"]["data"][0]["price"]["id"], price, "{changed}");
            shop.settled().await;
        };
        to(&strange).await;
        let kept = shop.subscription("ada").await;
        assert_eq!((&kept["plan"], &kept["status"]), (&json!("basic"), &json!("active")));
        assert_eq!(kept["billing"]["amount"], "8.00", "what Stripe charges");
        let compared = reconcile_all(server).await;
        let drift = compared["found"][0]["drift"].as_str().unwrap_or_else(|| panic!("{compared}"));
        assert!(drift.contains(&strange) && drift.contains("none of the catalog's"), "{drift}");
        to(known["id"].as_str().unwrap()).await;
        let compared = reconcile_all(server).await;
        assert_eq!(compared["found"], json!([]), "there is nothing left to tell");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_changed_on_stripes_portal_reaches_the_account() {
    with_catalog(CATALOG, async |server| {
        let shop = Shop::of(server);
        shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        let pro = price_of(&shop, "pro_monthly").await;
        let (price, product) = (pro["id"].as_str().unwrap(), pro["product"].as_str().unwrap());
        let form = [
            ("features[subscription_update][enabled]", "true"),
            ("features[subscription_update][default_allowed_updates][0]", "price"),
            ("features[subscription_update][proration_behavior]", "always_invoice"),
            ("features[subscription_update][products][0][product]", product),
            ("features[subscription_update][products][0][prices][0]", price),
            ("features[subscription_cancel][enabled]", "true"),
        ];
        let configuration = shop.stripe_post("billing_portal/configurations", &form).await;
        assert_eq!(configuration["is_default"], true, "{configuration}");
        let url = shop.post("portal", "ada", json!({})).await.json();
        let session =
            url["portal_url"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_else(|| panic!("{url}"));
        let subscription = shop.subscription("ada").await["billing"]["subscription"].clone();
        let wanted = json!({ "subscription": subscription, "price": price });
        shop.ask(&format!("/sandbox/portal/{session}/change"), wanted).await;
        shop.until_on("ada", "pro").await;
        let canceled = json!({ "subscription": subscription });
        shop.ask(&format!("/sandbox/portal/{session}/cancel"), canceled).await;
        shop.settled().await;
        let after = shop.subscription("ada").await;
        assert_eq!(after["billing"]["cancel_at"], after["billing"]["period"]["end"]);
        let story = shop.story("ada").await;
        assert!(story.contains(&"upgraded".to_owned()), "{story:?}");
        assert!(story.contains(&"cancellation_scheduled".to_owned()), "{story:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_of_a_plan_is_for_new_buyers() {
    let newer =
        CATALOG.replace(r#"monthly = "10.00""#, r#"monthly = "12.00""#).replace("1_000, tokens", "2_000, tokens");
    assert_ne!(newer, CATALOG);
    let file = TextFile::new("catalog.toml", CATALOG);
    for engine in Engine::all() {
        println!("on {}", engine.name());
        file.write(CATALOG);
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), file.path().into()];
        let mut server = site.start();
        let shop = Shop::of(&server);
        shop.customer("ada").account().await;
        shop.buy("ada", "basic", "monthly").await;
        shop.settled().await;
        server.stop();
        file.write(&newer);
        let server = site.start();
        let shop = Shop::of(&server);
        shop.customer("bob").account().await;
        shop.buy("bob", "basic", "monthly").await;
        shop.settled().await;
        for again in [false, true] {
            for (who, version, amount, requests) in [("ada", 1, "10.00", 1_000), ("bob", 2, "12.00", 2_000)] {
                let subscription = shop.subscription(who).await;
                assert_eq!(subscription["plan_version"], version, "{subscription}");
                assert_eq!(subscription["has_newer_version"], who == "ada");
                assert_eq!(subscription["billing"]["amount"], amount);
                assert_eq!(limit(&shop.customer(who).usage().await, "requests")["limit"], requests);
                let paid = if again { vec![amount, amount] } else { vec![amount] };
                assert_eq!(totals(&shop, who).await, paid);
            }
            if !again {
                renew(&shop, "bob").await;
                reconcile_all(&server).await;
            }
        }
        // Whoever is on the old one comes to the new one by changing to it.
        let change = json!({ "plan": "basic", "interval": "monthly", "when": "period_end" });
        shop.post("change", "ada", change).await.expect(200);
        renew(&shop, "ada").await;
        let changed = shop.subscription("ada").await;
        assert_eq!((&changed["plan_version"], &changed["billing"]["amount"]), (&json!(2), &json!("12.00")));
    }
}
