//! Teams: the people of an account, how they get in and out, and what they share.

mod accounts;
mod audit;
mod invitations;
mod members;
mod ownership;
mod seats;
mod sharing;

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use crate::stage::{PASSWORD, Person, ask, mail_link};

/// Three seats by default, and plans with more.
const CATALOG: &str = r#"
product = "Teams"
default_plan = "free"
[meters.requests]
[meters.seats]
[plans.free.limits]
requests = [{ amount = 100, per = "month" }, { amount = 30, per = "day", each = "member" }]
seats = 3
[plans.pro]
name = "Pro"
price = "10.00"
limits = { requests = { amount = 200, per = "month" }, seats = 25 }
"#;

const REGISTER: &str = "/api/v1/auth/register";
const ACCEPT: &str = "/api/v1/invitations/accept";
const SHOW: &str = "/api/v1/invitations/show";

fn members(account: &str) -> String {
    format!("/api/v1/accounts/{account}/members")
}

fn member(account: &str, user: &str) -> String {
    format!("/api/v1/accounts/{account}/members/{user}")
}

fn invitations(account: &str) -> String {
    format!("/api/v1/accounts/{account}/invitations")
}

/// Invites an address to the inviter's account.
async fn invite(by: &Person<'_>, email: &str, role: &str) -> Answer {
    by.post(&invitations(&by.account), json!({ "email": email, "role": role })).await
}

/// Registers somebody new by the newest invitation to their address.
async fn register_invited<'s>(server: &'s TestServer, email: &str) -> Person<'s> {
    let token = mail_link(server, email, "invitation").await;
    let body = json!({ "password": PASSWORD, "name": email, "invitation": token });
    let answer = ask(server, "POST", REGISTER, body).await.expect(201);
    Person::of(server, email, &answer.json())
}

/// Somebody new whom the owner has invited and who has joined.
async fn joined<'s>(owner: &Person<'s>, email: &str, role: &str) -> Person<'s> {
    invite(owner, email, role).await.expect(201);
    register_invited(owner.server, email).await
}

/// What a member is, as the list says.
async fn roles(server: &TestServer, account: &str) -> Vec<(String, String)> {
    let page = server.get(&members(account)).await.expect(200).json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let members = page["data"].as_array().expect("members are listed");
    members.iter().map(|member| (text(&member["email"]), text(&member["role"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(email, role)| ((*email).to_owned(), (*role).to_owned())).collect()
}
