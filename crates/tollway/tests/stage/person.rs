//! A person who signs in, and the mails they get.

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use super::until;

/// Good by every rule that the tests set.
pub const PASSWORD: &str = "Violet-harbour-9-lantern";

/// Somebody who is signed in with tokens.
#[derive(Clone)]
pub struct Person<'s> {
    pub server: &'s TestServer,
    pub email: String,
    pub access_token: String,
    pub refresh_token: String,
    pub session: String,
    pub user: String,
    pub account: String,
}

impl<'s> Person<'s> {
    /// Registers.
    pub async fn new(server: &'s TestServer, email: &str) -> Person<'s> {
        let body = json!({ "email": email, "password": PASSWORD, "name": "Ada Lovelace" });
        let answer = ask(server, "POST", "/api/v1/auth/register", body).await.expect(201);
        Self::of(server, email, &answer.json())
    }

    /// Signs in once more, as on another device.
    pub async fn sign_in(server: &'s TestServer, email: &str, password: &str) -> Person<'s> {
        let body = json!({ "login": email, "password": password });
        let answer = ask(server, "POST", "/api/v1/auth/login", body).await.expect(200);
        Self::of(server, email, &answer.json())
    }

    /// Who an answer of a sign-in is about.
    pub fn of(server: &'s TestServer, email: &str, answer: &Value) -> Person<'s> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Person {
            server,
            email: email.to_owned(),
            access_token: text(&answer["access_token"]),
            refresh_token: text(&answer["refresh_token"]),
            session: text(&answer["session"]),
            user: text(&answer["user"]["id"]),
            account: text(&answer["account"]),
        }
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.server.request_of_nobody(method, path).bearer_auth(&self.access_token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.server.send(self.request("GET", path)).await.expect("the server answers")
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.server.send(self.request("DELETE", path)).await.expect("the server answers")
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.server.send(self.request("POST", path).json(&body)).await.expect("the server answers")
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.server.send(self.request("PATCH", path).json(&body)).await.expect("the server answers")
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.server.send(self.request("PUT", path).json(&body)).await.expect("the server answers")
    }

    /// `GET me`, whole.
    pub async fn me(&self) -> Value {
        self.get("/api/v1/me").await.expect(200).json()
    }
}

/// Asks without any credentials.
pub async fn ask(server: &TestServer, method: &str, path: &str, body: Value) -> Answer {
    server.send(server.request_of_nobody(method, path).json(&body)).await.expect("the server answers")
}

/// The mails of a kind that are written to an address, the newest first.
pub async fn mails_to(server: &TestServer, address: &str, kind: &str) -> Vec<Value> {
    let path = format!("/api/v1/admin/mails?to={}", address.replace('+', "%2B"));
    let listed = server.get(&path).await.expect(200).json();
    let listed = listed["data"].as_array().expect("mails are listed").clone();
    listed.into_iter().filter(|mail| mail["kind"] == kind).collect()
}

/// The secret in the link of the newest mail of a kind, once it is written.
pub async fn mail_link(server: &TestServer, address: &str, kind: &str) -> String {
    until(&format!("a mail {kind} to {address}"), async || !mails_to(server, address, kind).await.is_empty()).await;
    let mails = mails_to(server, address, kind).await;
    let id = mails[0]["id"].as_str().expect("mails have an id");
    let mail = server.get(&format!("/api/v1/admin/mails/{id}")).await.expect(200).json();
    let url = find_url(&mail).unwrap_or_else(|| panic!("no link in {mail}"));
    assert!(url.starts_with(&server.url), "{url} leads elsewhere");
    url.split_once("token=").unwrap_or_else(|| panic!("no secret in {url}")).1.to_owned()
}

fn find_url(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.contains("token=") && text.starts_with("http") => Some(text.clone()),
        Value::Array(items) => items.iter().find_map(find_url),
        Value::Object(map) => map.values().find_map(find_url),
        _ => None,
    }
}
