//! A customer of the app that integrates Tollway, known by an external id.

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

/// One of the app's own users, acted for with the service key.
#[derive(Clone, Copy)]
pub struct Customer<'s> {
    pub server: &'s TestServer,
    pub external_id: &'s str,
}

impl<'s> Customer<'s> {
    /// A customer whom the server does not know yet.
    pub fn new(server: &'s TestServer, external_id: &'s str) -> Self {
        Self { server, external_id }
    }

    /// Posts a body with the customer's external id added.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.server.post(path, self.named(body)).await
    }

    /// As [`Customer::post`], with an idempotency key in the header.
    pub async fn post_with_key(&self, path: &str, key: &str, body: Value) -> Answer {
        let request = self.server.request("POST", path).header("Idempotency-Key", key).json(&self.named(body));
        self.server.send(request).await.expect("the server answers")
    }

    pub fn named(&self, mut body: Value) -> Value {
        body["external_id"] = json!(self.external_id);
        body
    }

    /// Counts so many requests.
    pub async fn consume(&self, quantity: impl Into<Value>) -> Answer {
        self.consume_of("requests", quantity).await
    }

    pub async fn consume_of(&self, meter: &str, quantity: impl Into<Value>) -> Answer {
        let quantity: Value = quantity.into();
        self.post("/api/v1/usage/consume", json!({ "meter": meter, "quantity": quantity })).await
    }

    pub async fn check(&self, body: Value) -> Value {
        self.post("/api/v1/usage/check", body).await.expect(200).json()
    }

    pub async fn reserve(&self, body: Value) -> Answer {
        self.post("/api/v1/usage/reservations", body).await
    }

    /// `GET usage`, whole.
    pub async fn usage(&self) -> Value {
        let path = format!("/api/v1/usage?external_id={}", self.external_id);
        self.server.get(&path).await.expect(200).json()
    }

    /// What is used of a meter, by its first limit.
    pub async fn used(&self, meter: &str) -> Value {
        limit(&self.usage().await, meter)["used"].clone()
    }

    /// The account's id; makes the account when there is none.
    pub async fn account(&self) -> String {
        let body = json!({ "external_id": self.external_id });
        let answer = self.server.post("/api/v1/accounts", body).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        answer.json()["id"].as_str().expect("accounts have an id").to_owned()
    }

    pub async fn grant(&self, plan: &str) {
        let path = format!("/api/v1/accounts/{}/grant", self.account().await);
        self.server.put(&path, json!({ "plan": plan })).await.expect(200);
    }

    /// A key of the account's own.
    pub async fn api_key(&self, body: Value) -> Value {
        let path = format!("/api/v1/accounts/{}/api-keys", self.account().await);
        self.server.post(&path, body).await.expect(201).json()
    }
}

/// The limit on a meter in an answer that lists limits.
#[track_caller]
pub fn limit(answer: &Value, meter: &str) -> Value {
    let limits = answer["limits"].as_array().expect("limits are listed");
    let found = limits.iter().find(|limit| limit["meter"] == meter);
    found.unwrap_or_else(|| panic!("no limit on {meter} in {answer}")).clone()
}

/// The limit on a meter in a window, for a scope.
#[track_caller]
pub fn limit_of(answer: &Value, meter: &str, window: &str, scope: &str) -> Value {
    let limits = answer["limits"].as_array().expect("limits are listed");
    let is_it = |limit: &&Value| limit["meter"] == meter && limit["window"] == window && limit["scope"] == scope;
    let found = limits.iter().find(is_it);
    found.unwrap_or_else(|| panic!("no limit on {meter} per {window} for each {scope} in {answer}")).clone()
}
