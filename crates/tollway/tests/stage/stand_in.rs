//! A stand-in for Stripe in the test's own process: it outlives the servers that sell through it.

use std::sync::Arc;

use providers::stripe::events::FOLLOWED;
use sandbox::stripe::{Options, Stripe, serve};
use serde_json::{Value, json};
use testkit::server::TestServer;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::tollway;

const SECRET_KEY: &str = "sk_test_apart";
pub const WEBHOOK_SECRET: &str = "whsec_apart";
/// Nobody listens there: what is told before [`StandIn::tell`] waits.
const NOWHERE: &str = "http://127.0.0.1:9/webhooks/stripe";

pub struct StandIn {
    pub url: String,
    pub stripe: Arc<Stripe>,
    client: reqwest::Client,
    /// Stops listening when it goes.
    stop: Option<oneshot::Sender<()>>,
}

impl StandIn {
    /// One that sells nothing yet and tells nobody.
    pub async fn start() -> StandIn {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let webhook = Some((NOWHERE.to_owned(), WEBHOOK_SECRET.to_owned()));
        let options = Options { state_file: None, secret_key: SECRET_KEY.to_owned(), webhook };
        let stripe = Stripe::open(options, url.clone()).expect("a test key and no file");
        let mut stand_in = StandIn { url, stripe, client: reqwest::Client::new(), stop: None };
        stand_in.listen(listener);
        stand_in
    }

    fn listen(&mut self, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        tokio::spawn(serve(listener, self.stripe.clone(), stopped));
        self.stop = Some(stop);
    }

    /// Connections are refused from now on.
    pub async fn go_away(&mut self) {
        self.stop = None;
        let address = self.url.trim_start_matches("http://").to_owned();
        super::until("nobody listens any more", async || tokio::net::TcpStream::connect(&address).await.is_err()).await;
    }

    /// At the same address, with all that it knew.
    pub async fn come_back(&mut self) {
        let address = self.url.trim_start_matches("http://");
        let listener = TcpListener::bind(address).await.expect("the port is still free");
        self.listen(listener);
    }

    /// The settings of a server that sells through it.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("TOLLWAY_STRIPE_BASE_URL", self.url.as_str()),
            ("TOLLWAY_STRIPE_SECRET_KEY", SECRET_KEY),
            ("TOLLWAY_STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Sells what a catalog sells.
    pub async fn put_up(&self, catalog: &str) {
        let (environment, catalog) = (self.environment(), catalog.to_owned());
        let push = move || {
            let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            tollway(&std::env::temp_dir(), &["catalog", "push-to-stripe", &catalog, "--yes"], &environment).expect(0);
        };
        tokio::task::spawn_blocking(push).await.expect("the catalog is pushed");
    }

    /// Tells this server what happens, as much of it as one that is set up asks for.
    pub async fn tell(&self, server: &TestServer) {
        let endpoints = self.get("webhook_endpoints").await;
        let path = format!("webhook_endpoints/{}", endpoints["data"][0]["id"].as_str().expect("an endpoint"));
        let url = format!("{}/webhooks/stripe", server.url);
        let mut form = vec![("url", url.as_str())];
        form.extend(FOLLOWED.map(|kind| ("enabled_events[]", kind)));
        self.post(&path, &form).await;
    }

    /// Its clock shows what the server's shows.
    pub async fn follow(&self, server: &TestServer) {
        let clock = server.get("/api/v1/admin/clock").await.expect(200).json();
        self.stripe.move_clock_to(super::seconds(&clock["now"]));
    }

    /// Asks its API.
    pub async fn get(&self, path: &str) -> Value {
        self.answer(self.client.get(format!("{}/v1/{path}", self.url))).await
    }

    /// As [`StandIn::get`], to the end of a list.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        loop {
            let after = found.last().map(|last| format!("&starting_after={}", last["id"].as_str().unwrap_or_default()));
            let page = self.get(&format!("{path}&limit=100{}", after.unwrap_or_default())).await;
            found.extend(page["data"].as_array().unwrap_or_else(|| panic!("{path}: {page}")).iter().cloned());
            if page["has_more"] != json!(true) {
                return found;
            }
        }
    }

    /// Does through its API what somebody at the dashboard or in the portal does.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let encode = |text: &str| text.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace(' ', "%20");
        let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let request = self.client.post(format!("{}/v1/{path}", self.url));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body.join("&"));
        self.answer(request).await
    }

    pub async fn delete(&self, path: &str) -> Value {
        self.answer(self.client.delete(format!("{}/v1/{path}", self.url))).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth(SECRET_KEY).send().await.expect("the stand-in answers");
        answer.json().await.expect("JSON")
    }

    /// Steers it under `/sandbox`.
    pub async fn steer(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}/sandbox/{path}", self.url)).json(&body);
        let answer = request.send().await.expect("the stand-in answers");
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        assert!(status.is_success() || status == 402 || path.starts_with("checkout/"), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// What it tells of itself under `/sandbox`.
    pub async fn see(&self, path: &str) -> Value {
        let answer =
            self.client.get(format!("{}/sandbox/{path}", self.url)).send().await.expect("the stand-in answers");
        answer.json().await.expect("JSON")
    }

    /// Nothing goes wrong any more.
    pub async fn clear_faults(&self) {
        let request = self.client.delete(format!("{}/sandbox/faults", self.url));
        assert!(request.send().await.is_ok_and(|answer| answer.status() == 200));
    }
}
