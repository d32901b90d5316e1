//! What people change of themselves.

use serde_json::json;

use crate::stage::{PASSWORD, Person, SMALL_CATALOG, ask, assert_problem, mail_link, mails_to, with_catalog};

#[tokio::test]
async fn a_new_address_counts_once_its_link_is_followed_and_the_old_one_is_told() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let changed = person.patch("/api/v1/me", json!({ "name": "Countess", "email": "ada@new.example" })).await;
        let changed = changed.expect(200).json();
        assert_eq!((&changed["name"], &changed["email"]), (&json!("Countess"), &json!("ada@example.com")));
        let token = mail_link(server, "ada@new.example", "confirm_new_email").await;
        let confirm = async || ask(server, "POST", "/api/v1/auth/confirm-email", json!({ "token": token })).await;
        confirm().await.expect(204);
        assert_problem(&confirm().await, 410, "link_invalid");
        let me = person.me().await;
        assert_eq!((&me["email"], &me["email_verified"]), (&json!("ada@new.example"), &json!(true)));
        assert_eq!(mails_to(server, "ada@example.com", "email_changed").await.len(), 1);
        Person::sign_in(server, "ada@new.example", PASSWORD).await;
        Person::new(server, "ada@example.com").await;
    })
    .await;
}

#[tokio::test]
async fn an_address_that_somebody_has_taken_meanwhile_stays_theirs() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        person.patch("/api/v1/me", json!({ "email": "wanted@example.com" })).await.expect(200);
        let token = mail_link(server, "wanted@example.com", "confirm_new_email").await;
        let other = Person::new(server, "wanted@example.com").await;
        let confirm = ask(server, "POST", "/api/v1/auth/confirm-email", json!({ "token": token })).await;
        assert_problem(&confirm, 409, "email_taken");
        assert_eq!(other.me().await["email"], "wanted@example.com");
        assert_eq!(person.me().await["email"], "ada@example.com");
    })
    .await;
}

#[tokio::test]
async fn nobody_changes_fields_that_are_not_theirs() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        for field in ["superadmin", "role", "email_verified", "status", "id", "two_factor", "accounts"] {
            let mut body = json!({});
            body[field] = json!(true);
            assert_problem(&person.patch("/api/v1/me", body).await, 422, "invalid_request");
        }
        let account = format!("/api/v1/accounts/{}", person.account);
        for (field, value) in
            [("external_id", json!("mine")), ("email", json!("x@example.com")), ("metadata", json!({ "a": 1 }))]
        {
            let mut body = json!({});
            body[field] = value;
            assert_problem(&person.patch(&account, body).await, 422, "invalid_request");
        }
        assert_problem(&person.patch(&account, json!({ "status": "active" })).await, 422, "invalid_request");
        let changed = person.patch(&account, json!({ "name": "Engines", "billing_email": "bills@example.com" })).await;
        assert_eq!(changed.expect(200).json()["billing_email"], "bills@example.com");
    })
    .await;
}

#[tokio::test]
async fn who_deletes_themselves_is_gone_and_frees_the_address() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let keys = format!("/api/v1/accounts/{}/api-keys", person.account);
        let key = person.post(&keys, json!({ "name": "mine" })).await.expect(201).json();
        person.post("/api/v1/usage/consume", json!({ "meter": "requests", "quantity": 7 })).await.expect(200);
        server.advance(16 * 60).await;
        assert_problem(&person.delete("/api/v1/me").await, 403, "recent_sign_in_required");
        person.post("/api/v1/me/confirm", json!({ "password": PASSWORD })).await.expect(204);
        person.delete("/api/v1/me").await.expect(204);
        assert_problem(&person.get("/api/v1/me").await, 401, "unauthenticated");
        let by_key =
            server.request_of_nobody("GET", "/api/v1/usage").bearer_auth(key["secret"].as_str().expect("a secret"));
        assert_problem(&server.send(by_key).await.expect("an answer"), 401, "unauthenticated");
        // What was counted is kept, and nothing more is.
        let account = server.get(&format!("/api/v1/accounts/{}", person.account)).await.expect(200).json();
        assert_eq!(account["status"], "closed");
        let more = json!({ "account": person.account, "meter": "requests" });
        assert_eq!(server.post("/api/v1/usage/consume", more).await.status, 403);
        let again = Person::new(server, "ada@example.com").await;
        assert_ne!(again.user, person.user);
        assert_eq!(mails_to(server, "ada@example.com", "account_deleted").await.len(), 1);
    })
    .await;
}
