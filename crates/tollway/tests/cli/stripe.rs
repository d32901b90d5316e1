//! `catalog push-to-stripe`, `stripe setup` and what `doctor` says of Stripe, against the stand-in.

use testkit::server::fresh_folder;

use crate::stage::{ENCRYPTION_KEY, Output, StripeAccount, TextFile, tollway};

const CATALOG: &str = "product = \"Acme\"\ndefault_plan = \"free\"\n[meters.requests]\n[plans.free]\n[plans.pro]\n\
    price = { monthly = \"15.00\", annual = \"150.00\", EUR = { monthly = \"14.00\", annual = \"140.00\" } }\n\
    [plans.team]\nprice = \"40\"\n";
const URL: &str = "https://billing.example.com";

/// An operator at the command line, with an account at Stripe and a catalog.
struct Operator {
    stripe: StripeAccount,
    catalog: TextFile,
    settings: Vec<(String, String)>,
}

impl Operator {
    async fn new() -> Operator {
        let stripe = StripeAccount::open().await;
        let settings = stripe.settings();
        Operator { stripe, catalog: TextFile::new("catalog.toml", CATALOG), settings }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let folder = fresh_folder();
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--catalog", self.catalog.path()]).collect();
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<(&str, &str)> = settings.chain([ENCRYPTION_KEY, ("TOLLWAY_PUBLIC_URL", URL)]).collect();
        let output = tollway(&folder, &arguments, &settings);
        let _ = std::fs::remove_dir_all(folder);
        output
    }

    fn push(&self, options: &[&str]) -> Output {
        self.run(&[&["catalog", "push-to-stripe"], options].concat())
    }

    /// What the doctor says of Stripe.
    fn findings(&self) -> Vec<String> {
        let about = ["Stripe", "stripe", "webhook", "portal", "price"];
        let said = self.run(&["doctor"]).out;
        said.lines().filter(|line| about.iter().any(|word| line.contains(word))).map(str::to_owned).collect()
    }

    /// Takes over a setting that a command printed.
    fn take(&mut self, output: &Output, name: &str) {
        let line = output.out.lines().find_map(|line| line.trim().strip_prefix(&format!("{name} = ")));
        let value = line.unwrap_or_else(|| panic!("{name} in {output:?}")).trim_matches('"').to_owned();
        self.settings.push((format!("TOLLWAY_{}", name.replace('.', "_").to_uppercase()), value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_catalog_sells_is_pushed_once() {
    let operator = Operator::new().await;
    let shown = operator.push(&[]).expect(0).out;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines,
        [
            "create product   tollway_acme_pro  Acme Pro",
            "create price     pro_monthly  15.00 USD, 14.00 EUR / month",
            "create price     pro_annual  150.00 USD, 140.00 EUR / year",
            "create product   tollway_acme_team  Acme Team",
            "create price     team_monthly  40.00 USD / month",
            "Nothing is done yet. Run it again with --yes.",
        ]
    );
    assert_eq!(operator.stripe.writes().await, 0);
    assert!(operator.push(&["--yes"]).expect(0).out.ends_with("Done.\n"));
    assert_eq!(operator.stripe.writes().await, 5);
    let again = operator.push(&["--yes"]).expect(0).out;
    assert!(again.contains("found product    tollway_acme_pro  Acme Pro\n"), "{again}");
    assert!(again.contains("found price      pro_annual  150.00 USD, 140.00 EUR / year  (price_"), "{again}");
    assert!(again.ends_with("Stripe has everything that the catalog sells.\n"), "{again}");
    assert_eq!(operator.stripe.writes().await, 5);
    let price = operator.stripe.get("/v1/prices?lookup_keys[]=pro_annual&expand[]=data.currency_options").await;
    let price = &price["data"][0];
    assert_eq!((&price["unit_amount"], &price["currency"]), (&15_000.into(), &"usd".into()));
    assert_eq!(price["recurring"]["interval"], "year");
    assert_eq!(price["currency_options"]["eur"]["unit_amount"], 14_000);
    assert_eq!((&price["product"], &price["metadata"]["tollway_plan"]), (&"tollway_acme_pro".into(), &"pro".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_never_changed_and_replaced_on_demand_alone() {
    let operator = Operator::new().await;
    operator.push(&["--yes"]).expect(0);
    let before = operator.stripe.get("/v1/prices?lookup_keys[]=pro_monthly").await["data"][0].clone();
    operator.catalog.write(&CATALOG.replace("15.00", "19.00").replace("\"40\"", "{ monthly = 40, annual = 400 }"));
    let refused = operator.push(&["--yes"]).expect(1);
    assert!(refused.out.contains("DIFFERS: price   pro_monthly  15.00 USD there, 19.00 USD here"), "{refused:?}");
    assert!(refused.errors.contains("--transfer") && refused.errors.contains("Nothing was done."), "{refused:?}");
    assert_eq!(operator.stripe.writes().await, 5);
    let json = operator.push(&["--json", "--transfer"]).expect(0).out;
    let told: serde_json::Value = serde_json::from_str(&json).expect("one line of JSON");
    let actions: Vec<_> = told["steps"].as_array().expect("steps").iter().map(|step| step["action"].clone()).collect();
    let expected = ["found_product", "replace_price", "found_price", "found_product", "found_price", "create_price"];
    assert_eq!((actions, &told["done"]), (expected.map(serde_json::Value::from).into(), &false.into()));
    operator.push(&["--yes", "--transfer"]).expect(0);
    let after = operator.stripe.get("/v1/prices?lookup_keys[]=pro_monthly").await["data"][0].clone();
    assert_eq!((&after["unit_amount"], &after["product"]), (&1_900.into(), &before["product"]));
    let old = operator.stripe.get(&format!("/v1/prices/{}", before["id"].as_str().expect("an id"))).await;
    assert_eq!((&old["unit_amount"], &old["lookup_key"], &old["active"]), (&1_500.into(), &().into(), &true.into()));
    assert!(operator.push(&[]).expect(0).out.ends_with("Stripe has everything that the catalog sells.\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_make_nothing_twice() {
    let operator = Operator::new().await;
    for path in ["/v1/products", "/v1/prices"] {
        operator.stripe.lose_answers("POST", path, 2).await;
    }
    operator.push(&["--yes"]).expect(0);
    let prices = operator.stripe.get("/v1/prices?limit=100").await;
    assert_eq!(prices["data"].as_array().map(Vec::len), Some(3));
    let products = operator.stripe.get("/v1/products?limit=100").await;
    assert_eq!(products["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_set_up_once_and_the_doctor_agrees() {
    let mut operator = Operator::new().await;
    let findings = operator.findings().join("\n");
    for ill in [
        "stops: stripe.webhook_secret is not set: no plan can be sold.",
        "stops: Stripe has no webhook endpoint https://billing.example.com/webhooks/stripe",
        "note:  stripe.portal_configuration is not set",
        "stops: Stripe has no price pro_monthly for the plan pro. Run `tollway catalog push-to-stripe`.",
    ] {
        assert!(findings.contains(ill), "{ill} in\n{findings}");
    }
    let early = operator.run(&["stripe", "setup"]).expect(0);
    assert!(early.out.contains("Stripe has no price pro_monthly, pro_annual, team_monthly"), "{early:?}");
    operator.take(&early, "stripe.webhook_secret");
    operator.take(&early, "stripe.portal_configuration");
    operator.push(&["--yes"]).expect(0);
    let findings = operator.findings().join("\n");
    assert!(findings.contains("does not offer what the catalog sells"), "{findings}");
    let later = operator.run(&["stripe", "setup"]).expect(0);
    assert!(later.out.contains("/webhooks/stripe (we_") && later.out.contains("is as it should be"), "{later:?}");
    assert!(later.out.contains("was brought up to date") && !later.out.contains("whsec_"), "{later:?}");
    let writes = operator.stripe.writes().await;
    operator.run(&["stripe", "setup"]).expect(0);
    assert_eq!(operator.stripe.writes().await, writes);
    assert_eq!(operator.findings(), ["note:  stripe.secret_key is a test key: no money moves."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_was_changed_is_told_and_mended() {
    let mut operator = Operator::new().await;
    operator.push(&["--yes"]).expect(0);
    let made = operator.run(&["stripe", "setup"]).expect(0);
    operator.take(&made, "stripe.webhook_secret");
    operator.take(&made, "stripe.portal_configuration");
    let endpoint = operator.stripe.get("/v1/webhook_endpoints").await["data"][0].clone();
    assert_eq!(endpoint["api_version"], "2026-10-28.endive");
    let path = format!("/v1/webhook_endpoints/{}", endpoint["id"].as_str().expect("an id"));
    operator.stripe.post(&path, "enabled_events[]=invoice.paid").await;
    let findings = operator.findings().join("\n");
    assert!(findings.contains("does not send checkout.session.completed"), "{findings}");
    operator.stripe.post(&path, "disabled=true").await;
    let findings = operator.findings().join("\n");
    assert!(findings.contains("is switched off at Stripe. Run `tollway stripe setup`."), "{findings}");
    assert!(operator.run(&["stripe", "setup"]).expect(0).out.contains("was brought up to date"));
    assert_eq!(operator.findings(), ["note:  stripe.secret_key is a test key: no money moves."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_another_version_is_replaced_in_two_steps() {
    let operator = Operator::new().await;
    let old = format!("url={URL}/webhooks/stripe&enabled_events[]=invoice.paid&api_version=2025-02-24.acacia");
    let old = operator.stripe.post("/v1/webhook_endpoints", &old).await;
    let path = format!("/v1/webhook_endpoints/{}", old["id"].as_str().expect("an id"));
    let first = operator.run(&["stripe", "setup"]).expect(0);
    assert!(first.out.contains("was made") && first.out.contains("Keep both secrets"), "{first:?}");
    assert_eq!(operator.stripe.get(&path).await["status"], "enabled");
    let second = operator.run(&["stripe", "setup"]).expect(0);
    assert!(second.out.contains("was switched off"), "{second:?}");
    assert_eq!(operator.stripe.get(&path).await["status"], "disabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_key_nothing_is_done() {
    let mut operator = Operator::new().await;
    operator.settings[0].1 = "sk_test_of_somebody_else".into();
    for arguments in [&["stripe", "setup"][..], &["catalog", "push-to-stripe", "--yes"]] {
        let refused = operator.run(arguments).expect(1);
        assert!(refused.errors.starts_with("Stripe does not accept the secret key"), "{refused:?}");
        assert!(!refused.errors.contains("somebody"), "{refused:?}");
    }
    let findings = operator.findings();
    assert!(findings[0].starts_with("stops: stripe.secret_key: Stripe does not accept"), "{findings:?}");
    operator.settings.clear();
    let refused = operator.run(&["stripe", "setup"]).expect(1);
    assert_eq!(refused.errors, "No Stripe account is configured; set stripe.secret_key.\n");
}
