//! Invitations: sent by mail, taken up by whoever has the address, taken back, and over after a while.

use serde_json::{Value, json};
use testkit::server::{Engine, TestServer};

use crate::stage::{PASSWORD, Person, Site, TextFile, ask, assert_problem, mail_link, mails_to, until, with_catalog};

use super::{ACCEPT, CATALOG, REGISTER, SHOW, invitations, invite, joined, pairs, register_invited, roles};

const DAY: i64 = 86_400;

async fn listed(by: &Person<'_>) -> Vec<(String, String)> {
    let page = by.get(&format!("{}?limit=200", invitations(&by.account))).await.expect(200).json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let all = page["data"].as_array().expect("invitations are listed");
    all.iter().map(|invitation| (text(&invitation["email"]), text(&invitation["state"]))).collect()
}

#[tokio::test]
async fn somebody_new_registers_by_the_link_and_belongs_to_the_account_that_invited() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let sent = invite(&owner, "Grace@example.com", "admin").await.expect(201).json();
        assert_eq!(
            (&sent["email"], &sent["role"], &sent["state"], &sent["invited_by"]),
            (&json!("Grace@example.com"), &json!("admin"), &json!("open"), &json!(owner.user))
        );
        let token = mail_link(server, "Grace@example.com", "invitation").await;
        let mail = mails_to(server, "Grace@example.com", "invitation").await.remove(0);
        assert!(mail["subject"].as_str().is_some_and(|subject| subject.contains("Ada Lovelace")), "{mail}");
        let shown = ask(server, "POST", SHOW, json!({ "token": token })).await.expect(200).json();
        assert_eq!(
            (&shown["account_name"], &shown["inviter"], &shown["role"], &shown["email"], &shown["registered"]),
            (
                &json!("Ada Lovelace"),
                &json!("Ada Lovelace"),
                &json!("admin"),
                &json!("Grace@example.com"),
                &json!(false)
            )
        );
        let body = |email: &str| json!({ "email": email, "password": PASSWORD, "invitation": token });
        let other = ask(server, "POST", REGISTER, body("eve@example.com")).await;
        assert_problem(&other, 403, "invitation_for_other");
        let answer = ask(server, "POST", REGISTER, body("grace@example.com")).await.expect(201).json();
        assert_eq!((&answer["account"], &answer["role"]), (&json!(owner.account), &json!("admin")));
        let grace = Person::of(server, "grace@example.com", &answer);
        let me = grace.me().await;
        assert_eq!((&me["email_verified"], me["accounts"].as_array().map(Vec::len)), (&json!(true), Some(1)));
        assert!(mails_to(server, "grace@example.com", "verify_email").await.is_empty());
        assert_problem(&ask(server, "POST", SHOW, json!({ "token": token })).await, 410, "link_invalid");
        assert_problem(&ask(server, "POST", REGISTER, body("grace@example.com")).await, 410, "link_invalid");
        assert_eq!(listed(&owner).await, pairs(&[("Grace@example.com", "accepted")]));
        assert_problem(&ask(server, "POST", REGISTER, json!({ "password": PASSWORD })).await, 422, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn a_signed_in_person_accepts_what_was_sent_to_their_address_and_nothing_else() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let grace = Person::new(server, "grace@example.com").await;
        let eve = Person::new(server, "eve@example.com").await;
        invite(&owner, "GRACE@example.com", "member").await.expect(201);
        let token = mail_link(server, "GRACE@example.com", "invitation").await;
        let token = json!({ "token": token });
        let shown = ask(server, "POST", SHOW, token.clone()).await.expect(200).json();
        assert_eq!(shown["registered"], true);
        assert_problem(&eve.post(ACCEPT, token.clone()).await, 403, "invitation_for_other");
        assert_problem(&ask(server, "POST", ACCEPT, token.clone()).await, 401, "unauthenticated");
        assert_problem(&server.post(ACCEPT, token.clone()).await, 403, "sign_in_required");
        let taken = json!({ "password": PASSWORD, "invitation": token["token"] });
        assert_problem(&ask(server, "POST", REGISTER, taken).await, 409, "email_taken");
        assert_eq!(grace.me().await["email_verified"], false);
        let accepted = grace.post(ACCEPT, token.clone()).await.expect(200).json();
        assert_eq!((&accepted["account"], &accepted["role"]), (&json!(owner.account), &json!("member")));
        let me = grace.me().await;
        assert_eq!((&me["email_verified"], &me["account"]), (&json!(true), &json!(owner.account)));
        assert_problem(&grace.post(ACCEPT, token).await, 410, "link_invalid");
        assert_eq!(roles(server, &owner.account).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_address_has_one_open_invitation_and_a_second_replaces_its_link() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let first = invite(&owner, "grace@example.com", "member").await.expect(201).json();
        let first_token = mail_link(server, "grace@example.com", "invitation").await;
        let second = invite(&owner, "Grace@example.com", "admin").await.expect(200).json();
        assert_eq!((&second["id"], &second["role"]), (&first["id"], &json!("admin")));
        let second_token = mail_link(server, "Grace@example.com", "invitation").await;
        let resend = format!("{}/{}/resend", invitations(&owner.account), first["id"].as_str().expect("an id"));
        owner.post(&resend, json!({})).await.expect(200);
        until("a third mail", async || mails_to(server, "Grace@example.com", "invitation").await.len() == 2).await;
        let third_token = mail_link(server, "Grace@example.com", "invitation").await;
        for old in [&first_token, &second_token] {
            assert_problem(&ask(server, "POST", SHOW, json!({ "token": old })).await, 410, "link_invalid");
        }
        ask(server, "POST", SHOW, json!({ "token": third_token })).await.expect(200);
        assert_eq!(listed(&owner).await.len(), 1);
        register_invited(server, "Grace@example.com").await;
        assert_problem(&invite(&owner, "grace@EXAMPLE.com", "member").await, 409, "already_member");
        assert_problem(&owner.post(&resend, json!({})).await, 409, "invitation_over");
    })
    .await;
}

#[tokio::test]
async fn what_an_invitation_says_is_what_its_sender_may_give() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let admin = joined(&owner, "grace@example.com", "admin").await;
        assert_problem(&invite(&admin, "x@example.com", "owner").await, 403, "insufficient_role");
        let sent = invite(&admin, "linus@example.com", "member").await.expect(201).json();
        let at = format!("{}/{}", invitations(&owner.account), sent["id"].as_str().expect("an id"));
        owner.delete(&at).await.expect(204);
        owner.delete(&at).await.expect(204);
        let plain = joined(&owner, "linus@example.com", "member").await;
        assert_problem(&invite(&plain, "x@example.com", "member").await, 403, "insufficient_role");
        assert_problem(&plain.get(&invitations(&owner.account)).await, 403, "insufficient_role");
        assert_problem(&plain.delete(&at).await, 403, "insufficient_role");
        assert_problem(&invite(&owner, "nobody", "member").await, 422, "invalid_request");
        let unknown = format!("{}/ivt_00000000000000000000000000", invitations(&owner.account));
        assert_problem(&owner.delete(&unknown).await, 404, "not_found");
        let other = Person::new(server, "eve@example.com").await;
        let elsewhere = format!("{}/{}", invitations(&other.account), sent["id"].as_str().expect("an id"));
        assert_problem(&other.delete(&elsewhere).await, 404, "not_found");
        // Invited by the app itself, in the product's name.
        let by_app = json!({ "email": "app@example.com", "role": "owner" });
        server.post(&invitations(&other.account), by_app).await.expect(201);
        let token = mail_link(server, "app@example.com", "invitation").await;
        let shown = ask(server, "POST", SHOW, json!({ "token": token })).await.expect(200).json();
        assert_eq!((&shown["inviter"], &shown["role"]), (&json!("Teams"), &json!("owner")));
    })
    .await;
}

#[tokio::test]
async fn what_is_withdrawn_or_over_opens_nothing_and_open_ones_are_listed_first() {
    let catalog = CATALOG.replace("seats = 3", "seats = 9");
    with_catalog(&catalog, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        for name in ["a", "b"] {
            invite(&owner, &format!("{name}@example.com"), "member").await.expect(201);
        }
        let over = mail_link(server, "a@example.com", "invitation").await;
        server.advance(8 * DAY).await;
        let owner = Person::sign_in(server, "ada@example.com", PASSWORD).await;
        assert_problem(&ask(server, "POST", SHOW, json!({ "token": over })).await, 410, "link_invalid");
        for name in ["c", "d", "e"] {
            invite(&owner, &format!("{name}@example.com"), "member").await.expect(201);
        }
        let withdrawn = mail_link(server, "d@example.com", "invitation").await;
        let page = owner.get(&invitations(&owner.account)).await.expect(200).json();
        let id = page["data"][1]["id"].as_str().expect("an id");
        owner.delete(&format!("{}/{id}", invitations(&owner.account))).await.expect(204);
        let body = json!({ "password": PASSWORD, "invitation": withdrawn });
        assert_problem(&ask(server, "POST", REGISTER, body).await, 410, "link_invalid");
        let expected = pairs(&[
            ("e@example.com", "open"),
            ("c@example.com", "open"),
            ("d@example.com", "withdrawn"),
            ("b@example.com", "expired"),
            ("a@example.com", "expired"),
        ]);
        assert_eq!(listed(&owner).await, expected);
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = owner.get(&format!("{}?limit=2{cursor}", invitations(&owner.account))).await.expect(200).json();
            let data = page["data"].as_array().expect("data").clone();
            seen.extend(data.iter().map(|invitation| invitation["email"].as_str().expect("text").to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, expected.iter().map(|(email, _)| email.clone()).collect::<Vec<_>>());
        // An address whose invitation is over is invited anew.
        invite(&owner, "a@example.com", "member").await.expect(201);
        let bad = owner.get(&format!("{}?cursor=x", invitations(&owner.account))).await;
        assert_problem(&bad, 422, "invalid_request");
    })
    .await;
}

/// Tells a story on each engine with settings from a file.
async fn with_settings(settings: &str, story: impl AsyncFn(&TestServer)) {
    let catalog = TextFile::new("catalog.toml", CATALOG);
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".to_owned(), catalog.path().to_owned()];
        site.environment = settings
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        story(&site.start()).await;
    }
}

#[tokio::test]
async fn where_registration_is_closed_an_invitation_still_lets_somebody_in() {
    with_settings("TOLLWAY_REGISTRATION=closed TOLLWAY_UNVERIFIED=may_nothing", async |server| {
        let account = crate::stage::Customer::new(server, "team-1").account().await;
        let plain = ask(server, "POST", REGISTER, json!({ "email": "a@example.com", "password": PASSWORD })).await;
        assert_problem(&plain, 403, "registration_closed");
        server.post(&invitations(&account), json!({ "email": "a@example.com", "role": "owner" })).await.expect(201);
        let person = register_invited(server, "a@example.com").await;
        assert_eq!(person.account, account);
        Person::sign_in(server, "a@example.com", PASSWORD).await;
    })
    .await;
}

#[tokio::test]
async fn in_private_mode_an_invitation_signs_in_at_once_and_may_bring_a_personal_account() {
    let settings = "TOLLWAY_REGISTRATION=private TOLLWAY_PERSONAL_ACCOUNT_FOR_INVITED=true";
    with_settings(settings, async |server| {
        let account = crate::stage::Customer::new(server, "team-1").account().await;
        server.post(&invitations(&account), json!({ "email": "a@example.com" })).await.expect(201);
        let person = register_invited(server, "a@example.com").await;
        assert_eq!(person.account, account);
        let accounts = person.me().await["accounts"].as_array().expect("accounts").clone();
        assert_eq!(accounts.len(), 2);
        assert!(accounts.iter().any(|own| own["role"] == "owner" && own["id"] != account.as_str()));
    })
    .await;
}

#[tokio::test]
async fn invitations_are_held_to_the_rate_of_registrations() {
    let catalog = format!("{CATALOG}\n[rates]\nregister = \"3 per 1h\"\n");
    with_catalog(&catalog, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        for _ in 0..3 {
            let sent = invite(&owner, "grace@example.com", "member").await;
            assert!([200, 201].contains(&sent.status), "{}", sent.text);
        }
        assert_problem(&invite(&owner, "grace@example.com", "member").await, 429, "rate_limited");
        let body = json!({ "email": "grace@example.com" });
        server.post(&invitations(&owner.account), body).await.expect(200);
    })
    .await;
}
