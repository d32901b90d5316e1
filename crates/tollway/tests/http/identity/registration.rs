//! Signing up.

use serde_json::{Value, json};
use testkit::server::Engine;

use crate::stage::{
    PASSWORD, Person, SMALL_CATALOG, Site, TextFile, ask, assert_problem, mail_link, mails_to, until, with_catalog,
};

const REGISTER: &str = "/api/v1/auth/register";

#[tokio::test]
async fn a_person_signs_up_and_has_an_account_on_the_default_plan() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "Ada@Example.com").await;
        let me = person.me().await;
        assert_eq!(
            (&me["email"], &me["email_verified"], &me["superadmin"]),
            (&json!("Ada@Example.com"), &json!(false), &json!(false))
        );
        assert_eq!(me["account"], person.account.as_str());
        let accounts = me["accounts"].as_array().expect("accounts are listed");
        assert_eq!(accounts.len(), 1);
        assert_eq!((&accounts[0]["role"], &accounts[0]["plan"]), (&json!("owner"), &json!("free")));
        let counted = person.post("/api/v1/usage/consume", json!({ "meter": "requests" })).await.expect(200).json();
        assert_eq!(counted["plan"], "free");
        let taken = ask(server, "POST", REGISTER, json!({ "email": "ada@example.com", "password": PASSWORD })).await;
        assert_problem(&taken, 409, "email_taken");
    })
    .await;
}

#[tokio::test]
async fn an_address_is_verified_by_the_link_that_is_mailed_to_it_once() {
    with_catalog(SMALL_CATALOG, async |server| {
        let person = Person::new(server, "ada@example.com").await;
        let first = mail_link(server, &person.email, "verify_email").await;
        person.post("/api/v1/auth/verify-email/resend", json!({})).await.expect(202);
        until("another mail", async || mails_to(server, &person.email, "verify_email").await.len() == 2).await;
        let second = mail_link(server, &person.email, "verify_email").await;
        let verify =
            async |token: &str| ask(server, "POST", "/api/v1/auth/verify-email", json!({ "token": token })).await;
        assert_problem(&verify(&first).await, 410, "link_invalid");
        assert_eq!(person.me().await["email_verified"], false);
        verify(&second).await.expect(204);
        assert_eq!(person.me().await["email_verified"], true);
        assert_problem(&verify(&second).await, 410, "link_invalid");
        assert_problem(&verify("nonsense").await, 410, "link_invalid");
    })
    .await;
}

#[tokio::test]
async fn of_many_who_want_one_address_at_once_one_gets_it() {
    with_catalog(SMALL_CATALOG, async |server| {
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..12 {
            let body = json!({ "email": "crowd@example.com", "password": PASSWORD, "name": format!("N{number}") });
            let request = server.request_of_nobody("POST", REGISTER).json(&body);
            asking.spawn(async move { request.send().await.expect("the server answers").status().as_u16() });
        }
        let mut answers = asking.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers, [vec![201], vec![409; 11]].concat());
        let users = server.get("/api/v1/admin/users?limit=200").await.expect(200).json();
        let of_crowd = |user: &&Value| user["email"] == "crowd@example.com";
        assert_eq!(users["data"].as_array().expect("users").iter().filter(of_crowd).count(), 1);
        let accounts = server.get("/api/v1/accounts?limit=200").await.expect(200).json();
        let of_crowd = |account: &&Value| account["email"] == "crowd@example.com";
        assert_eq!(accounts["data"].as_array().expect("accounts").iter().filter(of_crowd).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_told_and_nobody_signs_up_as_more_than_they_are() {
    with_catalog(SMALL_CATALOG, async |server| {
        let with = |field: &str, value: Value| {
            let mut body = json!({ "email": "eve@example.com", "password": PASSWORD });
            body[field] = value;
            body
        };
        for (field, value) in [
            ("email", json!("nobody")),
            ("email", json!("a@b\u{0}")),
            ("password", json!("password1234")),
            ("password", json!("short")),
            ("username", json!("not an@address")),
            ("name", json!("")),
            ("name", json!("x".repeat(300))),
            ("interval", json!("annual")),
            ("keep", json!("forever")),
        ] {
            let answer = ask(server, "POST", REGISTER, with(field, value.clone())).await;
            assert_eq!(assert_problem(&answer, 422, "invalid_request")["field"], field, "{field} {value}");
        }
        for field in ["superadmin", "role", "email_verified", "status", "id", "account", "created_at"] {
            let answer = ask(server, "POST", REGISTER, with(field, json!(true))).await;
            assert_problem(&answer, 422, "invalid_request");
        }
        assert_problem(&ask(server, "POST", REGISTER, with("plan", json!("gold"))).await, 404, "not_found");
        let annual = json!({ "email": "eve@example.com", "password": PASSWORD, "plan": "pro", "interval": "annual" });
        assert_problem(&ask(server, "POST", REGISTER, annual).await, 422, "invalid_request");
        let users = server.get("/api/v1/admin/users").await.expect(200).json();
        assert!(!users.to_string().contains("eve@example.com"));
    })
    .await;
}

#[tokio::test]
async fn a_chosen_plan_is_remembered_and_not_given() {
    with_catalog(SMALL_CATALOG, async |server| {
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "plan": "pro", "username": "ada", "terms": "2026-01" });
        let answer = ask(server, "POST", REGISTER, body).await.expect(201).json();
        let me = Person::of(server, "ada@example.com", &answer).me().await;
        let account = &me["accounts"][0];
        assert_eq!((&account["plan"], &account["wanted_plan"], &account["wanted_interval"]), (&json!("free"), &json!("pro"), &json!("monthly")));
        assert_eq!(me["terms"], "2026-01");
        let same_name = json!({ "email": "other@example.com", "password": PASSWORD, "username": "ADA" });
        let taken = ask(server, "POST", REGISTER, same_name).await;
        assert_eq!(assert_problem(&taken, 409, "taken")["field"], "username");
    })
    .await;
}

#[tokio::test]
async fn in_private_mode_every_address_is_answered_the_same_and_mails_tell_the_rest() {
    let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
    for engine in Engine::all() {
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), catalog.path().into()];
        site.environment = vec![("TOLLWAY_REGISTRATION".into(), "private".into())];
        let server = &site.start();
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let first = ask(server, "POST", REGISTER, body.clone()).await.expect(202);
        let link = mail_link(server, "ada@example.com", "verify_email").await;
        let again = ask(server, "POST", REGISTER, body).await.expect(202);
        assert_eq!(first.text, again.text);
        until("the owner is told", async || {
            !mails_to(server, "ada@example.com", "registration_attempt").await.is_empty()
        })
        .await;
        assert_eq!(mails_to(server, "ada@example.com", "verify_email").await.len(), 1);
        ask(server, "POST", "/api/v1/auth/verify-email", json!({ "token": link })).await.expect(204);
        assert_eq!(Person::sign_in(server, "ada@example.com", PASSWORD).await.me().await["email_verified"], true);
    }
}

#[tokio::test]
async fn a_closed_server_takes_no_registrations() {
    let mut site = Site::on(Engine::Sqlite);
    site.environment = vec![("TOLLWAY_REGISTRATION".into(), "closed".into())];
    let server = &site.start();
    let answer = ask(server, "POST", REGISTER, json!({ "email": "ada@example.com", "password": PASSWORD })).await;
    assert_problem(&answer, 403, "registration_closed");
}
