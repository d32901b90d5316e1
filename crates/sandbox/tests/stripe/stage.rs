//! A stand-in of a test's own, a receiver for its webhooks, and how both are asked.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sandbox::stripe::{Options, Stripe};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub const KEY: &str = "sk_test_stage";
pub const SECRET: &str = "whsec_stage";

/// A running stand-in. It ends when this is dropped.
pub struct Stage {
    pub url: String,
    pub client: reqwest::Client,
    pub stripe: Arc<Stripe>,
    pub receiver: Receiver,
    _stop: oneshot::Sender<()>,
}

/// An answer: its status, its headers and its JSON.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Stage {
    pub async fn start() -> Stage {
        Stage::with(None).await
    }

    pub async fn with(state_file: Option<std::path::PathBuf>) -> Stage {
        let receiver = Receiver::start().await;
        let webhook = Some((format!("{}/hook", receiver.url), SECRET.to_owned()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}", listener.local_addr().expect("it was bound"));
        let options = Options { state_file, secret_key: KEY.to_owned(), webhook };
        let stripe = Stripe::open(options, url.clone()).expect("the options are right");
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(sandbox::stripe::serve(listener, stripe.clone(), async {
            let _ = stopped.await;
        }));
        Stage { url, client: reqwest::Client::new(), stripe, receiver, _stop: stop }
    }

    /// A call with form parameters, whatever comes of it.
    pub async fn call(&self, method: &str, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let encoded: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let encoded = encoded.join("&");
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.url)).bearer_auth(KEY);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == reqwest::Method::POST {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(encoded);
        } else if !encoded.is_empty() {
            request = self.client.request(method, format!("{}{path}?{encoded}", self.url)).bearer_auth(KEY);
        }
        let response = request.send().await.expect("the stand-in answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.json().await.expect("the answer is JSON") }
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.call("POST", path, form, &[]).await;
        assert_eq!(answer.status, 200, "POST {path}: {}", answer.body);
        answer.body
    }

    pub async fn get(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.call("GET", path, form, &[]).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.body
    }

    pub async fn delete(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.call("DELETE", path, form, &[]).await;
        assert_eq!(answer.status, 200, "DELETE {path}: {}", answer.body);
        answer.body
    }

    /// The status and the error of a call that must be refused.
    pub async fn refused(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let answer = self.call("POST", path, form, &[]).await;
        assert!(answer.status >= 400, "POST {path} was to be refused: {}", answer.body);
        (answer.status, answer.body["error"].clone())
    }

    /// A call of the control surface.
    pub async fn steer(&self, path: &str, body: Value) -> Value {
        let response = self.client.post(format!("{}/sandbox/{path}", self.url)).json(&body).send().await;
        response.expect("the stand-in answers").json().await.expect("the answer is JSON")
    }

    pub async fn seen(&self, path: &str) -> Value {
        let response = self.client.get(format!("{}/sandbox/{path}", self.url)).send().await;
        response.expect("the stand-in answers").json().await.expect("the answer is JSON")
    }

    /// Waits until every webhook is delivered, and gives those that came.
    pub async fn settled(&self) -> Vec<Value> {
        let response = self.client.get(format!("{}/sandbox/settled?timeout_ms=20000", self.url)).send().await;
        assert_eq!(response.expect("the stand-in answers").status(), 200, "webhooks still wait");
        self.receiver.events()
    }

    pub async fn advance(&self, seconds: i64) {
        let moved = self.steer("clock", json!({ "advance_seconds": seconds })).await;
        assert!(moved["now"].is_i64(), "{moved}");
    }

    /// A product with a monthly price of $15.00, found by its lookup key.
    pub async fn price(&self, lookup_key: &str, amount: &str, interval: &str) -> String {
        let product = self.post("/v1/products", &[("name", lookup_key)]).await;
        let form = [
            ("product", text(&product, "id")),
            ("currency", "usd"),
            ("unit_amount", amount),
            ("recurring[interval]", interval),
            ("lookup_key", lookup_key),
        ];
        text(&self.post("/v1/prices", &form).await, "id").to_owned()
    }

    /// A customer who pays with a test card.
    pub async fn customer(&self, card: &str) -> String {
        let form = [
            ("email", "ada@example.com"),
            ("payment_method", card),
            ("invoice_settings[default_payment_method]", card),
        ];
        text(&self.post("/v1/customers", &form).await, "id").to_owned()
    }

    /// A subscription of a new customer with a card.
    pub async fn subscription(&self, card: &str, price: &str) -> Value {
        let customer = self.customer(card).await;
        self.post("/v1/subscriptions", &[("customer", &customer), ("items[0][price]", price)]).await
    }
}

pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    let found = value.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {path}: {value}"))
}

pub fn whole(value: &Value, path: &str) -> i64 {
    let found = value.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_i64);
    found.unwrap_or_else(|| panic!("no number at {path}: {value}"))
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// An endpoint that takes webhooks and checks each signature.
pub struct Receiver {
    pub url: String,
    events: Arc<Mutex<Vec<Value>>>,
    /// What came to `/other`, whose secret is another.
    others: Arc<Mutex<Vec<Value>>>,
    status: Arc<Mutex<u16>>,
}

impl Receiver {
    pub async fn start() -> Receiver {
        let events: Arc<Mutex<Vec<Value>>> = Arc::default();
        let status = Arc::new(Mutex::new(200));
        let (into, answers) = (events.clone(), status.clone());
        let take = move |headers: axum::http::HeaderMap, body: String| {
            let (into, answers) = (into.clone(), answers.clone());
            async move {
                let status = axum::http::StatusCode::from_u16(*answers.lock()).expect("a status");
                check_signature(headers["stripe-signature"].to_str().expect("text"), &body);
                if status.is_success() {
                    into.lock().push(serde_json::from_str(&body).expect("an event"));
                }
                status
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}", listener.local_addr().expect("it was bound"));
        let (unchecked, kept) = (Arc::new(Mutex::new(Vec::new())), events.clone());
        let other: Arc<Mutex<Vec<Value>>> = unchecked.clone();
        let take_unchecked = move |body: String| {
            let other = other.clone();
            async move { other.lock().push(serde_json::from_str(&body).expect("an event")) }
        };
        let router = axum::Router::new()
            .route("/hook", axum::routing::post(take))
            .route("/other", axum::routing::post(take_unchecked));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Receiver { url, events: kept, others: unchecked, status }
    }

    pub fn events(&self) -> Vec<Value> {
        self.events.lock().clone()
    }

    pub fn others(&self) -> Vec<Value> {
        self.others.lock().clone()
    }

    pub fn types(&self) -> Vec<String> {
        self.events().iter().map(|event| text(event, "type").to_owned()).collect()
    }

    pub fn forget(&self) {
        self.events.lock().clear();
    }

    pub fn answer_with(&self, status: u16) {
        *self.status.lock() = status;
    }
}

/// Stripe's documented scheme: HMAC-SHA256 of the moment, a dot and the body, under the endpoint's secret.
fn check_signature(header: &str, body: &str) {
    let part = |name: &str| header.split(',').find_map(|part| part.strip_prefix(name)).expect("the header has it");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(format!("{}.{body}", part("t=")).as_bytes());
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(part("v1="), expected);
}
