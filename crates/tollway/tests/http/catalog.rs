//! What is sold and what a plan includes; what was used over days.

use serde_json::{Value, json};

use testkit::server::Engine;

use crate::stage::{Customer, Site, assert_problem, on_each_engine};

#[tokio::test]
async fn anybody_sees_plans_meters_and_the_public_configuration() {
    on_each_engine(async |server| {
        let client = reqwest::Client::new();
        let get = async |path: &str| {
            let answer = server.send(client.get(format!("{}{path}", server.url))).await;
            answer.expect("the server answers")
        };
        let plans = get("/api/v1/plans").await.expect(200).json();
        let ids: Vec<&Value> = plans["data"].as_array().expect("data").iter().map(|plan| &plan["id"]).collect();
        assert_eq!(ids, ["free", "pro", "enterprise"]);
        let pro = &plans["data"][1];
        assert_eq!(pro["price"]["monthly"], "15.00");
        assert_eq!((&pro["price"]["annual"], &pro["annual_saving_percent"]), (&json!("150.00"), &json!(16)));
        assert_eq!((&pro["popular"], &pro["trial_days"], &pro["default"]), (&json!(true), &json!(7), &json!(false)));
        assert_eq!(pro["features"]["export_formats"], json!(["csv", "json", "pdf"]));
        let limits = pro["limits"].as_array().expect("limits");
        let tokens = limits.iter().find(|limit| limit["meter"] == "llm_tokens").expect("a limit on tokens");
        let overage = json!({ "charge": "0.5", "each": 100_000, "up_to": "20.00", "other_currencies": {} });
        assert_eq!(tokens["overage"], overage);
        assert_eq!(&get("/api/v1/plans/pro").await.expect(200).json(), pro);
        assert_problem(&get("/api/v1/plans/platinum").await, 404, "not_found");
        let meters = get("/api/v1/meters").await.expect(200).json();
        let storage = meters["data"].as_array().expect("data").iter().find(|meter| meter["id"] == "storage_mb");
        assert_eq!(storage.expect("storage is counted")["kind"], "level");
        let config = get("/api/v1/config").await.expect(200).json();
        assert_eq!((&config["product"], &config["default_plan"]), (&json!("Acme AI"), &json!("free")));
        // Development sells by a stand-in.
        assert_eq!(config["stripe_publishable_key"], "pk_test_sandbox");
    })
    .await;
}

#[tokio::test]
async fn a_feature_is_included_or_refused_with_the_plan_that_has_it() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "featured");
        customer.account().await;
        let check = async |feature: &str, value: &str| {
            let value = if value.is_empty() { String::new() } else { format!("&value={value}") };
            server.get(&format!("/api/v1/entitlements/{feature}?external_id=featured{value}")).await
        };
        let included = check("export_formats", "csv").await.expect(200).json();
        assert_eq!((&included["allowed"], &included["value"]), (&json!(true), &json!(["csv"])));
        check("api_access", "").await.expect(200);
        check("allowed_models", "small").await.expect(200);
        for (feature, value, plan) in [
            ("export_formats", "pdf", "pro"),
            ("export_formats", "docx", "enterprise"),
            ("priority_support", "", "pro"),
            ("sso", "", "enterprise"),
        ] {
            let answer = check(feature, value).await;
            let problem = assert_problem(&answer, 403, "feature_not_in_plan");
            assert_eq!(
                (&problem["plan"], &problem["suggested_plan"]),
                (&json!("free"), &json!(plan)),
                "{feature} {value}"
            );
            assert_eq!(answer.header("x-upgrade-url"), problem["upgrade_url"].as_str());
        }
        assert_problem(&check("allowed_models", "large").await, 403, "model_not_allowed");
        let unknown = assert_problem(&check("teleportation", "").await, 403, "feature_not_in_plan");
        assert_eq!(unknown["suggested_plan"], Value::Null);
        customer.grant("enterprise").await;
        check("export_formats", "docx").await.expect(200);
        let all = server.get("/api/v1/entitlements?external_id=featured").await.expect(200).json();
        assert_eq!((&all["plan"], &all["standing"]), (&json!("enterprise"), &json!("open")));
        assert_eq!((&all["features"]["sso"], &all["features"]["export_formats"]), (&json!(true), &json!(["*"])));
        let subscription = server.get("/api/v1/subscription?external_id=featured").await.expect(200).json();
        assert_eq!((&subscription["plan"], &subscription["source"]), (&json!("enterprise"), &json!("granted")));
    })
    .await;
}

/// The sum of one meter in a group of an analytics answer.
fn sum(usage: &Value, meter: &str) -> (Value, Value) {
    let sums = usage.as_array().expect("sums");
    let found = sums.iter().find(|sum| sum["meter"] == meter).unwrap_or(&Value::Null);
    (found["amount"].clone(), found["events"].clone())
}

#[tokio::test]
async fn usage_over_days_is_told_by_model_and_day() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "analysed");
        customer.grant("pro").await;
        let call = |model: &str, prompt: u64| json!({ "model": model, "prompt_tokens": prompt });
        for (model, prompt) in [("small", 100), ("small", 200), ("large", 1_000)] {
            customer.post("/api/v1/usage/consume", call(model, prompt)).await.expect(200);
        }
        customer.consume(3).await.expect(200);
        let first_day = customer.usage().await["period"]["start"].as_str().expect("a time")[..10].to_owned();
        server.advance(86_400).await;
        let event = customer.consume(2).await.expect(200).json()["event"].clone();
        let analytics = async |query: &str| {
            server.get(&format!("/api/v1/usage/analytics?external_id=analysed{query}")).await.expect(200).json()
        };
        let all = analytics("").await;
        assert_eq!(sum(&all["totals"], "requests"), (json!(8), json!(5)));
        assert_eq!(sum(&all["totals"], "llm_tokens"), (json!(1_300), json!(3)));
        // 300 tokens at 0.10 and 1,000 at 2.00 dollars a million, and five percent.
        assert_eq!(sum(&all["totals"], "cost").0, json!(0.002_131_5));
        let of_model = |model: Value| all["by_model"].as_array().expect("models").iter().find(|of| of["model"] == model).expect("the model")["usage"].clone();
        assert_eq!(sum(&of_model(json!("small")), "llm_tokens").0, 300);
        assert_eq!(sum(&of_model(json!("large")), "requests").0, 1);
        assert_eq!(sum(&of_model(Value::Null), "requests").0, 5);
        assert_eq!(all["by_day"].as_array().expect("days").len(), 2);
        assert_eq!(sum(&all["by_day"][0]["usage"], "requests").0, 6);
        let one_day = analytics(&format!("&from={first_day}&to={first_day}")).await;
        assert_eq!(sum(&one_day["totals"], "requests").0, 6);
        // What is voided is gone from its day.
        let path = format!("/api/v1/usage/events/{}/reverse", event.as_str().expect("an id"));
        server.post(&path, json!({ "reason": "Void." })).await.expect(200);
        assert_eq!(sum(&analytics("").await["totals"], "requests").0, 6);
        let wrong = server.get("/api/v1/usage/analytics?external_id=analysed&from=yesterday").await;
        assert_problem(&wrong, 422, "invalid_request");
        let long = server.get("/api/v1/usage/analytics?external_id=analysed&from=2020-01-01").await;
        assert_problem(&long, 422, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn the_public_configuration_tells_how_people_sign_in() {
    for engine in Engine::all() {
        let mut site = Site::on(engine);
        let plain = site.start();
        let told = plain.get("/api/v1/config").await.expect(200).json()["sign_in"].clone();
        let rules = json!({ "min_length": 10, "max_length": 256, "upper": false, "lower": false, "digit": false,
                            "special": false, "min_strength": 2 });
        assert_eq!(told, json!({ "registration": "instant", "password_rules": rules, "providers": [] }));
        drop(plain);
        let settings = [
            ("TOLLWAY_REGISTRATION", "private"),
            ("TOLLWAY_PASSWORD_MIN_LENGTH", "14"),
            ("TOLLWAY_PASSWORD_DIGIT", "true"),
            ("TOLLWAY_OIDC_GOOGLE_CLIENT_ID", "123.apps"),
            ("TOLLWAY_OIDC_GOOGLE_CLIENT_SECRET", "hush"),
        ];
        site.environment = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let server = site.start();
        let client = reqwest::Client::new();
        let told = server.send(client.get(format!("{}/api/v1/config", server.url))).await.expect("an answer");
        assert!(!told.text.contains("hush") && !told.text.contains("123.apps"), "{}", told.text);
        let told = told.json()["sign_in"].clone();
        assert_eq!((&told["registration"], &told["password_rules"]["min_length"]), (&json!("private"), &json!(14)));
        assert_eq!(told["password_rules"]["digit"], true);
        let start_url = format!("{}/api/v1/auth/oidc/google/start", server.url);
        let google = json!([{ "name": "google", "display_name": "Google", "start_url": start_url }]);
        assert_eq!(told["providers"], google);
    }
}

#[tokio::test]
async fn the_public_configuration_tells_whether_plans_can_be_bought() {
    let told = async |environment: &[(&str, &str)]| {
        let mut site = Site::on(Engine::Sqlite);
        site.environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut site = site.by_script("exec \"$tollway\" \"$@\" 2>log");
        site.environment.push(("TOLLWAY_LOG_LEVEL".into(), "warn".into()));
        let server = site.start();
        let told = server.get("/api/v1/config").await.expect(200);
        assert!(!told.text.contains("sk_test_") && !told.text.contains("whsec_"), "{}", told.text);
        let log = std::fs::read_to_string(site.folder.join("log")).expect("a log");
        let warned = log.contains("stripe.webhook_secret: no plan can be sold");
        let told = told.json();
        (told["stripe_publishable_key"].clone(), told["selling"].clone(), warned)
    };
    // Development sells by a stand-in where no account is configured.
    assert_eq!(told(&[]).await, (json!("pk_test_sandbox"), json!(true), false));
    let keys = [("TOLLWAY_STRIPE_SECRET_KEY", "sk_test_1"), ("TOLLWAY_STRIPE_PUBLISHABLE_KEY", "pk_test_1")];
    assert_eq!(told(&keys).await, (json!("pk_test_1"), json!(false), true));
    let all = [keys[0], keys[1], ("TOLLWAY_STRIPE_WEBHOOK_SECRET", "whsec_1")];
    assert_eq!(told(&all).await, (json!("pk_test_1"), json!(true), false));
}
