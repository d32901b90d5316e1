//! Seats: members and open invitations hold one each, the plan says how many there are, and the ledger shows it.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::server::{Engine, TestServer};

use crate::stage::{
    Customer, PASSWORD, Person, Site, TextFile, assert_problem, limit, mail_link, until, until_within, with_catalog,
};

use super::{ACCEPT, CATALOG, REGISTER, invitations, invite, joined, member, roles};

const DAY: i64 = 86_400;

async fn level(server: &TestServer, account: &str) -> Value {
    let usage = server.get(&format!("/api/v1/usage?account={account}")).await.expect(200).json();
    limit(&usage, "seats")["used"].clone()
}

/// The ledger follows what was committed.
async fn shows(server: &TestServer, account: &str, seats: u32) {
    until(&format!("{seats} seats"), async || level(server, account).await == seats).await;
}

#[tokio::test]
async fn members_and_open_invitations_hold_seats_and_give_them_back() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        shows(server, &owner.account, 1).await;
        let grace = joined(&owner, "grace@example.com", "member").await;
        shows(server, &owner.account, 2).await;
        let sent = invite(&owner, "linus@example.com", "member").await.expect(201).json();
        shows(server, &owner.account, 3).await;
        let denied = invite(&owner, "eve@example.com", "member").await;
        let problem = assert_problem(&denied, 429, "quota_exceeded");
        assert_eq!(
            (&problem["meter"], &problem["limit"], &problem["current"], &problem["plan"], &problem["suggested_plan"]),
            (&json!("seats"), &json!(3), &json!(3), &json!("free"), &json!("pro"))
        );
        assert!(problem["upgrade_url"].as_str().is_some_and(|url| url.ends_with("/pricing?plan=pro")), "{problem}");
        // A second mail to the same address takes no second seat.
        invite(&owner, "linus@example.com", "admin").await.expect(200);
        owner.delete(&member(&owner.account, &grace.user)).await.expect(204);
        shows(server, &owner.account, 2).await;
        invite(&owner, "eve@example.com", "member").await.expect(201);
        shows(server, &owner.account, 3).await;
        let at = format!("{}/{}", invitations(&owner.account), sent["id"].as_str().expect("an id"));
        owner.delete(&at).await.expect(204);
        shows(server, &owner.account, 2).await;
        server.advance(8 * DAY).await;
        shows(server, &owner.account, 1).await;
        let direct = member(&owner.account, &grace.user);
        server.put(&direct, json!({ "role": "member" })).await.expect(201);
        let again = Person::sign_in(server, "grace@example.com", PASSWORD).await;
        again.delete("/api/v1/me").await.expect(204);
        shows(server, &owner.account, 1).await;
    })
    .await;
}

#[tokio::test]
async fn of_many_invited_at_once_as_many_as_there_are_seats() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..20 {
            let body = json!({ "email": format!("p{number}@example.com"), "role": "member" });
            let request = owner.request("POST", &invitations(&owner.account)).json(&body);
            asking.spawn(async move { request.send().await.expect("an answer").status().as_u16() });
        }
        let statuses = asking.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 2, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 18, "{statuses:?}");
        shows(server, &owner.account, 3).await;
    })
    .await;
}

#[tokio::test]
async fn after_a_downgrade_twenty_who_accept_at_once_are_as_many_as_the_plan_has_seats() {
    with_catalog(CATALOG, async |server| {
        let customer = Customer::new(server, "team-1");
        customer.grant("pro").await;
        let account = customer.account().await;
        let mut people = Vec::new();
        for number in 0..20 {
            let email = format!("p{number}@example.com");
            people.push(Person::new(server, &email).await);
            server.post(&invitations(&account), json!({ "email": email })).await.expect(201);
        }
        let mut requests = Vec::new();
        for person in &people {
            let token = mail_link(server, &person.email, "invitation").await;
            requests.push(person.request("POST", ACCEPT).json(&json!({ "token": token })));
        }
        shows(server, &account, 20).await;
        server.delete(&format!("/api/v1/accounts/{account}/grant")).await;
        let mut asking = tokio::task::JoinSet::new();
        for request in requests {
            asking.spawn(async move { request.send().await.expect("an answer").status().as_u16() });
        }
        let statuses = asking.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 17, "{statuses:?}");
        assert_eq!(roles(server, &account).await.len(), 3);
        // Nobody is sent away, and nobody more comes.
        shows(server, &account, 20).await;
        let more = server.post(&invitations(&account), json!({ "email": "more@example.com" })).await;
        assert_problem(&more, 429, "quota_exceeded");
    })
    .await;
}

#[tokio::test]
async fn who_joins_while_the_plan_changes_is_judged_by_one_plan_or_the_other() {
    with_catalog(CATALOG, async |server| {
        let customer = Customer::new(server, "team-1");
        let account = customer.account().await;
        let mut people = Vec::new();
        for number in 0..12 {
            people.push(Person::new(server, &format!("p{number}@example.com")).await);
        }
        for round in 0..4 {
            let mut asking = tokio::task::JoinSet::new();
            for person in &people[round * 3..round * 3 + 3] {
                let request = server.request("PUT", &member(&account, &person.user));
                let request = request.json(&json!({ "role": "member" }));
                asking.spawn(async move { request.send().await.expect("an answer").status().as_u16() });
            }
            let path = format!("/api/v1/accounts/{account}/grant");
            let change =
                server.request("PUT", &path).json(&json!({ "plan": if round % 2 == 0 { "free" } else { "pro" } }));
            server.send(change).await.expect("an answer").expect(200);
            let statuses = asking.join_all().await;
            assert!(statuses.iter().all(|status| [201, 429, 503].contains(status)), "{statuses:?}");
        }
        let there = roles(server, &account).await.len();
        shows(server, &account, there as u32).await;
    })
    .await;
}

#[tokio::test]
async fn seats_are_right_again_after_a_crash() {
    let catalog = TextFile::new("catalog.toml", CATALOG);
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".to_owned(), catalog.path().to_owned()];
        let mut server = site.start();
        let customer = Customer::new(&server, "team-1");
        customer.grant("pro").await;
        let account = customer.account().await;
        for round in 0..3 {
            let mut asking = tokio::task::JoinSet::new();
            for number in 0..6 {
                let body = json!({ "email": format!("r{round}-{number}@example.com") });
                let request = server.request("POST", &invitations(&account)).json(&body);
                asking.spawn(async move { request.send().await.is_ok() });
            }
            // As soon as one is answered, others are on their way and jobs are not done.
            asking.join_next().await;
            server.kill();
            asking.join_all().await;
            server = site.start();
        }
        let page = server.get(&format!("{}?limit=200", invitations(&account))).await.expect(200).json();
        let open = page["data"].as_array().expect("invitations are listed").len();
        assert!(open >= 3, "{page}");
        // A job that the dead server had in hand waits for its lease to be over.
        let is_right = async || level(&server, &account).await == open as u32;
        until_within(Duration::from_secs(90), "the seats are right again", is_right).await;
    }
}

#[tokio::test]
async fn a_catalog_without_seats_limits_no_team_and_another_name_for_them_does() {
    let without = CATALOG.replace("[meters.seats]\n", "").replace("seats = 3", "").replace(", seats = 25", "");
    with_catalog(&without, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        for number in 0..5 {
            invite(&owner, &format!("p{number}@example.com"), "member").await.expect(201);
        }
    })
    .await;
    let renamed =
        CATALOG.replace("[meters.seats]", "[meters.max_users]\nkind = \"level\"").replace("seats", "max_users");
    with_catalog(&renamed, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        for number in 0..2 {
            invite(&owner, &format!("p{number}@example.com"), "member").await.expect(201);
        }
        let problem = assert_problem(&invite(&owner, "more@example.com", "member").await, 429, "quota_exceeded");
        assert_eq!(problem["meter"], "max_users");
    })
    .await;
}

#[tokio::test]
async fn a_limit_that_only_warns_keeps_nobody_out() {
    let catalog = CATALOG.replace("seats = 3", "seats = { amount = 1, past = \"warn\" }");
    with_catalog(&catalog, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        joined(&owner, "grace@example.com", "member").await;
        shows(server, &owner.account, 2).await;
    })
    .await;
}

#[tokio::test]
async fn an_invitation_that_two_take_up_at_once_makes_one_member() {
    with_catalog(CATALOG, async |server| {
        let owner = Person::new(server, "ada@example.com").await;
        invite(&owner, "grace@example.com", "member").await.expect(201);
        let token = mail_link(server, "grace@example.com", "invitation").await;
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let body = json!({ "password": PASSWORD, "invitation": token });
            let request = server.request_of_nobody("POST", REGISTER).json(&body);
            asking.spawn(async move { request.send().await.expect("an answer").status().as_u16() });
        }
        let statuses = asking.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [201, 409, 410].contains(status)), "{statuses:?}");
        shows(server, &owner.account, 2).await;
    })
    .await;
}
