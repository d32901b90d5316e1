//! Whoever got a 2xx has been counted on disk: the server is killed at random moments under load, again and again, and
//! every answered event is there once, no limit is passed, and the ledger adds up.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use testkit::server::{Engine, TestServer};
use tokio::task::JoinSet;

use crate::stage::{Customer, SMALL_CATALOG, Site, TextFile, limit, tollway};

const CALLERS: usize = 12;
/// Each customer has 100 requests; more customers come as the earlier ones are used up.
const CUSTOMERS: usize = 16;
const CONSUME: &str = "/api/v1/usage/consume";

/// One command and what the caller knows of it.
#[derive(Clone)]
struct Sent {
    customer: usize,
    quantity: u64,
    answer: Heard,
}

#[derive(Clone, PartialEq)]
enum Heard {
    Counted(Value),
    Denied,
    /// No answer, or one that says that nobody knows.
    Unknown,
}

fn body(id: &str, customer: usize, quantity: u64) -> Value {
    json!({ "external_id": format!("customer-{customer}"), "meter": "requests", "quantity": quantity, "id": id })
}

/// Commands from many callers until the server is gone.
async fn load(server: &TestServer, round: usize, kill_after: usize) -> HashMap<String, Sent> {
    let heard = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, heard) = (reqwest::Client::new(), heard.clone());
        let (url, key) = (format!("{}{CONSUME}", server.url), server.service_key.clone());
        callers.spawn(async move {
            let mut sent = Vec::new();
            for number in 0.. {
                let id = format!("{round}-{caller}-{number}");
                let customer = (round / 4 + number) % CUSTOMERS;
                let quantity = 1 + (number % 3) as u64;
                let request = client.post(&url).bearer_auth(&key).json(&body(&id, customer, quantity));
                let answer = ask(request).await;
                let gone = answer == Heard::Unknown;
                sent.push((id, Sent { customer, quantity, answer }));
                if gone {
                    break;
                }
                heard.fetch_add(1, Ordering::SeqCst);
            }
            sent
        });
    }
    while heard.load(Ordering::SeqCst) < kill_after {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let killed = std::process::Command::new("kill").args(["-KILL", &server.process_id().to_string()]).status();
    assert!(killed.expect("kill can be run").success());
    callers.join_all().await.into_iter().flatten().collect()
}

async fn ask(request: reqwest::RequestBuilder) -> Heard {
    let Ok(answer) = request.send().await else { return Heard::Unknown };
    let status = answer.status().as_u16();
    let Ok(answer) = answer.json::<Value>().await else { return Heard::Unknown };
    match status {
        200 => Heard::Counted(answer["event"].clone()),
        429 => Heard::Denied,
        503 => Heard::Unknown,
        _ => panic!("{status}: {answer}"),
    }
}

/// After a restart every command is sent again: what was counted is known, what is unknown finds out.
async fn ask_again(server: &TestServer, sent: &mut HashMap<String, Sent>) {
    for (id, sent) in sent.iter_mut() {
        let answer = server.post(CONSUME, body(id, sent.customer, sent.quantity)).await;
        let told = answer.json();
        match &sent.answer {
            Heard::Counted(event) => {
                assert_eq!(answer.status, 200, "{id} was counted: {told}");
                assert_eq!((&told["replayed"], &told["event"]), (&json!(true), event), "{id}");
            }
            Heard::Denied | Heard::Unknown if answer.status == 200 => {
                // A command that was denied had no room then and may have some now; one without an answer may be there.
                assert!(sent.answer == Heard::Unknown || told["replayed"] == false, "{id} was denied and counted");
                sent.answer = Heard::Counted(told["event"].clone());
            }
            Heard::Denied | Heard::Unknown => {
                answer.expect(429);
                sent.answer = Heard::Denied;
            }
        }
    }
}

/// What the callers know adds up to what the server says, and to no more than the limit.
async fn assert_adds_up(server: &TestServer, all: &HashMap<String, Sent>) {
    for customer in 0..CUSTOMERS {
        let of_customer = all.values().filter(|sent| sent.customer == customer);
        let counted: u64 =
            of_customer.filter(|sent| matches!(sent.answer, Heard::Counted(_))).map(|sent| sent.quantity).sum();
        let external_id = format!("customer-{customer}");
        let usage = server.get(&format!("/api/v1/usage?external_id={external_id}")).await;
        if usage.status == 404 {
            assert_eq!(counted, 0, "{external_id}");
            continue;
        }
        assert_eq!(limit(&usage.expect(200).json(), "requests")["used"], counted, "{external_id}");
        assert!(counted <= 100, "{external_id} has {counted}");
    }
}

async fn kill_at_random_moments(engine: Engine, rounds: usize) {
    let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
    let mut site = Site::on(engine);
    site.arguments = vec!["--catalog".into(), catalog.path().into()];
    let random = RandomState::new();
    let mut all: HashMap<String, Sent> = HashMap::new();
    for round in 0..rounds {
        let mut server = site.start();
        let kill_after = (random.hash_one(round) % 60) as usize;
        let mut sent = load(&server, round, kill_after).await;
        server.kill();
        let server = site.start();
        ask_again(&server, &mut sent).await;
        all.extend(sent);
        if round % 5 == 4 || round + 1 == rounds {
            assert_adds_up(&server, &all).await;
        }
    }
    let counted = all.values().filter(|sent| matches!(sent.answer, Heard::Counted(_))).count();
    let unknown = all.values().filter(|sent| sent.answer == Heard::Unknown).count();
    println!("{}: {rounds} kills, {} commands, {counted} counted", site.engine.name(), all.len());
    assert_eq!(unknown, 0);
    assert_ledger_adds_up(&site);
}

fn assert_ledger_adds_up(site: &Site) {
    let folder = site.folder.display().to_string();
    let database = site.database();
    let mut arguments = vec!["ledger", "verify", "--data-dir", &folder];
    arguments.extend(database.iter().flat_map(|url| ["--database", url.as_str()]));
    let verified = tollway(&site.folder, &arguments, &[]).expect(0);
    assert!(verified.out.trim_end().ends_with(" 0 differences"), "{}", verified.out);
    println!("{}", verified.out.trim_end());
}

#[tokio::test]
async fn what_was_answered_survives_thirty_kills_on_sqlite() {
    kill_at_random_moments(Engine::Sqlite, 30).await;
}

#[tokio::test]
async fn what_was_answered_survives_ten_kills_on_postgres() {
    let Some(database) = testkit::postgres::TestDatabase::create() else { return };
    kill_at_random_moments(Engine::Postgres(database), 10).await;
}

#[tokio::test]
async fn what_was_answered_survives_kills_of_postgres_itself() {
    let Some(cluster) = testkit::postgres::cluster() else { return };
    let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
    let database = testkit::postgres::TestDatabase::create_in(&cluster);
    let mut site = Site::on(Engine::Postgres(database));
    site.arguments = vec!["--catalog".into(), catalog.path().into()];
    let server = site.start();
    let mut all: HashMap<String, Sent> = HashMap::new();
    for round in 0..3 {
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let client = reqwest::Client::new();
            let (url, key) = (format!("{}{CONSUME}", server.url), server.service_key.clone());
            callers.spawn(async move {
                let mut sent = Vec::new();
                for number in 0..12 {
                    let id = format!("{round}-{caller}-{number}");
                    let customer = (round + number) % CUSTOMERS;
                    let request = client.post(&url).bearer_auth(&key).json(&body(&id, customer, 1));
                    sent.push((id, Sent { customer, quantity: 1, answer: ask(request).await }));
                }
                sent
            });
        }
        until_some_are_answered(&server).await;
        cluster.kill().expect("the cluster can be killed");
        cluster.start().expect("the cluster starts again");
        let mut sent: HashMap<String, Sent> = callers.join_all().await.into_iter().flatten().collect();
        crate::stage::until("the database is back", async || {
            Customer::new(&server, "probe").check(json!({ "meter": "pages" })).await["allowed"] == true
        })
        .await;
        ask_again(&server, &mut sent).await;
        all.extend(sent);
        assert_adds_up(&server, &all).await;
    }
    drop(server);
    assert_ledger_adds_up(&site);
}

/// Waits until the load is well under way, as `/metrics` counts it.
async fn until_some_are_answered(server: &TestServer) {
    let probe = Customer::new(server, "probe");
    for _ in 0..5 {
        probe.consume_of("pages", "0.01").await;
    }
}
