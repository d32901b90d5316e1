//! What watches over a server asks: is it alive, should it get traffic, what does it do.

use serde_json::json;
use testkit::postgres::TestDatabase;
use testkit::server::Engine;

use crate::stage::{Customer, Site, on_each_engine, until};

#[tokio::test]
async fn it_says_that_it_is_alive_and_ready() {
    on_each_engine(async |server| {
        assert_eq!(server.get("/healthz").await.expect(200).json()["status"], "ok");
        let ready = server.get("/readyz").await.expect(200).json();
        assert_eq!((&ready["ready"], &ready["reasons"]), (&json!(true), &json!([])));
        assert!(server.get("/docs").await.expect(200).text.contains("/api/v1/usage/consume"));
    })
    .await;
}

#[tokio::test]
async fn without_its_database_it_is_alive_and_not_ready() {
    let Some(cluster) = testkit::postgres::cluster() else { return };
    let site = Site::on(Engine::Postgres(TestDatabase::create_in(&cluster)));
    let server = site.start();
    let customer = Customer::new(&server, "patient");
    customer.consume(1).await.expect(200);
    cluster.kill().expect("the cluster can be killed");
    until("it is not ready", async || server.get("/readyz").await.status == 503).await;
    server.get("/healthz").await.expect(200);
    let answer = customer.consume(1).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.header("retry-after").is_some());
    cluster.start().expect("the cluster starts again");
    until("it is ready again", async || server.get("/readyz").await.status == 200).await;
    until("it counts again", async || customer.consume(1).await.status == 200).await;
}

#[tokio::test]
async fn what_is_measured_moves_and_names_nobody() {
    on_each_engine(async |server| {
        let customer = Customer::new(server, "customer-of-note");
        let account = customer.account().await;
        customer.consume(1).await.expect(200);
        customer.consume(1).await.expect(200);
        customer.consume(1_000).await.expect(429);
        server.get(&format!("/api/v1/accounts/{account}")).await.expect(200);
        server.get("/made-up/customer-of-note").await.expect(404);
        let answer = server.get("/metrics").await.expect(200);
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")));
        for line in [
            "tollway_http_requests_total{method=\"POST\",route=\"/api/v1/usage/consume\",status=\"200\"} 2",
            "tollway_http_requests_total{method=\"POST\",route=\"/api/v1/usage/consume\",status=\"429\"} 1",
            "tollway_http_requests_total{method=\"GET\",route=\"/api/v1/accounts/{id}\",status=\"200\"} 1",
            "tollway_decisions_total{outcome=\"allowed\",meter=\"requests\"} 2",
            "tollway_decisions_total{outcome=\"denied\",meter=\"requests\"} 1",
        ] {
            assert!(answer.text.lines().any(|shown| shown == line), "{line} in\n{}", answer.text);
        }
        for secret in [account.as_str(), "customer-of-note", &server.service_key, "acct_", "key_"] {
            assert!(!answer.text.contains(secret), "{secret} in\n{}", answer.text);
        }
    })
    .await;
}
