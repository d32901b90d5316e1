//! Rate limits that several nodes share in Redis, and what they do when it is away.

use testkit::redis::Redis;
use testkit::server::{Answer, Engine, TestServer};

use serde_json::json;

use crate::stage::{Customer, Site, TextFile, assert_problem, tollway, until};

const CATALOG: &str = r#"
product = "Rates"
default_plan = "free"
[meters.pages]
[rates]
api = "6 per 1h"
[plans.free]
limits = { pages = 1_000_000 }
"#;

/// A place for servers that share a Redis. Their log goes to the file `log`.
fn site(engine: Engine, catalog: &TextFile, redis: &Redis) -> Site {
    let mut site = Site::on(engine).by_script("exec \"$tollway\" \"$@\" 2>>log");
    site.arguments = ["--catalog", catalog.path()].map(str::to_owned).into();
    site.environment = [("TOLLWAY_REDIS_URL", redis.url().as_str()), ("TOLLWAY_LOG_LEVEL", "info")]
        .map(|(n, v)| (n.into(), v.into()))
        .into();
    site
}

async fn ask(server: &TestServer, secret: &str) -> Answer {
    let request = server.request("GET", "/api/v1/usage").header("x-api-key", secret);
    server.send(request).await.expect("the server answers")
}

async fn key_of(server: &TestServer, external_id: &str) -> String {
    let key = Customer::new(server, external_id).api_key(json!({ "name": "Own" })).await;
    key["secret"].as_str().expect("a secret").to_owned()
}

/// Waits until a server counts in Redis: what it counts is seen there by another one.
async fn shares(one: &TestServer, other: &TestServer) {
    let (secret, account) = (key_of(one, "probe").await, Customer::new(one, "probe").account().await);
    let path = format!("/api/v1/admin/rate-limits?identity={account}&scope=api");
    let used = async |server: &TestServer| server.get(&path).await.expect(200).json()["data"][0]["used"].clone();
    until("the limits are shared", async || {
        one.delete(&path).await.expect(204);
        other.delete(&path).await.expect(204);
        ask(one, &secret).await.expect(200);
        used(other).await == 1
    })
    .await;
}

#[tokio::test]
async fn two_servers_share_a_limit_and_go_on_without_redis_and_with_it_again() {
    let Some(mut redis) = Redis::start() else { return };
    let Some(database) = testkit::postgres::TestDatabase::create() else { return };
    let catalog = TextFile::new("catalog.toml", CATALOG);
    let site = site(Engine::Postgres(database), &catalog, &redis);
    let (one, other) = (site.start(), site.start());
    shares(&one, &other).await;
    shares(&other, &one).await;
    let hasty = key_of(&one, "hasty").await;
    for server in [&one, &other, &one, &other, &one, &other] {
        ask(server, &hasty).await.expect(200);
    }
    assert_problem(&ask(&one, &hasty).await, 429, "rate_limited");
    assert_problem(&ask(&other, &hasty).await, 429, "rate_limited");

    redis.kill();
    // Each counts by itself now, and knows what it let through itself.
    for server in [&one, &other] {
        for _ in 0..3 {
            ask(server, &hasty).await.expect(200);
        }
        assert_problem(&ask(server, &hasty).await, 429, "rate_limited");
    }
    let told = "Redis is away";
    until("both tell of it", async || site.read("log").matches(told).count() == 2).await;

    redis.start_again();
    shares(&one, &other).await;
    shares(&other, &one).await;
    let late = key_of(&one, "late").await;
    for server in [&one, &other, &one, &other, &one, &other] {
        ask(server, &late).await.expect(200);
    }
    assert_problem(&ask(&one, &late).await, 429, "rate_limited");
    let log = site.read("log");
    assert_eq!((log.matches(told).count(), log.matches("Redis is back").count()), (2, 2), "once a server: {log}");
}

#[tokio::test]
async fn a_restart_forgives_nothing_where_redis_counts() {
    let Some(redis) = Redis::start() else { return };
    for engine in Engine::all() {
        let catalog = TextFile::new("catalog.toml", CATALOG);
        let site = site(engine, &catalog, &redis);
        let mut server = site.start();
        shares(&server, &server).await;
        let hasty = key_of(&server, "hasty").await;
        let account = Customer::new(&server, "hasty").account().await;
        for _ in 0..6 {
            ask(&server, &hasty).await.expect(200);
        }
        server.stop();
        let server = site.start();
        let path = format!("/api/v1/admin/rate-limits?identity={account}");
        until("it counts in Redis", async || server.get(&path).await.expect(200).json()["data"][0]["used"] == 6).await;
        assert_problem(&ask(&server, &hasty).await, 429, "rate_limited");
    }
}

#[tokio::test]
async fn a_server_whose_redis_was_never_there_serves_all_the_same() {
    let Some(mut redis) = Redis::start() else { return };
    redis.kill();
    let catalog = TextFile::new("catalog.toml", CATALOG);
    for engine in Engine::all() {
        let site = site(engine, &catalog, &redis);
        let server = site.start();
        let hasty = key_of(&server, "hasty").await;
        for _ in 0..6 {
            ask(&server, &hasty).await.expect(200);
        }
        assert_problem(&ask(&server, &hasty).await, 429, "rate_limited");
    }
}

#[test]
fn the_doctor_asks_redis() {
    let Some(mut redis) = Redis::start() else { return };
    let site = Site::on(Engine::Sqlite);
    let url = redis.url();
    let doctor = || tollway(&site.folder, &["doctor"], &[("TOLLWAY_REDIS_URL", &url)]).expect(1);
    assert!(!doctor().out.contains("redis_url"), "{:?}", doctor());
    redis.kill();
    assert!(doctor().out.contains("stops: redis_url: "), "{:?}", doctor());
    let wrong =
        tollway(&site.folder, &["config", "check"], &[("TOLLWAY_REDIS_URL", "http://:hunter2@there")]).expect(1);
    assert!(wrong.errors.contains("redis_url is no address of Redis"), "{}", wrong.errors);
    assert!(!wrong.errors.contains("hunter2"), "{}", wrong.errors);
    let wrong =
        tollway(&site.folder, &["config", "check"], &[("TOLLWAY_TRUSTED_PROXIES", "10.0.0.1, proxy")]).expect(1);
    assert!(wrong.errors.contains("trusted_proxies has \"proxy\" in it"), "{}", wrong.errors);
}
