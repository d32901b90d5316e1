//! Check and count in one step: what is answered, what is denied, and with which facts to act on.

use serde_json::{Value, json};
use testkit::server::{Answer, Engine};

use crate::stage::{Customer, Site, assert_problem, limit, on_each_engine};

const CONSUME: &str = "/api/v1/usage/consume";

#[tokio::test]
async fn a_consume_tells_of_every_limit_it_moved() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "user-42");
        let answer = customer.consume(3).await.expect(200);
        let counted = answer.json();
        assert!(counted["event"].as_str().is_some_and(|event| event.starts_with("evt_")), "{counted}");
        assert_eq!(counted["replayed"], false);
        assert_eq!((&counted["plan"], &counted["warnings"]), (&json!("free"), &json!([])));
        let requests = limit(&counted, "requests");
        for (field, value) in [
            ("window", json!("period")),
            ("scope", json!("account")),
            ("limit", json!(1_000)),
            ("used", json!(3)),
            ("reserved", json!(0)),
            ("remaining", json!(997)),
            ("on_exceed", json!("block")),
        ] {
            assert_eq!(requests[field], value, "{field} of {requests}");
        }
        assert_eq!(requests["resets_at"], customer.usage().await["period"]["end"]);
        assert_headers_tell_of(&answer, 1_000, 997);
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()));
        assert_eq!(answer.header("retry-after"), None);
    })
    .await;
}

fn assert_headers_tell_of(answer: &Answer, most: i64, left: i64) {
    assert_eq!(answer.header("x-ratelimit-limit"), Some(most.to_string().as_str()));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some(left.to_string().as_str()));
    assert_eq!(answer.header("x-remaining-usage"), Some(left.to_string().as_str()));
    let reset: i64 = answer.header("x-ratelimit-reset").and_then(|text| text.parse().ok()).expect("a Unix second");
    let days_ahead = (reset - unix_seconds()) / 86_400;
    assert!((27..=31).contains(&days_ahead), "{days_ahead} days");
    let policy = answer.header("ratelimit-policy").expect("the policy");
    assert!(policy.starts_with(&format!("\"requests\";q={most};w=")), "{policy}");
    let state = answer.header("ratelimit").expect("the state");
    assert!(state.starts_with(&format!("\"requests\";r={left};t=")), "{state}");
}

#[expect(clippy::disallowed_methods, reason = "a real server is compared with the real clock")]
fn unix_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("before the year 292 billion")
}

#[tokio::test]
async fn past_the_limit_nothing_is_counted_and_the_problem_says_all() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "heavy");
        customer.consume(999).await.expect(200);
        let answer = customer.consume(2).await;
        let problem = assert_problem(&answer, 429, "quota_exceeded");
        for (field, value) in [
            ("meter", json!("requests")),
            ("limit", json!(1_000)),
            ("current", json!(999)),
            ("remaining", json!(1)),
            ("requested", json!(2)),
            ("plan", json!("free")),
            ("suggested_plan", json!("pro")),
            ("upgrade_url", json!(format!("{}/pricing?plan=pro", server.url))),
            ("resets_at", customer.usage().await["period"]["end"].clone()),
        ] {
            assert_eq!(problem[field], value, "{field} of {problem}");
        }
        assert_eq!(answer.header("x-upgrade-url"), problem["upgrade_url"].as_str());
        let retry_after: i64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
        assert!((27 * 86_400..=31 * 86_400).contains(&retry_after), "{retry_after}");
        assert_headers_tell_of(&answer, 1_000, 1);
        let resets_at = problem["resets_at"].as_str().expect("a time");
        let detail = format!("The requests quota has 1 left until {resets_at}, and this asked for 2.");
        assert_eq!(problem["detail"], detail);
        // The next one is denied by what is remembered of this one, and told of what it asks for itself.
        let problem = assert_problem(&customer.consume(50_000).await, 429, "quota_exceeded");
        assert_eq!((&problem["requested"], &problem["suggested_plan"]), (&json!(50_000), &json!("enterprise")));
        // What fits still passes, and the denial left nothing behind.
        assert_eq!(limit(&customer.consume(1).await.expect(200).json(), "requests")["used"], 1_000);
        assert_problem(&customer.consume("0.000001").await, 429, "quota_exceeded");
        assert_eq!(customer.used("requests").await, 1_000);
    })
    .await;
}

#[tokio::test]
async fn what_was_counted_is_read_at_once_and_a_check_changes_nothing() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "reader");
        for step in 1..=20 {
            customer.consume(50).await.expect(200);
            assert_eq!(customer.used("requests").await, 50 * step);
            let fits = customer.check(json!({ "meter": "requests", "quantity": 1_000 - 50 * step })).await;
            assert_eq!((&fits["allowed"], &fits["code"]), (&json!(true), &Value::Null), "{fits}");
            let exceeds = customer.check(json!({ "meter": "requests", "quantity": 1_001 - 50 * step })).await;
            assert_eq!((&exceeds["allowed"], &exceeds["code"]), (&json!(false), &json!("quota_exceeded")));
            assert_eq!(exceeds["suggested_plan"], "pro");
            assert_eq!(exceeds["upgrade_url"], format!("{}/pricing?plan=pro", server.url));
            assert_eq!(limit(&exceeds, "requests")["used"], 50 * step);
        }
        assert_eq!(customer.used("requests").await, 1_000);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_external_id_makes_an_account_on_the_default_plan() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "new-here");
        let path = "/api/v1/usage?external_id=new-here";
        assert_problem(&server.get(path).await, 404, "account_unknown");
        let unknown = customer.post("/api/v1/usage/check", json!({ "meter": "requests" })).await;
        assert_problem(&unknown, 404, "account_unknown");
        assert_eq!(customer.consume(1).await.expect(200).json()["plan"], "free");
        let usage = customer.usage().await;
        assert_eq!(usage["account"], customer.account().await);
        // Named by its id it is the same account.
        let body = json!({ "account": usage["account"], "meter": "requests", "quantity": 1 });
        assert_eq!(limit(&server.post(CONSUME, body).await.expect(200).json(), "requests")["used"], 2);
        let held = Customer::new(server, "holding").reserve(json!({ "meter": "requests", "quantity": 5 })).await;
        assert_eq!(limit(&held.expect(201).json(), "requests")["reserved"], 5);
    })
    .await;
}

#[tokio::test]
async fn accounts_are_not_made_where_the_setting_says_so() {
    for engine in Engine::all() {
        let mut site = Site::on(engine);
        site.environment = vec![("TOLLWAY_AUTO_CREATE_ACCOUNTS".into(), "false".into())];
        let server = site.start();
        let customer = Customer::new(&server, "stranger");
        assert_problem(&customer.consume(1).await, 404, "account_unknown");
        assert_problem(&customer.reserve(json!({ "meter": "requests" })).await, 404, "account_unknown");
        customer.account().await;
        customer.consume(1).await.expect(200);
    }
}

#[tokio::test]
async fn several_meters_are_all_counted_or_none() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "several");
        let usage = |requests: i64, storage: i64| {
            let usage = [("requests", requests), ("storage_mb", storage)];
            json!({ "usage": usage.map(|(meter, quantity)| json!({ "meter": meter, "quantity": quantity })) })
        };
        let counted = customer.post(CONSUME, usage(2, 100)).await.expect(200).json();
        assert_eq!(limit(&counted, "requests")["used"], 2);
        assert_eq!(limit(&counted, "storage_mb")["remaining"], 0);
        let problem = assert_problem(&customer.post(CONSUME, usage(2, 1)).await, 429, "quota_exceeded");
        assert_eq!((&problem["meter"], &problem["resets_at"]), (&json!("storage_mb"), &Value::Null));
        assert_eq!(customer.used("requests").await, 2);
        assert_eq!(customer.used("storage_mb").await, 100);
        let twice = json!({ "usage": [{ "meter": "requests" }, { "meter": "requests" }] });
        assert_problem(&customer.post(CONSUME, twice).await, 422, "invalid_request");
        assert_eq!(customer.used("requests").await, 2);
    })
    .await;
}
