//! What the members of an account share, and what is told to whom.

use serde_json::{Value, json};
use testkit::server::TestServer;

use crate::stage::{PASSWORD, Person, assert_problem, limit_of, mails_to, until, with_catalog};

use super::{CATALOG, joined};

#[tokio::test]
async fn members_consume_from_one_subscription_each_within_their_own_limit() {
    with_catalog(CATALOG, async |server| {
        keep_to_one_month(server).await;
        let ada = Person::new(server, "ada@example.com").await;
        let grace = joined(&ada, "grace@example.com", "member").await;
        let consume = async |person: &Person<'_>, quantity: u32| {
            person.post("/api/v1/usage/consume", json!({ "meter": "requests", "quantity": quantity })).await
        };
        consume(&ada, 20).await.expect(200);
        let answer = consume(&grace, 30).await.expect(200).json();
        assert_eq!(limit_of(&answer, "requests", "month", "account")["used"], 50);
        let problem = assert_problem(&consume(&grace, 1).await, 429, "quota_exceeded");
        assert_eq!((&problem["scope"], &problem["scope_id"]), (&json!("member"), &json!(grace.user)));
        consume(&ada, 10).await.expect(200);
        assert_problem(&consume(&ada, 1).await, 429, "quota_exceeded");
        server.advance(86_400).await;
        let ada = Person::sign_in(server, &ada.email, PASSWORD).await;
        let grace = Person::sign_in(server, &grace.email, PASSWORD).await;
        consume(&ada, 30).await.expect(200);
        assert_eq!(assert_problem(&consume(&grace, 11).await, 429, "quota_exceeded")["scope"], "account");
        consume(&grace, 10).await.expect(200);
        let path = "/api/v1/usage/analytics";
        until("usage is rolled up", async || {
            let analytics = ada.get(path).await.expect(200).json();
            let of = |user: &str| -> Value {
                let users = analytics["by_user"].as_array().expect("users are listed");
                users.iter().find(|by| by["user"] == user).map_or(Value::Null, |by| by["usage"][0]["amount"].clone())
            };
            (of(&ada.user), of(&grace.user)) == (json!(60), json!(40))
        })
        .await;
    })
    .await;
}

/// Whatever today is, tomorrow is of the same month.
async fn keep_to_one_month(server: &TestServer) {
    let clock = server.get("/api/v1/admin/clock").await.expect(200).json();
    let day: u32 = clock["now"].as_str().and_then(|now| now.get(8..10)).expect("a date").parse().expect("a day");
    if day >= 27 {
        server.advance(6 * 86_400).await;
    }
}

#[tokio::test]
async fn a_warning_of_usage_goes_to_the_bills_address_and_to_verified_owners_and_admins() {
    let catalog = CATALOG.replace(
        "{ amount = 100, per = \"month\" }, { amount = 30",
        "{ amount = 100, per = \"month\" }, { amount = 500",
    );
    with_catalog(&catalog, async |server| {
        let ada = Person::new(server, "ada@example.com").await;
        joined(&ada, "grace@example.com", "admin").await;
        let plain = joined(&ada, "linus@example.com", "member").await;
        let account = format!("/api/v1/accounts/{}", ada.account);
        ada.patch(&account, json!({ "billing_email": "bills@example.com" })).await.expect(200);
        plain.post("/api/v1/usage/consume", json!({ "meter": "requests", "quantity": 85 })).await.expect(200);
        let told = async |address: &str| mails_to(server, address, "usage_threshold").await.len();
        let of_requests = async |address: &str| {
            let mails = mails_to(server, address, "usage_threshold").await;
            mails.iter().filter(|mail| mail["subject"].as_str().is_some_and(|text| text.contains("requests"))).count()
        };
        until("the warning", async || of_requests("bills@example.com").await == 1).await;
        assert_eq!(of_requests("grace@example.com").await, 1);
        assert_eq!(of_requests("ada@example.com").await, 0, "her address is not verified");
        assert_eq!(told("linus@example.com").await, 0);
    })
    .await;
}
