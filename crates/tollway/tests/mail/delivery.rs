//! From a threshold that is crossed to a mail that has arrived, and what becomes of one that cannot arrive.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::server::{Engine, TestServer};
use testkit::smtp::{SmtpServer, SmtpSetup};

use crate::stage::{Customer, SMALL_CATALOG, Site, TOLLWAY, TextFile, until};

use super::{outbox, warn};

/// Tells a story once on each engine, with a mail server and a server that sends by it.
async fn with_mail_server(story: impl AsyncFn(&TestServer, &SmtpServer)) {
    let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let Some(mails) = SmtpServer::start() else { return };
        let site = site(engine, &catalog, &mails);
        story(&site.start(), &mails).await;
    }
}

fn site(engine: Engine, catalog: &TextFile, mails: &SmtpServer) -> Site {
    let mut site = Site::on(engine);
    site.arguments = vec!["--catalog".into(), catalog.path().into()];
    site.environment = mails.environment();
    site
}

async fn of(server: &TestServer, to: &str) -> Value {
    outbox(server, &format!("to={to}")).await.first().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_crossed_threshold_arrives_once_as_a_mail() {
    with_mail_server(async |server, mails| {
        let customer = warn(server, "ada", "ada@example.com").await;
        until("it has arrived", async || mails.taken().len() == 1).await;
        for _ in 0..5 {
            customer.consume(1).await.expect(200);
        }
        until("it is noted", async || of(server, "ada@example.com").await["state"] == "sent").await;
        let (sent, mail) = (of(server, "ada@example.com").await, mails.taken().pop().expect("a mail"));
        assert_eq!((&sent["attempts"], sent["sent_at"].is_string()), (&json!(1), true), "{sent}");
        assert_eq!((&mail["from"], &mail["to"]), (&json!("billing@acme.example"), &json!(["ada@example.com"])));
        let headers = &mail["headers"];
        assert_eq!(headers["From"], "Acme Billing <billing@acme.example>");
        assert_eq!(headers["Subject"], "80 % of your requests at Small are used");
        assert_eq!(headers["Message-ID"], format!("<{}@acme.example>", sent["id"].as_str().expect("an id")));
        let text = mail["text"].as_str().expect("a text");
        assert!(text.contains("Ada & Co has used 80 of 100 requests"), "{text}");
        assert!(mail["html"].as_str().is_some_and(|html| html.contains("Ada &#38; Co has used 80 of 100 requests")));
        customer.consume(5).await.expect(200);
        until("the next threshold has arrived", async || mails.taken().len() == 2).await;
        assert_eq!(mails.taken()[1]["headers"]["Subject"], "90 % of your requests at Small are used");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_later() {
    with_mail_server(async |server, mails| {
        let to = "busy-2@example.com";
        warn(server, "ada", to).await;
        for attempts in 1..=2 {
            until("it was refused", async || of(server, to).await["attempts"] == attempts).await;
            let mail = of(server, to).await;
            assert_eq!(mail["state"], "waiting");
            assert!(mail["last_error"].as_str().is_some_and(|error| error.contains("come back later")), "{mail}");
            assert_eq!(mails.tries_for(to), attempts);
            let job = server.get("/api/v1/admin/jobs?state=ready").await.expect(200).json()["data"][0].clone();
            assert_eq!((&job["kind"], &job["attempts"]), (&json!("send_mail"), &json!(attempts)));
            server.advance(60).await;
        }
        until("it was taken", async || of(server, to).await["state"] == "sent").await;
        assert_eq!((mails.taken_for(to).len(), mails.tries_for(to)), (1, 3));
        assert_eq!(of(server, to).await["last_error"], Value::Null);
        until("its job is gone", async || {
            server.get("/api/v1/admin/jobs?state=running").await.expect(200).json()["data"] == json!([])
        })
        .await;
        assert_eq!(server.get("/api/v1/admin/jobs?state=ready").await.expect(200).json()["data"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_ever_is_given_up_and_can_be_retried() {
    with_mail_server(async |server, mails| {
        let to = "nobody@example.com";
        warn(server, "ada", to).await;
        until("it was given up", async || of(server, to).await["state"] == "failed").await;
        let mail = of(server, to).await;
        assert!(mail["last_error"].as_str().is_some_and(|error| error.contains("No such user here")), "{mail}");
        let jobs = server.get("/api/v1/admin/jobs").await.expect(200).json();
        let job = jobs["data"][0].clone();
        assert_eq!((&job["kind"], &job["payload"]["mail"]), (&json!("send_mail"), &mail["id"]));
        for (tries, what, id) in [(1, "mails", &mail["id"]), (2, "jobs", &job["id"])] {
            server.advance(86_400).await;
            assert_eq!(mails.tries_for(to), tries);
            let path = format!("/api/v1/admin/{what}/{}/retry", id.as_str().expect("an id"));
            server.post(&path, json!({})).await.expect(200);
            until("it was tried again", async || of(server, to).await["attempts"] == tries + 1).await;
            assert_eq!((of(server, to).await["state"].clone(), mails.tries_for(to)), (json!("failed"), tries + 1));
        }
        let measured = server.get("/metrics").await.expect(200).text;
        let line = "tollway_jobs_total{kind=\"send_mail\",outcome=\"given_up\"} 3";
        assert!(measured.lines().any(|shown| shown == line), "{measured}");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_gone_holds_nothing_up_and_gets_the_mails_when_it_is_back() {
    let Some(mails) = SmtpServer::start() else { return };
    let (port, environment) = (mails.port, mails.environment());
    drop(mails);
    let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
    for engine in Engine::all() {
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), catalog.path().into()];
        site.environment = environment.clone();
        let server = site.start();
        warn(&server, "ada", "ada@example.com").await;
        until("it was tried", async || of(&server, "ada@example.com").await["attempts"] == 1).await;
        assert_eq!(of(&server, "ada@example.com").await["state"], "waiting");
        let Some(mails) = SmtpServer::with(SmtpSetup { port, ..SmtpSetup::default() }) else { return };
        server.advance(60).await;
        until("it was taken", async || of(&server, "ada@example.com").await["state"] == "sent").await;
        assert_eq!(mails.taken_for("ada@example.com").len(), 1);
    }
}

#[tokio::test]
async fn what_waits_is_sent_once_a_mail_server_is_set() {
    let Some(mails) = SmtpServer::start() else { return };
    let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
    for engine in Engine::all() {
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), catalog.path().into()];
        let mut server = site.start();
        warn(&server, "ada", "waiting@example.com").await;
        until("it waits", async || of(&server, "waiting@example.com").await["state"] == "waiting").await;
        assert!(server.stop().success());
        site.environment = mails.environment();
        let before = mails.taken().len();
        let server = site.start();
        until("it was sent", async || of(&server, "waiting@example.com").await["state"] == "sent").await;
        assert_eq!(mails.taken().len(), before + 1);
    }
}

#[tokio::test]
async fn two_nodes_send_every_mail_once() {
    let Some(mails) = SmtpServer::start() else { return };
    let Some(database) = testkit::postgres::TestDatabase::create() else { return };
    let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
    let one = site(Engine::Postgres(database), &catalog, &mails);
    let nodes = [one.start(), one.start()];
    for number in 0..40 {
        let external_id = format!("customer-{number}");
        let server = &nodes[number % 2];
        let body = json!({ "external_id": external_id, "email": format!("{number}@example.com") });
        server.post("/api/v1/accounts", body).await.expect(201);
        Customer::new(server, &external_id).consume(80).await.expect(200);
    }
    until("all are sent", async || outbox(&nodes[0], "state=sent&limit=200").await.len() == 40).await;
    let mut to: Vec<String> = mails.taken().iter().map(|mail| mail["to"][0].to_string()).collect();
    to.sort();
    to.dedup();
    assert_eq!((to.len(), mails.taken().len()), (40, 40));
}

#[tokio::test]
async fn a_development_server_shows_each_mail_in_its_terminal() {
    let site = Site::on(Engine::Sqlite);
    std::fs::create_dir_all(&site.folder).expect("a temporary folder can be made");
    let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
    let mut command = Command::new(TOLLWAY);
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--catalog", catalog.path(), "--data-dir"]);
    command.arg(&site.folder).current_dir(&site.folder).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the server can be started");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let mut welcome = String::new();
    for line in lines.by_ref() {
        welcome += &format!("{line}\n");
        if line.starts_with("Stop with") {
            break;
        }
    }
    let word =
        |before: &str| welcome.split(before).nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or("");
    let (url, key) = (word("ready at "), word("Service key"));
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| {
        let answer = client.post(format!("{url}{path}")).bearer_auth(key).json(&body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}");
    };
    post("/api/v1/accounts", json!({ "external_id": "ada", "email": "ada@example.com" })).await;
    post("/api/v1/usage/consume", json!({ "external_id": "ada", "meter": "requests", "quantity": 80 })).await;
    let shown: Vec<String> = lines.by_ref().take(2).collect();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(shown[0], "Mail usage_threshold to ada@example.com: 80 % of your requests at Small are used");
    assert_eq!(shown[1], format!("  {url}/usage"));
}
