//! However many ask at once, on however many nodes: never past the limit, and never short of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::postgres::TestDatabase;
use testkit::server::{Answer, Engine, TestServer};
use tokio::task::JoinSet;

use crate::stage::{Customer, SMALL_CATALOG, TOLLWAY, TextFile, with_catalog};

const TOGETHER: usize = 200;
const CONSUME: &str = "/api/v1/usage/consume";
const RESERVE: &str = "/api/v1/usage/reservations";

/// Sends many posts at once and counts the answers by status. Every second one goes to the second server.
async fn at_once(servers: [&TestServer; 2], path: &str, body: Value) -> (BTreeMap<u16, usize>, Vec<Answer>) {
    let mut asking = JoinSet::new();
    for number in 0..TOGETHER {
        let request = servers[number % 2].request("POST", path).json(&body);
        asking.spawn(async move {
            let answer = request.send().await.expect("the server answers");
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            Answer { status, headers, text: answer.text().await.expect("the answer is whole") }
        });
    }
    let answers = asking.join_all().await;
    let mut by_status = BTreeMap::new();
    for answer in &answers {
        *by_status.entry(answer.status).or_insert(0) += 1;
    }
    (by_status, answers)
}

fn half_and_half(accepted: u16) -> BTreeMap<u16, usize> {
    BTreeMap::from([(accepted, 100), (429, 100)])
}

/// Every accepted answer saw another amount used: none was judged by the same balance as another.
fn assert_each_saw_its_own_step(answers: &[Answer]) {
    let mut seen: Vec<u64> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .filter_map(|answer| answer.json()["limits"][0]["used"].as_u64())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn two_hundred_at_once_on_a_hundred_left_are_a_hundred_of_each() {
    with_catalog(SMALL_CATALOG, async |server| {
        let known = Customer::new(server, "known");
        known.consume(40).await.expect(200);
        known
            .post("/api/v1/usage/adjustments", json!({ "meter": "requests", "quantity": -40, "reason": "retry" }))
            .await
            .expect(200);
        for external_id in ["known", "unknown a moment before"] {
            let customer = Customer::new(server, external_id);
            let body = customer.named(json!({ "meter": "requests", "quantity": 1 }));
            let (by_status, answers) = at_once([server, server], CONSUME, body).await;
            assert_eq!(by_status, half_and_half(200), "{external_id}");
            assert_each_saw_its_own_step(&answers);
        }
        assert_eq!(known.used("requests").await, 100);
    })
    .await;
}

#[tokio::test]
async fn several_meters_move_together_or_not_at_all() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "several");
        let usage = json!([{ "meter": "requests", "quantity": 1 }, { "meter": "pages", "quantity": "0.5" }]);
        let (by_status, _) = at_once([server, server], CONSUME, customer.named(json!({ "usage": usage }))).await;
        assert_eq!(by_status, half_and_half(200));
        assert_eq!(customer.used("requests").await, 100);
        assert_eq!(customer.used("pages").await, 50);
    })
    .await;
}

#[tokio::test]
async fn reservations_never_hold_more_than_is_left() {
    with_catalog(SMALL_CATALOG, async |server| {
        let customer = Customer::new(server, "reserving");
        let body = customer.named(json!({ "meter": "requests", "quantity": 1, "ttl_seconds": 60 }));
        let (by_status, answers) = at_once([server, server], RESERVE, body).await;
        assert_eq!(by_status, half_and_half(201));
        let usage = customer.usage().await;
        let limit = crate::stage::limit(&usage, "requests");
        assert_eq!((&limit["used"], &limit["reserved"], &limit["remaining"]), (&json!(0), &json!(100), &json!(0)));
        let held: Vec<Answer> = answers.into_iter().filter(|answer| answer.status == 201).collect();
        for answer in &held[..10] {
            let id = answer.json()["reservation"].as_str().expect("a reservation").to_owned();
            server.post(&format!("{RESERVE}/{id}/release"), json!({})).await.expect(200);
        }
        let body = customer.named(json!({ "meter": "requests", "quantity": 1 }));
        let (by_status, _) = at_once([server, server], CONSUME, body).await;
        assert_eq!(by_status, BTreeMap::from([(200, 10), (429, 190)]));
    })
    .await;
}

#[tokio::test]
async fn two_nodes_on_one_database_keep_one_limit() {
    let Some(database) = TestDatabase::create() else { return };
    let engine = Engine::Postgres(database);
    let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
    let start = || TestServer::with(TOLLWAY, &engine, &["--catalog", catalog.path()]);
    let nodes = [&start(), &start()];
    for external_id in ["spread over nodes", "and another"] {
        let body = Customer::new(nodes[0], external_id).named(json!({ "meter": "requests", "quantity": 1 }));
        let (by_status, answers) = at_once(nodes, CONSUME, body).await;
        assert_eq!(by_status, half_and_half(200));
        assert_each_saw_its_own_step(&answers);
        for node in nodes {
            assert_eq!(Customer::new(node, external_id).used("requests").await, 100);
        }
    }
    // Keyed commands race for their keys instead: each is counted once, whichever node hears of it first.
    let customer = Customer::new(nodes[0], "keyed");
    let body = customer.named(json!({ "meter": "requests", "quantity": 1, "id": "the-one" }));
    let (by_status, answers) = at_once(nodes, CONSUME, body).await;
    assert!(by_status.keys().all(|status| [200, 409].contains(status)), "{by_status:?}");
    let events: std::collections::BTreeSet<String> =
        answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.json()["event"].to_string()).collect();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(customer.used("requests").await, 1);
}
