//! Where somebody is, behind proxies whose word is taken: sessions and rate limits go by the client, not by the proxy.

use serde_json::{Value, json};
use testkit::server::{Answer, Engine, TestServer};

use crate::stage::{PASSWORD, Person, SMALL_CATALOG, Site, TextFile, assert_problem};

const CLIENT: &str = "203.0.113.7";

/// A server whose proxies are these; `login` is limited to three.
fn behind(proxies: &str, engine: Engine) -> (Site, TextFile) {
    let catalog = TextFile::new("catalog.toml", &format!("{SMALL_CATALOG}\n[rates]\nlogin = \"3 per 1h\"\n"));
    let mut site = Site::on(engine);
    site.arguments = vec!["--catalog".into(), catalog.path().into()];
    if !proxies.is_empty() {
        site.environment = vec![("TOLLWAY_TRUSTED_PROXIES".into(), proxies.into())];
    }
    (site, catalog)
}

async fn log_in(server: &TestServer, forwarded_for: &str, login: &str, password: &str) -> Answer {
    let request = server.request_of_nobody("POST", "/api/v1/auth/login").header("X-Forwarded-For", forwarded_for);
    let body = json!({ "login": login, "password": password });
    server.send(request.json(&body)).await.expect("the server answers")
}

/// The addresses of somebody's sessions, the newest first.
async fn addresses(person: &Person<'_>) -> Vec<Value> {
    let sessions = person.get("/api/v1/me/sessions").await.expect(200).json();
    let sessions = sessions["data"].as_array().expect("sessions").clone();
    sessions.into_iter().map(|session| session["address"].clone()).collect()
}

#[tokio::test]
async fn a_session_shows_where_the_client_is() {
    for engine in Engine::all() {
        let (site, _catalog) = behind("127.0.0.1, 10.0.0.0/8", engine);
        let server = &site.start();
        let person = Person::new(server, "ada@example.com").await;
        // What a client writes itself stands in front of what the proxies add.
        let chain = format!("198.51.100.1, {CLIENT}, 10.1.2.3");
        log_in(server, &chain, "ada@example.com", PASSWORD).await.expect(200);
        assert_eq!(addresses(&person).await, [json!(CLIENT), json!("127.0.0.1")]);
    }
}

#[tokio::test]
async fn attempts_are_counted_for_the_client_and_not_for_the_proxy() {
    for engine in Engine::all() {
        let (site, _catalog) = behind("127.0.0.1", engine);
        let server = &site.start();
        for attempt in 0..3 {
            // Another address in front each time is the client's own word.
            let chain = format!("198.51.100.{attempt}, {CLIENT}");
            log_in(server, &chain, &format!("nobody-{attempt}"), "x").await.expect(401);
        }
        assert_problem(&log_in(server, CLIENT, "nobody-9", "x").await, 429, "rate_limited");
        for attempt in 0..3 {
            log_in(server, "203.0.113.8", &format!("other-{attempt}"), "x").await.expect(401);
        }
        let held = async |identity: &str| {
            let path = format!("/api/v1/admin/rate-limits?identity={identity}&scope=login");
            server.get(&path).await.expect(200).json()["data"][0]["used"].clone()
        };
        assert_eq!((held(CLIENT).await, held("127.0.0.1").await), (json!(3), json!(0)));
    }
}

#[tokio::test]
async fn nobody_elses_word_is_taken() {
    for (proxies, engine) in
        ["", "192.0.2.1"].into_iter().flat_map(|word| Engine::all().into_iter().map(move |on| (word, on)))
    {
        let (site, _catalog) = behind(proxies, engine);
        let server = &site.start();
        let person = Person::new(server, "ada@example.com").await;
        log_in(server, CLIENT, "ada@example.com", PASSWORD).await.expect(200);
        assert_eq!(addresses(&person).await, [json!("127.0.0.1"), json!("127.0.0.1")]);
        for attempt in 0..2 {
            log_in(server, &format!("203.0.113.{attempt}"), &format!("nobody-{attempt}"), "x").await.expect(401);
        }
        assert_problem(&log_in(server, "203.0.113.99", "nobody-9", "x").await, 429, "rate_limited");
    }
}
