//! Buying: customers of a server whose payments go to the stand-in for Stripe that it started.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::server::{Answer, TestServer};

use super::{Customer, StandIn, until_within};

/// A card that works.
pub const GOOD_CARD: &str = "4242424242424242";
/// A card that is declined when it is used first.
pub const DECLINED_CARD: &str = "4000000000000002";
/// How long the slowest of what Stripe tells may take to be applied.
const PATIENCE: Duration = Duration::from_secs(90);

/// Compares every account with Stripe and waits for the end; what was found.
pub async fn reconcile_all(server: &TestServer) -> Value {
    let begun = server.post("/api/v1/admin/reconcile", json!({})).await.expect(202).json();
    let path = format!("/api/v1/admin/reconcile/{}", begun["id"].as_str().expect("an id"));
    let is_over = async || server.get(&path).await.expect(200).json()["state"] != "running";
    until_within(PATIENCE, "all accounts are compared", is_over).await;
    let run = server.get(&path).await.expect(200).json();
    assert_eq!(run["state"], "done", "{run}");
    run
}

#[derive(Clone)]
pub struct Shop<'s> {
    pub server: &'s TestServer,
    /// Where the stand-in is.
    pub stripe: String,
}

impl<'s> Shop<'s> {
    pub fn of(server: &'s TestServer) -> Self {
        let stripe = server.ready["stripe_url"].as_str().expect("the server started a stand-in for Stripe");
        Self { server, stripe: stripe.to_owned() }
    }

    /// One whose stand-in is apart from the server.
    pub fn at(server: &'s TestServer, stand_in: &StandIn) -> Self {
        Self { server, stripe: stand_in.url.clone() }
    }

    pub fn customer(&self, external_id: &'s str) -> Customer<'s> {
        Customer::new(self.server, external_id)
    }

    /// Asks for a page to buy on; the answer.
    pub async fn checkout(&self, external_id: &str, plan: &str, interval: &str) -> Answer {
        let body = json!({ "external_id": external_id, "plan": plan, "interval": interval });
        self.server.post("/api/v1/subscription/checkout", body).await
    }

    /// Does on the page what a person would, with a card; the stand-in's answer.
    pub async fn pay(&self, session: &str, card: &str) -> Value {
        self.ask(&format!("/sandbox/checkout/{session}/pay"), json!({ "card": card })).await
    }

    /// Buys a plan from the first click until it holds.
    pub async fn buy(&self, external_id: &str, plan: &str, interval: &str) {
        let session = self.checkout(external_id, plan, interval).await.expect(201).json();
        self.pay(session["session"].as_str().expect("a session"), GOOD_CARD).await;
        self.until_on(external_id, plan).await;
    }

    /// The customer at the stand-in that was made last.
    pub async fn last_customer(&self) -> String {
        let customers = self.stripe_get("customers?limit=1").await;
        customers["data"][0]["id"].as_str().expect("a customer").to_owned()
    }

    /// The customer pays with another card from now on: `pm_card_visa`, or `pm_card_chargeCustomerFail`, which is taken
    /// and then fails on every charge.
    pub async fn use_card(&self, customer: &str, method: &str) -> String {
        let card = self.stripe_post(&format!("payment_methods/{method}/attach"), &[("customer", customer)]).await;
        let card = card["id"].as_str().unwrap_or_else(|| panic!("{card}")).to_owned();
        let default = [("invoice_settings[default_payment_method]", card.as_str())];
        self.stripe_post(&format!("customers/{customer}"), &default).await;
        let subscriptions = self.stripe_get(&format!("subscriptions?customer={customer}")).await;
        for subscription in subscriptions["data"].as_array().into_iter().flatten() {
            let path = format!("subscriptions/{}", subscription["id"].as_str().expect("an id"));
            self.stripe_post(&path, &[("default_payment_method", &card)]).await;
        }
        card
    }

    /// Somebody at the dashboard sells a plan in another currency than the catalog's.
    pub async fn sell_in(&self, currency: &str, external_id: &str, plan: &str) {
        self.checkout(external_id, plan, "monthly").await.expect(201);
        let customer = self.last_customer().await;
        let card = self.use_card(&customer, "pm_card_visa").await;
        let price = self.stripe_get(&format!("prices?lookup_keys[]={plan}_monthly")).await;
        let price = price["data"][0]["id"].as_str().unwrap_or_else(|| panic!("{price}")).to_owned();
        let form = [
            ("customer", customer.as_str()),
            ("items[0][price]", &price),
            ("currency", currency),
            ("default_payment_method", &card),
        ];
        let sold = self.stripe_post("subscriptions", &form).await;
        assert_eq!(sold["status"], "active", "{sold}");
        self.until_on(external_id, plan).await;
    }

    /// Waits until the account is on the plan.
    pub async fn until_on(&self, external_id: &str, plan: &str) {
        let holds = async || self.subscription(external_id).await["plan"] == plan;
        until_within(PATIENCE, &format!("{external_id} is on {plan}"), holds).await;
    }

    /// Waits until the subscription is of this status.
    pub async fn until_status(&self, external_id: &str, status: &str) {
        let holds = async || self.subscription(external_id).await["status"] == status;
        until_within(PATIENCE, &format!("{external_id} is {status}"), holds).await;
    }

    pub async fn subscription(&self, external_id: &str) -> Value {
        self.server.get(&format!("/api/v1/subscription?external_id={external_id}")).await.expect(200).json()
    }

    /// `change`, `cancel`, `resume`, …, with the external id added.
    pub async fn post(&self, verb: &str, external_id: &str, mut body: Value) -> Answer {
        body["external_id"] = json!(external_id);
        self.server.post(&format!("/api/v1/subscription/{verb}"), body).await
    }

    /// What was listed, oldest first.
    async fn listed(&self, path: &str, external_id: &str) -> Vec<Value> {
        let path = format!("/api/v1/{path}?external_id={external_id}&limit=200");
        let mut listed =
            self.server.get(&path).await.expect(200).json()["data"].as_array().cloned().unwrap_or_default();
        listed.reverse();
        listed
    }

    pub async fn invoices(&self, external_id: &str) -> Vec<Value> {
        self.listed("invoices", external_id).await
    }

    pub async fn payments(&self, external_id: &str) -> Vec<Value> {
        self.listed("payments", external_id).await
    }

    pub async fn history(&self, external_id: &str) -> Vec<Value> {
        self.listed("subscription/history", external_id).await
    }

    /// The kinds of what became of the plan, oldest first.
    pub async fn story(&self, external_id: &str) -> Vec<String> {
        let kinds = self.history(external_id).await;
        kinds.iter().filter_map(|entry| entry["kind"].as_str().map(str::to_owned)).collect()
    }

    /// Moves the clock of the server and of the stand-in, and waits until all that fell due is told and applied.
    pub async fn advance(&self, seconds: i64) {
        self.server.advance(seconds).await;
        self.settled().await;
    }

    /// Waits until everything that the stand-in has to tell is told, and every job about it is done.
    pub async fn settled(&self) {
        let told = async || {
            let path = format!("{}/sandbox/settled?timeout_ms=5000", self.stripe);
            reqwest::get(path).await.is_ok_and(|answer| answer.status() == 200) && self.no_job_waits().await
        };
        until_within(PATIENCE, "everything is told and applied", told).await;
    }

    async fn no_job_waits(&self) -> bool {
        let kinds = [
            "apply_stripe_event",
            "end_double_subscription",
            "cancel_billing",
            "charge_overage",
            "expire_checkout_pages",
            "reconcile_all",
        ];
        for state in ["ready", "running"] {
            let path = format!("/api/v1/admin/jobs?state={state}&limit=200");
            let jobs = self.server.get(&path).await.expect(200).json();
            let waits = |job: &Value| job["kind"].as_str().is_some_and(|kind| kinds.contains(&kind));
            if jobs["data"].as_array().is_some_and(|jobs| jobs.iter().any(waits)) {
                return false;
            }
        }
        true
    }

    /// What the stand-in counts: customers, subscriptions, charges, refunds, invoices, invoice items.
    pub async fn counts(&self) -> Value {
        self.see("/sandbox/counts").await
    }

    /// Asks the stand-in's own surface.
    pub async fn see(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("{}{path}", self.stripe)).await.expect("the stand-in answers");
        answer.json().await.expect("JSON")
    }

    pub async fn ask(&self, path: &str, body: Value) -> Value {
        let request = reqwest::Client::new().post(format!("{}{path}", self.stripe)).json(&body);
        let answer = request.send().await.expect("the stand-in answers");
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        assert!(status.is_success() || status == 402, "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Asks Stripe's API of the stand-in, as somebody at the dashboard does.
    pub async fn stripe_get(&self, path: &str) -> Value {
        let key = self.server.ready["stripe_key"].as_str().unwrap_or("sk_test_sandbox");
        let request = reqwest::Client::new().get(format!("{}/v1/{path}", self.stripe)).bearer_auth(key);
        request.send().await.expect("the stand-in answers").json().await.expect("JSON")
    }

    pub async fn stripe_delete(&self, path: &str) -> Value {
        let key = self.server.ready["stripe_key"].as_str().unwrap_or("sk_test_sandbox");
        let request = reqwest::Client::new().delete(format!("{}/v1/{path}", self.stripe)).bearer_auth(key);
        request.send().await.expect("the stand-in answers").json().await.expect("JSON")
    }

    pub async fn stripe_post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let key = self.server.ready["stripe_key"].as_str().unwrap_or("sk_test_sandbox");
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "%20"))).collect();
        let request = reqwest::Client::new()
            .post(format!("{}/v1/{path}", self.stripe))
            .bearer_auth(key)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        request.send().await.expect("the stand-in answers").json().await.expect("JSON")
    }
}
