//! No field of a body sets what it must not: who somebody is, what they may, and what they pay for are not theirs to say.

use serde_json::{Value, json};
use testkit::server::TestServer;

use crate::stage::{Person, SMALL_CATALOG, with_catalog};

use super::description::{Named, operations};
use super::owner::Owner;

/// Fields that decide what somebody may, and a value that would pay.
fn wanted(own_account: &str) -> [(&'static str, Value); 6] {
    [
        ("role", json!("owner")),
        ("superadmin", json!(true)),
        ("email_verified", json!(true)),
        ("status", json!("active")),
        ("account_id", json!(own_account)),
        ("plan", json!("enterprise")),
    ]
}

#[tokio::test]
async fn no_field_makes_anybody_more_than_they_are() {
    with_catalog(SMALL_CATALOG, async |server| {
        let owner = Owner::new(server).await;
        let mut mistakes = Vec::new();
        let mut called = 0;
        for (number, operation) in operations(server).await.iter().enumerate() {
            let Some(body) = operation.body(&owner.marks, Named::Nothing) else { continue };
            called += 1;
            let person = Person::new(server, &format!("wanting-{number}@example.com")).await;
            let before = standing(server, &person).await;
            for (field, value) in wanted(&owner.marks.account) {
                let mut body = body.clone();
                body[field] = value;
                let request = operation.request(server, &owner.marks, Named::Nothing).json(&body);
                let answer = server.send(request.bearer_auth(&person.access_token)).await.expect("an answer");
                let is_refused = (400..500).contains(&answer.status);
                if !is_refused && !operation.may_have(field) {
                    mistakes.push(format!("{operation} with {field}: {} {}", answer.status, answer.text));
                }
            }
            let after = standing(server, &person).await;
            if after != before {
                mistakes.push(format!("{operation} made {after} of {before}"));
            }
        }
        assert!(called > 30, "only {called} operations take a body");
        assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    })
    .await;
}

/// What somebody is and may, as operators see it.
async fn standing(server: &TestServer, person: &Person<'_>) -> Value {
    let user = server.get(&format!("/api/v1/admin/users/{}", person.user)).await.expect(200).json();
    let account = server.get(&format!("/api/v1/accounts/{}", person.account)).await.expect(200).json();
    let bought = server.get(&format!("/api/v1/subscription?account={}", person.account)).await.expect(200).json();
    let me = person.get("/api/v1/me").await.json();
    let accounts = me["accounts"].as_array().cloned().unwrap_or_default();
    json!({
        "user": [user["superadmin"], user["email_verified"], user["status"]],
        "account": account["status"],
        "plan": bought["plan"],
        "roles": accounts.iter().map(|account| [account["id"].clone(), account["role"].clone()]).collect::<Vec<_>>(),
    })
}
