//! An account at the stand-in for Stripe, as its owner sees it in the Dashboard.

use providers::secret::SecretText;
use providers::stripe::{Stripe as StripeClient, StripeSettings};
use sandbox::stripe::{Options, Stripe, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const SECRET_KEY: &str = "sk_test_of_the_stage";

/// Gone when dropped.
pub struct StripeAccount {
    pub url: String,
    client: reqwest::Client,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl StripeAccount {
    /// A new account, without anything.
    pub async fn open() -> StripeAccount {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let options = Options { state_file: None, secret_key: SECRET_KEY.into(), webhook: None };
        let stripe = Stripe::open(options, url.clone()).expect("a stand-in");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        tokio::spawn(serve(listener, stripe, stopped));
        StripeAccount { url, client: reqwest::Client::new(), stop: Some(stop) }
    }

    /// What a server is to be told to sell through it.
    pub fn settings(&self) -> Vec<(String, String)> {
        let settings = [("TOLLWAY_STRIPE_SECRET_KEY", SECRET_KEY), ("TOLLWAY_STRIPE_BASE_URL", &self.url)];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// Tollway's own client for it.
    pub fn client(&self) -> StripeClient {
        let base_url = self.url.parse().expect("an address");
        let settings = StripeSettings { base_url, ..StripeSettings::new(SecretText::new(SECRET_KEY)) };
        StripeClient::new(&settings).expect("a client")
    }

    /// With a path from `/v1` on.
    pub async fn get(&self, path: &str) -> Value {
        self.answer(self.client.get(format!("{}{path}", self.url))).await
    }

    pub async fn post(&self, path: &str, form: &str) -> Value {
        let form = self.client.post(format!("{}{path}", self.url)).body(form.to_owned());
        self.answer(form.header("content-type", "application/x-www-form-urlencoded")).await
    }

    /// How many calls have written something.
    pub async fn writes(&self) -> usize {
        let asked = self.answer(self.client.get(format!("{}/sandbox/requests", self.url))).await;
        let asked = asked.as_array().or(asked["requests"].as_array()).expect("requests").clone();
        asked.iter().filter(|asked| asked["method"] != "GET").count()
    }

    /// Steers the stand-in itself: `checkout/cs_…/pay`, `clock`, `webhooks`.
    pub async fn steer(&self, path: &str, body: &Value) -> Value {
        self.answer(self.client.post(format!("{}/sandbox/{path}", self.url)).json(body)).await
    }

    /// What there is: `customers`, `subscriptions`, `charges`, …
    pub async fn counts(&self) -> Value {
        self.answer(self.client.get(format!("{}/sandbox/counts", self.url))).await
    }

    /// Waits until every webhook has been taken.
    pub async fn settled(&self) {
        self.answer(self.client.get(format!("{}/sandbox/settled", self.url))).await;
    }

    /// The next calls do what they ask for, and are not answered.
    pub async fn lose_answers(&self, method: &str, path: &str, times: u32) {
        let fault = json!({ "method": method, "path": path, "times": times, "effect": "lose_answer" });
        self.steer("faults", &fault).await;
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth(SECRET_KEY).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("a text"));
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Drop for StripeAccount {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}
