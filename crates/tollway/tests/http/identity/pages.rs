//! What the links in mails lead to, for people without scripts.

use serde_json::json;
use testkit::server::{Answer, TestServer};

use crate::stage::{PASSWORD, Person, SMALL_CATALOG, ask, mail_link, with_catalog};

async fn show(server: &TestServer, path: &str) -> Answer {
    server.send(server.request_of_nobody("GET", path)).await.expect("the server answers")
}

async fn send(server: &TestServer, path: &str, form: &str) -> Answer {
    let request = server.request_of_nobody("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
    server.send(request.body(form.to_owned())).await.expect("the server answers")
}

fn assert_is_page(answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{}", answer.text);
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert!(answer.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
    assert!(!answer.text.contains("<script"));
}

#[tokio::test]
async fn a_mail_program_that_follows_a_link_verifies_nothing_and_the_button_does() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let token = mail_link(server, "ada@example.com", "verify_email").await;
        let shown = show(server, &format!("/verify-email?token={token}")).await.expect(200);
        assert_is_page(&shown);
        assert_eq!(person.me().await["email_verified"], false);
        let done = send(server, "/verify-email", &format!("token={token}")).await.expect(200);
        assert_is_page(&done);
        assert_eq!(person.me().await["email_verified"], true);
        let again = send(server, "/verify-email", &format!("token={token}")).await.expect(410);
        assert_is_page(&again);
    })
    .await;
}

#[tokio::test]
async fn a_forgotten_password_is_reset_on_pages() {
    with_catalog(SMALL_CATALOG, async |server| {
        Person::new(server, "ada@example.com").await;
        assert_is_page(&show(server, "/forgot-password").await.expect(200));
        send(server, "/forgot-password", "email=ada%40example.com").await.expect(200);
        let token = mail_link(server, "ada@example.com", "reset_password").await;
        assert_is_page(&show(server, &format!("/reset-password?token={token}")).await.expect(200));
        let weak = send(server, "/reset-password", &format!("token={token}&password=password1234")).await.expect(422);
        assert!(weak.text.contains("This password is too weak.") && weak.text.contains(&token));
        send(server, "/reset-password", &format!("token={token}&password=Amber-meadow-7-compass")).await.expect(200);
        Person::sign_in(server, "ada@example.com", "Amber-meadow-7-compass").await;
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_told_on_a_page_too() {
    with_catalog(SMALL_CATALOG, async |server| {
        for path in ["/verify-email", "/reset-password", "/confirm-email", "/hand-off"] {
            assert_is_page(&show(server, path).await.expect(422));
        }
        let hostile = show(server, "/verify-email?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await.expect(200);
        assert_is_page(&hostile);
        let json = ask(server, "POST", "/verify-email", json!({ "token": "x" })).await.expect(415);
        assert_is_page(&json);
    })
    .await;
}

#[tokio::test]
async fn an_invitation_is_taken_up_on_its_page_by_somebody_new_and_by_somebody_known() {
    with_catalog(SMALL_CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        Person::new(server, "known@example.com").await;
        let invitations = format!("/api/v1/accounts/{}/invitations", owner.account);
        for (email, asked) in [("new@example.com", "Choose a password"), ("known@example.com", "Sign in and join")] {
            owner.post(&invitations, json!({ "email": email, "role": "member" })).await.expect(201);
            let token = mail_link(server, email, "invitation").await;
            let shown = show(server, &format!("/invitation?token={token}")).await.expect(200);
            assert_is_page(&shown);
            assert!(shown.text.contains(asked) && shown.text.contains("Ada Lovelace"), "{}", shown.text);
            let wrong = send(server, "/invitation", &format!("token={token}&password=short")).await;
            assert!([401, 422].contains(&wrong.status) && wrong.text.contains("role=\"alert\""), "{}", wrong.text);
            let form = format!("token={token}&name=Grace&password={PASSWORD}");
            let joined = send(server, "/invitation", &form).await.expect(200);
            assert!(joined.header("set-cookie").is_some_and(|set| set.starts_with("__Host-tollway=")));
            let person = Person::sign_in(server, email, PASSWORD).await;
            assert_eq!(person.account, owner.account);
            assert_is_page(&show(server, &format!("/invitation?token={token}")).await.expect(410));
        }
    })
    .await;
}
