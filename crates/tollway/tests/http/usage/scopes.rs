//! Limits for the account, and for each member, key and end user in it, all decided in one step.

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use crate::stage::{Customer, assert_problem, limit_of, until, with_catalog};

const CATALOG: &str = r#"
product = "Scopes"
default_plan = "team"
[meters.pages]
[meters.exports]
[plans.team.limits]
pages = [
  { amount = 10, per = "period" },
  { amount = 4, per = "day", each = "member" },
  { amount = 3, per = "period", each = "end_user" },
]
exports = { amount = 2, per = "period", each = "key" }
"#;

const CONSUME: &str = "/api/v1/usage/consume";

#[tokio::test]
async fn each_member_and_end_user_has_a_limit_within_the_accounts() {
    with_catalog(CATALOG, async |server| {
        let team = Customer::new(server, "team-1");
        let pages = async |user: &str, end_user: Option<&str>, quantity: i64| {
            let body = json!({ "meter": "pages", "quantity": quantity, "user": user, "end_user": end_user });
            team.post(CONSUME, body).await
        };
        let denied_by = |answer: &Answer| {
            let problem = assert_problem(answer, 429, "quota_exceeded");
            (problem["scope"].clone(), problem["scope_id"].clone(), problem["window"].clone())
        };
        let counted = pages("ada", None, 4).await.expect(200).json();
        assert_eq!(limit_of(&counted, "pages", "day", "member")["remaining"], 0);
        assert_eq!(limit_of(&counted, "pages", "day", "member")["scope_id"], "ada");
        assert_eq!(limit_of(&counted, "pages", "period", "account")["remaining"], 6);
        assert_eq!(denied_by(&pages("ada", None, 1).await), (json!("member"), json!("ada"), json!("day")));
        pages("bob", Some("e1"), 3).await.expect(200);
        assert_eq!(denied_by(&pages("bob", Some("e1"), 1).await), (json!("end_user"), json!("e1"), json!("period")));
        pages("bob", Some("e2"), 1).await.expect(200);
        // The account has two left, whoever asks.
        assert_eq!(denied_by(&pages("cyd", None, 3).await), (json!("account"), Value::Null, json!("period")));
        pages("cyd", None, 2).await.expect(200);
        assert_eq!(denied_by(&pages("dee", None, 1).await).0, "account");
        let path = "/api/v1/usage?external_id=team-1&user=bob&end_user=e1";
        let usage = server.get(path).await.expect(200).json();
        assert_eq!(limit_of(&usage, "pages", "day", "member")["used"], 4);
        assert_eq!(limit_of(&usage, "pages", "period", "end_user")["used"], 3);
        assert_eq!(limit_of(&usage, "pages", "period", "account")["used"], 10);
        // The day is over sooner than the period.
        server.advance(86_400).await;
        assert_eq!(denied_by(&pages("ada", None, 1).await).0, "account");
    })
    .await;
}

async fn export(server: &TestServer, secret: &str) -> Answer {
    let request = server.request("POST", CONSUME).header("x-api-key", secret).json(&json!({ "meter": "exports" }));
    server.send(request).await.expect("the server answers")
}

#[tokio::test]
async fn each_key_has_its_own_limit() {
    with_catalog(CATALOG, async |server| {
        let customer = Customer::new(server, "keys");
        let secret = async |name: &str| {
            let key = customer.api_key(json!({ "name": name, "member": "ada" })).await;
            key["secret"].as_str().expect("the secret").to_owned()
        };
        let (first, second) = (secret("first").await, secret("second").await);
        for secret in [&first, &second] {
            export(server, secret).await.expect(200);
            let counted = export(server, secret).await.expect(200).json();
            assert_eq!(limit_of(&counted, "exports", "period", "key")["remaining"], 0);
            assert_eq!(assert_problem(&export(server, secret).await, 429, "quota_exceeded")["scope"], "key");
        }
        // The key's member counts too, and is what analytics are told by.
        let account = customer.account().await;
        let path = format!("/api/v1/usage/analytics?account={account}");
        until("usage by member and key is rolled up", async || {
            let analytics = server.get(&path).await.expect(200).json();
            let of_user = &analytics["by_user"][0];
            of_user["user"] == "ada"
                && of_user["usage"][0]["amount"] == 4
                && analytics["by_key"][1]["usage"][0]["amount"] == 2
        })
        .await;
    })
    .await;
}

/// More than is added up together, some of it in one moment and some after a gap.
#[tokio::test]
async fn many_events_are_added_up_once_each_by_member() {
    with_catalog(CATALOG, async |server| {
        let team = Customer::new(server, "team-1");
        let account = team.account().await;
        let path = format!("/api/v1/usage/analytics?account={account}");
        for (round, gap_seconds) in [(1, 1), (2, 1), (3, 7_200)] {
            let event = |number: usize| {
                let user = ["ada", "bob", "cyd"][number % 3];
                json!({ "id": format!("{round}-{number}"), "external_id": "team-1", "meter": "pages", "quantity": 1, "user": user })
            };
            let events: Vec<Value> = (0..900).map(event).collect();
            let recorded = server.post("/api/v1/usage/events", json!({ "events": events })).await.expect(200).json();
            assert!(recorded["results"].as_array().expect("results").iter().all(|one| one["status"] == "accepted"));
            server.advance(gap_seconds).await;
            // Whatever of it is added up by now.
            let analytics = server.get(&path).await.expect(200).json();
            let used: Vec<_> = analytics["by_user"].as_array().expect("users").iter().map(|user| &user["usage"][0]["amount"]).collect();
            assert_eq!(used, [300 * round; 3]);
        }
        // A minute later the duty that comes every ten seconds adds it up. It is told the same before, meanwhile and after.
        server.advance(120).await;
        for _ in 0..24 {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            let analytics = server.get(&path).await.expect(200).json();
            for user in analytics["by_user"].as_array().expect("users") {
                assert_eq!(user["usage"][0]["amount"], 900, "{user}");
                assert_eq!(user["usage"][0]["events"], 900, "{user}");
            }
        }
    })
    .await;
}
