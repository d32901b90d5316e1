//! New passwords: by the old one, and by a mailed link.

use serde_json::json;

use crate::stage::{PASSWORD, Person, SMALL_CATALOG, ask, assert_problem, mail_link, mails_to, until, with_catalog};

const NEW: &str = "Amber-meadow-7-compass";
const FORGOT: &str = "/api/v1/auth/password/forgot";
const RESET: &str = "/api/v1/auth/password/reset";

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    with_catalog(SMALL_CATALOG, async |server| {
        let here = Person::new(server, "ada@example.com").await;
        let elsewhere = Person::sign_in(server, "ada@example.com", PASSWORD).await;
        let change = async |old: &str, new: &str| {
            here.post("/api/v1/me/password", json!({ "old_password": old, "new_password": new })).await
        };
        assert_problem(&change("wrong", NEW).await, 403, "password_wrong");
        let weak = change(PASSWORD, "password1234").await;
        assert_eq!(assert_problem(&weak, 422, "invalid_request")["field"], "new_password");
        let without_old = here.post("/api/v1/me/password", json!({ "new_password": NEW })).await;
        assert_problem(&without_old, 403, "password_wrong");
        change(PASSWORD, NEW).await.expect(204);
        here.get("/api/v1/me").await.expect(200);
        assert_problem(&elsewhere.get("/api/v1/me").await, 401, "unauthenticated");
        let old =
            ask(server, "POST", "/api/v1/auth/login", json!({ "login": "ada@example.com", "password": PASSWORD }))
                .await;
        assert_problem(&old, 401, "sign_in_failed");
        Person::sign_in(server, "ada@example.com", NEW).await;
        assert_eq!(mails_to(server, "ada@example.com", "password_changed").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_a_link_that_is_good_once() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let known = ask(server, "POST", FORGOT, json!({ "email": "ADA@example.com" })).await.expect(202);
        let unknown = ask(server, "POST", FORGOT, json!({ "email": "nobody@example.com" })).await.expect(202);
        assert_eq!(known.text, unknown.text);
        let token = mail_link(server, "ada@example.com", "reset_password").await;
        let reset = async |token: &str, password: &str| {
            ask(server, "POST", RESET, json!({ "token": token, "password": password })).await
        };
        assert_problem(&reset(&token, "password1234").await, 422, "invalid_request");
        reset(&token, NEW).await.expect(204);
        assert_problem(&reset(&token, NEW).await, 410, "link_invalid");
        assert_problem(&person.get("/api/v1/me").await, 401, "unauthenticated");
        let person = Person::sign_in(server, "ada@example.com", NEW).await;
        // Whoever reads the address's mails has shown that it is theirs.
        assert_eq!(person.me().await["email_verified"], true);
        assert!(mails_to(server, "nobody@example.com", "reset_password").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_link_is_over_in_time_and_when_another_was_asked_for() {
    with_catalog(SMALL_CATALOG, async |server| {
        Person::new(server, "ada@example.com").await;
        let ask_for_link =
            async || ask(server, "POST", FORGOT, json!({ "email": "ada@example.com" })).await.expect(202);
        let reset = async |token: &str| ask(server, "POST", RESET, json!({ "token": token, "password": NEW })).await;
        ask_for_link().await;
        let first = mail_link(server, "ada@example.com", "reset_password").await;
        ask_for_link().await;
        until("a second mail", async || mails_to(server, "ada@example.com", "reset_password").await.len() == 2).await;
        let second = mail_link(server, "ada@example.com", "reset_password").await;
        assert_problem(&reset(&first).await, 410, "link_invalid");
        server.advance(3_700).await;
        assert_problem(&reset(&second).await, 410, "link_invalid");
        // A link of another purpose resets nothing.
        let verification = mail_link(server, "ada@example.com", "verify_email").await;
        assert_problem(&reset(&verification).await, 410, "link_invalid");
    })
    .await;
}

#[tokio::test]
async fn links_begin_with_the_configured_address_whatever_a_request_says() {
    with_catalog(SMALL_CATALOG, async |server| {
        Person::new(server, "ada@example.com").await;
        let request = server.request_of_nobody("POST", FORGOT).header("Host", "evil.example");
        let request = request.header("X-Forwarded-Host", "evil.example").header("Forwarded", "host=evil.example");
        server.send(request.json(&json!({ "email": "ada@example.com" }))).await.expect("an answer").expect(202);
        // Fails where the link leads elsewhere.
        mail_link(server, "ada@example.com", "reset_password").await;
    })
    .await;
}
