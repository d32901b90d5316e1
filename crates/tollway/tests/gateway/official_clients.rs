//! The providers' own clients, with the base URL and the key changed and nothing else: every endpoint, their own errors,
//! and what was charged beside what the stand-in served.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use domain::ids::EventId;
use serde_json::{Value, json};
use storage::ledger::LedgerSettings;
use storage::{Clock, Database, DatabaseUrl};
use testkit::server::{Engine, TestServer};

use super::served::{assert_charged_as_served, of_model, served};
use crate::stage::{Customer, Site, TextFile, limit, on_each_engine, until, with_catalog};

/// A price for each model that is called, no other model, and a plan that may call twice a minute.
const CATALOG: &str = r#"
product = "Clients"
default_plan = "all"
markup_percent = 5
unknown_model = "refuse"
[meters.requests]
[meters.llm_tokens]
[meters.prompt_tokens]
[meters.completion_tokens]
[models]
small = { input = "0.10", output = "0.40", cached = "0.05" }
large = { input = "2.00", output = "8.00" }
embed = { input = "0.02", output = "0" }
listen = { input = "2.50", output = "10.00" }
whisper-1 = { input = "1.00", output = "1.00" }
speak = { input = "0.60", output = "12.00" }
speak-events = { input = "0.60", output = "12.00" }
draw = { input = "5.00", output = "40.00" }
claude-small = { input = "1.00", output = "5.00" }
"acme/tiny" = { input = "0.01", output = "0.02" }
[plans.all]
limits = { requests = 10_000, llm_tokens = 10_000_000, prompt_tokens = 10_000_000, completion_tokens = 10_000_000, cost = "100.00" }
features = { allowed_models = ["*"] }
[plans.hasty]
price = "1.00"
limits = { requests = 10_000 }
features = { allowed_models = ["*"] }
[plans.hasty.rates]
gateway = "2 per 60s"
"#;

/// The clients of one language, told what to do by a script.
struct Client {
    program: PathBuf,
    arguments: Vec<PathBuf>,
    /// Whether Anthropic's is among them.
    has_anthropics: bool,
}

impl Client {
    fn python() -> Option<Client> {
        let program = testkit::parts::official_clients()?;
        Some(Client { program, arguments: vec![script("official_clients.py")], has_anthropics: true })
    }

    fn node() -> Option<Client> {
        let folder = testkit::parts::node_clients()?;
        let arguments = vec![script("official_clients.mjs"), folder];
        Some(Client { program: "node".into(), arguments, has_anthropics: false })
    }

    /// Runs a part of the script against a server, with the demo customer's key as `own` and these beside it.
    async fn run(&self, part: &str, server: &TestServer, keys: &[(&str, String)]) -> Value {
        let mut facts = json!({ "part": part, "url": server.url, "keys": { "own": server.api_key } });
        facts["keys"]["service"] = json!(server.service_key);
        for (name, key) in keys {
            facts["keys"][name] = json!(key);
        }
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(facts.to_string()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
        let output = output.expect("the script can be started");
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{part}: {said}\n{complained}");
        let last = said.lines().next_back().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("{part}: {said}\n{complained}"))
    }

    /// What `python` expects where Anthropic's client asked too, else what `node` does.
    fn either(&self, with_anthropics: u64, without: u64) -> u64 {
        if self.has_anthropics { with_anthropics } else { without }
    }
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway")).join(name)
}

/// A key of a customer on this plan.
async fn key_on(customer: &Customer<'_>, plan: &str) -> String {
    customer.grant(plan).await;
    let key = customer.api_key(json!({ "name": plan })).await;
    key["secret"].as_str().expect("the secret").to_owned()
}

/// How many requests on a route were answered with a status, by Tollway's own metrics.
async fn answered_with(server: &TestServer, route: &str, status: u16) -> u64 {
    let metrics = server.get("/metrics").await.expect(200).text;
    let start = format!("tollway_http_requests_total{{method=\"POST\",route=\"{route}\",status=\"{status}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |count| count.parse().expect("a count"))
}

#[tokio::test]
async fn pythons_clients_use_every_endpoint_and_are_charged_as_served() {
    let Some(client) = Client::python() else { return };
    every_endpoint_answers(&client).await;
}

#[tokio::test]
async fn nodes_client_uses_every_endpoint_and_is_charged_as_served() {
    let Some(client) = Client::node() else { return };
    every_endpoint_answers(&client).await;
}

async fn every_endpoint_answers(client: &Client) {
    with_catalog(CATALOG, async |server| {
        client.run("answers", server, &[]).await;
        assert_charged_as_served(server, &server.account).await;
        // Where nobody tells of tokens, speech is charged by the catalog's formulas: 2 tokens a character, and one for
        // each 16,000 bytes of a recording of 40,000.
        let served = served(server).await;
        let path = format!("/api/v1/usage/analytics?account={}", server.account);
        let analytics = server.get(&path).await.expect(200).json();
        let count = |model: &str, name: &str| served["by_model"][model][name].as_u64().expect("a count");
        let spoken = of_model(&analytics, "speak");
        assert_eq!(spoken["prompt_tokens"], 2 * count("speak", "characters"), "{spoken}");
        let heard = of_model(&analytics, "whisper-1");
        assert_eq!(heard["prompt_tokens"], 2 * count("whisper-1", "calls"), "{heard}");
        assert!(heard["completion_tokens"].as_u64() > Some(0), "{heard}");
        // One call failed at first, and its client tried again.
        assert_eq!(count("small", "errors"), 1);
        assert_eq!(answered_with(server, "/v1/chat/completions", 502).await, 1);
    })
    .await;
}

#[tokio::test]
async fn pythons_clients_meet_the_free_plan_in_their_own_errors() {
    let Some(client) = Client::python() else { return };
    the_free_plan_is_told(&client).await;
}

#[tokio::test]
async fn nodes_client_meets_the_free_plan_in_its_own_errors() {
    let Some(client) = Client::node() else { return };
    the_free_plan_is_told(&client).await;
}

async fn the_free_plan_is_told(client: &Client) {
    on_each_engine(async |server| {
        let (spent, pro) = (Customer::new(server, "spent"), Customer::new(server, "pro"));
        spent.consume(1_000).await.expect(200);
        let keys = [("spent", key_on(&spent, "free").await), ("pro", key_on(&pro, "pro").await)];
        client.run("free_plan", server, &keys).await;
        // A used-up quota is asked once, and the provider never.
        assert_eq!(answered_with(server, "/v1/chat/completions", 429).await, 1);
        assert_eq!(answered_with(server, "/v1/messages", 429).await, client.either(1, 0));
        assert_eq!(answered_with(server, "/v1/chat/completions", 403).await, 1);
        assert_eq!(answered_with(server, "/v1/chat/completions", 401).await, 1);
        let served = served(server).await;
        let unknown = client.either(2, 1);
        assert_eq!((&served["calls"], &served["errors"]), (&json!(unknown), &json!(unknown)), "{served}");
        assert_eq!(served["by_model"]["no-such-model"]["calls"], unknown);
        let own = server.get(&format!("/api/v1/usage?account={}", server.account)).await.expect(200).json();
        for (usage, used) in [(own, 0), (spent.usage().await, 1_000), (pro.usage().await, 0)] {
            let requests = limit(&usage, "requests");
            assert_eq!((&requests["used"], &requests["reserved"]), (&json!(used), &json!(0)));
        }
    })
    .await;
}

#[tokio::test]
async fn pythons_clients_are_refused_in_their_own_errors_and_charged_nothing() {
    let Some(client) = Client::python() else { return };
    refusals_cost_nothing(&client).await;
}

#[tokio::test]
async fn nodes_client_is_refused_in_its_own_errors_and_charged_nothing() {
    let Some(client) = Client::node() else { return };
    refusals_cost_nothing(&client).await;
}

async fn refusals_cost_nothing(client: &Client) {
    with_catalog(CATALOG, async |server| {
        let hasty = Customer::new(server, "hasty");
        let reader = Customer::new(server, "reader");
        let reading = reader.api_key(json!({ "name": "Reading", "scopes": ["usage:read"] })).await;
        let suspended = Customer::new(server, "suspended");
        let keys = [
            ("hasty", key_on(&hasty, "hasty").await),
            ("suspended", key_on(&suspended, "all").await),
            ("reader", reading["secret"].as_str().expect("the secret").to_owned()),
        ];
        let status = format!("/api/v1/accounts/{}/status", suspended.account().await);
        server.put(&status, json!({ "status": "suspended" })).await.expect(200);
        client.run("refusals", server, &keys).await;
        // The upstream's trouble was tried three times, the rate limit once, as the client was told to.
        let served = served(server).await;
        let large = &served["by_model"]["large"];
        assert_eq!((&large["calls"], &large["errors"]), (&json!(3), &json!(3)), "{served}");
        assert_eq!(answered_with(server, "/v1/responses", 502).await, 3);
        assert_eq!(answered_with(server, "/v1/embeddings", 429).await, 1);
        assert_eq!(served["by_model"]["embed"]["calls"], 2);
        assert_eq!(hasty.used("requests").await, 2);
        // What is not understood or not there never leaves.
        assert_eq!(served["by_model"]["other"], Value::Null, "{served}");
        assert_eq!(answered_with(server, "/v1/chat/completions", 404).await, 1);
        let path = format!("/api/v1/usage?account={}", server.account);
        let own = async || server.get(&path).await.expect(200).json();
        until("the hold of the broken stream is given back", async || limit(&own().await, "requests")["reserved"] == 0)
            .await;
        let limits = own().await["limits"].as_array().expect("limits").clone();
        assert!(limits.iter().all(|limit| limit["used"] == 0 && limit["reserved"] == 0), "{limits:?}");
    })
    .await;
}

#[tokio::test]
async fn pythons_clients_are_told_that_a_stream_broke_off_and_charged_what_came() {
    let Some(client) = Client::python() else { return };
    broken_streams_are_charged_as_delivered(&client).await;
}

#[tokio::test]
async fn nodes_client_is_told_that_a_stream_broke_off_and_charged_what_came() {
    let Some(client) = Client::node() else { return };
    broken_streams_are_charged_as_delivered(&client).await;
}

async fn broken_streams_are_charged_as_delivered(client: &Client) {
    with_catalog(CATALOG, async |server| {
        client.run("broken_streams", server, &[]).await;
        let path = format!("/api/v1/usage?account={}", server.account);
        let own = async || server.get(&path).await.expect(200).json();
        until("every hold is settled", async || limit(&own().await, "requests")["reserved"] == 0).await;
        let (usage, served) = (own().await, served(server).await);
        let calls = client.either(4, 2);
        assert_eq!((&served["calls"], &served["faults"]), (&json!(calls), &json!(calls)), "{served}");
        assert_eq!(limit(&usage, "requests")["used"], calls);
        // Each piece is a word, and each word a token; Anthropic's tokenizer is not known, and makes some more.
        let path = format!("/api/v1/usage/analytics?account={}", server.account);
        let analytics = server.get(&path).await.expect(200).json();
        for (model, counts) in served["by_model"].as_object().expect("counts by model") {
            let sent = counts["deltas_sent"].as_u64().expect("a count");
            let charged = of_model(&analytics, model)["completion_tokens"].as_u64().unwrap_or(0);
            let most = if model == "claude-small" { sent * 3 / 2 } else { sent };
            assert!((sent..=most).contains(&charged), "{model}: {charged} for {counts}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_pythons_clients_tell_of_a_call_is_kept_with_its_event() {
    let Some(client) = Client::python() else { return };
    what_is_told_is_kept(&client).await;
}

#[tokio::test]
async fn what_nodes_client_tells_of_a_call_is_kept_with_its_event() {
    let Some(client) = Client::node() else { return };
    what_is_told_is_kept(&client).await;
}

async fn what_is_told_is_kept(client: &Client) {
    let catalog = TextFile::new("catalog.toml", CATALOG);
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), catalog.path().into()];
        let mut server = site.start();
        let events = client.run("context", &server, &[]).await;
        let path = format!("/api/v1/usage/analytics?account={}", server.account);
        let analytics = server.get(&path).await.expect(200).json();
        assert_eq!(analytics["by_user"][0]["user"], "ada", "{analytics}");
        let of_the_app = Customer::new(&server, "of-the-app");
        assert_eq!(of_the_app.used("requests").await, 1);
        assert!(server.stop().success());
        for (name, event) in events.as_object().expect("events by name") {
            let event = event.as_str().and_then(EventId::parse).expect("an event");
            let details = kept(&site, event).await;
            assert_told(name, &details);
        }
    }
}

/// The details of an event, as they lie in the database.
async fn kept(site: &Site, event: EventId) -> Value {
    let url = site.database().unwrap_or_else(|| site.folder.join("tollway.db").display().to_string());
    let url = DatabaseUrl::parse(&url).expect("the URL of a database");
    let opened = Database::open(&url, Arc::new(Clock::new()), LedgerSettings::default()).await;
    let (database, ledger) = opened.expect("the server has let go of its database");
    let row = ledger.event(event).await.expect("the database answers").expect("the event was kept");
    let details = row.json("details").expect("details are JSON");
    drop(ledger);
    database.close().await;
    details
}

#[track_caller]
fn assert_told(name: &str, details: &Value) {
    let end_user = |expected: &str| assert_eq!(details["end_user"], expected, "{name}: {details}");
    let context = |expected: Value| assert_eq!(details["context"], expected, "{name}: {details}");
    assert_eq!((&details["provider"], &details["counts"]), (&json!("stand-in"), &json!("reported")));
    match name {
        "headed" => {
            end_user("user-42");
            assert_eq!(details["user"], "ada");
            context(json!({
                "request_type": "chat", "conversation": "c-1", "agent": "writer", "metadata": { "ticket": "7" },
            }));
            let tokens = &details["tokens"];
            assert_eq!(
                (&tokens["prompt"], &tokens["cached"], &tokens["completion"]),
                (&json!(1_000), &json!(400), &json!(27))
            );
            assert!(details["cost"].is_object() && details["price"].is_object(), "{details}");
        }
        "plain" => {
            end_user("user-43");
            context(json!({
                "request_type": "response", "conversation": "c-2", "resource_id": "r-9",
                "metadata": { "conversation": "c-2", "resource_id": "r-9" },
            }));
        }
        "message" => {
            end_user("user-44");
            context(json!({ "request_type": "message", "metadata": { "user_id": "user-44" } }));
        }
        "upload" => {
            end_user("user-45");
            context(json!({ "request_type": "transcription", "metadata": { "ticket": 8 } }));
            assert!(details["audio_bytes"].as_u64() >= Some(40_000), "{details}");
        }
        "other" => {
            end_user("user-46");
            context(json!({ "request_type": "embedding" }));
        }
        other => panic!("nothing is expected of {other}"),
    }
}
