//! Further accounts of a person, and closing one.

use serde_json::json;

use crate::stage::{PASSWORD, Person, ask, assert_problem, with_catalog};

use super::{CATALOG, joined, members};

const ACCOUNTS: &str = "/api/v1/accounts";

#[tokio::test]
async fn a_person_makes_further_accounts_and_owns_them() {
    with_catalog(CATALOG, async |server| {
        let ada = Person::new(server, "ada@example.com").await;
        let body = json!({ "name": "Engines", "billing_email": "bills@example.com" });
        let made = ada.post(ACCOUNTS, body).await.expect(201).json();
        assert_eq!((&made["name"], &made["billing_email"]), (&json!("Engines"), &json!("bills@example.com")));
        let me = ada.me().await;
        assert_eq!(me["account"], ada.account.as_str(), "the one that was chosen stays");
        assert_eq!(
            (&me["accounts"][1]["id"], &me["accounts"][1]["role"], &me["accounts"][1]["plan"]),
            (&made["id"], &json!("owner"), &json!("free"))
        );
        let id = made["id"].as_str().expect("an id");
        let request = ada.request("POST", "/api/v1/usage/consume").header("Tollway-Account", id);
        server.send(request.json(&json!({ "meter": "requests" }))).await.expect("an answer").expect(200);
        for (field, value) in
            [("external_id", json!("mine")), ("email", json!("x@example.com")), ("metadata", json!({ "a": 1 }))]
        {
            let mut body = json!({ "name": "Engines" });
            body[field] = value;
            assert_eq!(assert_problem(&ada.post(ACCOUNTS, body).await, 422, "invalid_request")["field"], field);
        }
        assert_problem(&ada.post(ACCOUNTS, json!({})).await, 422, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn a_person_owns_twenty_accounts_at_most_however_many_are_asked_for_at_once() {
    with_catalog(CATALOG, async |server| {
        let ada = Person::new(server, "ada@example.com").await;
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..24 {
            let request = ada.request("POST", ACCOUNTS).json(&json!({ "name": format!("Team {number}") }));
            asking.spawn(async move { request.send().await.expect("an answer").status().as_u16() });
        }
        let statuses = asking.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 19, "{statuses:?}");
        assert_problem(&ada.post(ACCOUNTS, json!({ "name": "One more" })).await, 409, "too_many_accounts");
    })
    .await;
}

#[tokio::test]
async fn an_owner_closes_an_account_and_its_people_keep_their_others() {
    with_catalog(CATALOG, async |server| {
        let ada = Person::new(server, "ada@example.com").await;
        let admin = joined(&ada, "grace@example.com", "admin").await;
        let path = format!("{ACCOUNTS}/{}", ada.account);
        let key = ada.post(&format!("{path}/api-keys"), json!({ "name": "CI" })).await.expect(201).json();
        super::invite(&ada, "linus@example.com", "member").await.expect(201);
        let token = crate::stage::mail_link(server, "linus@example.com", "invitation").await;
        let other = ada.post(ACCOUNTS, json!({ "name": "Other" })).await.expect(201).json();
        assert_problem(&admin.delete(&path).await, 403, "insufficient_role");
        server.advance(1_000).await;
        assert_problem(&ada.delete(&path).await, 403, "recent_sign_in_required");
        ada.post("/api/v1/me/confirm", json!({ "password": PASSWORD })).await.expect(204);
        ada.delete(&path).await.expect(204);
        assert_problem(&ada.get(&path).await, 404, "account_unknown");
        assert_problem(&admin.get(&members(&ada.account)).await, 404, "account_unknown");
        assert_eq!(ada.me().await["account"], other["id"]);
        let request =
            server.request_of_nobody("GET", "/api/v1/usage").bearer_auth(key["secret"].as_str().expect("text"));
        assert_problem(&server.send(request).await.expect("an answer"), 401, "unauthenticated");
        let taken_up = json!({ "password": PASSWORD, "invitation": token });
        assert_problem(&ask(server, "POST", super::REGISTER, taken_up).await, 410, "link_invalid");
        assert_eq!(server.get(&path).await.expect(200).json()["status"], "closed");
        let active = server.put(&format!("{path}/status"), json!({ "status": "active" })).await;
        assert_problem(&active, 422, "invalid_request");
        server.delete(&path).await.expect(204);
        server.delete(&format!("{ACCOUNTS}/{}", other["id"].as_str().expect("an id"))).await.expect(204);
        assert_eq!(ada.me().await["accounts"], json!([]));
    })
    .await;
}
