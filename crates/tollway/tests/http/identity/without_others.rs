//! What signing in needs nobody else for: it goes on while the mail server, Redis and a provider are away or hang.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use serde_json::json;
use testkit::redis::Redis;
use testkit::server::{Answer, Engine, TestServer};
use testkit::smtp::{SmtpServer, SmtpSetup};

use crate::stage::{PASSWORD, Person, Site, ask, assert_problem, until};

/// Long for an answer that waits for nobody, on a machine that is busy.
const PROMPT: Duration = Duration::from_secs(4);

async fn promptly(what: &str, asked: impl Future<Output = Answer>) -> Answer {
    let answer = tokio::time::timeout(PROMPT, asked).await;
    answer.unwrap_or_else(|_| panic!("{what} took longer than {PROMPT:?}"))
}

/// A server that is told of a mail server, a Redis and a provider on these ports.
fn site(engine: Engine, mail: u16, redis: &Redis, provider: u16) -> Site {
    let mut site = Site::on(engine);
    let settings = [
        ("TOLLWAY_MAIL_SMTP_HOST", "127.0.0.1".to_owned()),
        ("TOLLWAY_MAIL_SMTP_PORT", mail.to_string()),
        ("TOLLWAY_MAIL_FROM", "Acme <billing@acme.example>".to_owned()),
        ("TOLLWAY_MAIL_TIMEOUT_SECONDS", "2".to_owned()),
        ("TOLLWAY_REDIS_URL", redis.url()),
        ("TOLLWAY_OIDC_SCHOOL_ISSUER", format!("http://127.0.0.1:{provider}")),
        ("TOLLWAY_OIDC_SCHOOL_CLIENT_ID", "tollway".to_owned()),
        ("TOLLWAY_OIDC_SCHOOL_CLIENT_SECRET", "hush".to_owned()),
        ("TOLLWAY_OIDC_SCHOOL_ALLOW_PRIVATE", "true".to_owned()),
    ];
    site.environment = settings.map(|(name, value)| (name.to_owned(), value)).into();
    site
}

fn unused_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Signs up, in, on, and asks for another password, all at once after another.
async fn live(server: &TestServer, email: &str) {
    let body = json!({ "email": email, "password": PASSWORD });
    promptly("registering", ask(server, "POST", "/api/v1/auth/register", body)).await.expect(201);
    let body = json!({ "login": email, "password": PASSWORD });
    let login = promptly("signing in", ask(server, "POST", "/api/v1/auth/login", body)).await.expect(200);
    let person = Person::of(server, email, &login.json());
    let body = json!({ "refresh_token": person.refresh_token });
    promptly("refreshing", ask(server, "POST", "/api/v1/auth/refresh", body)).await.expect(200);
    promptly("reading", person.get("/api/v1/usage")).await.expect(200);
    let body = json!({ "email": email });
    promptly("asking for a reset", ask(server, "POST", "/api/v1/auth/password/forgot", body)).await.expect(202);
}

/// Once a mail server is there, everything that was written meanwhile comes, once each.
async fn mails_come(server: &TestServer, port: u16, email: &str) {
    let Some(mails) = SmtpServer::with(SmtpSetup { port, ..SmtpSetup::default() }) else { return };
    until("the mails are sent", async || {
        server.advance(600).await;
        mails.taken_for(email).len() >= 2
    })
    .await;
    let subjects: Vec<_> = mails.taken_for(email).iter().map(|mail| mail["headers"]["Subject"].clone()).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert_ne!(subjects[0], subjects[1]);
}

#[tokio::test]
async fn people_sign_up_and_in_while_all_others_are_away() {
    let Some(mut redis) = Redis::start() else { return };
    redis.kill();
    for engine in Engine::all() {
        let (mail, provider) = (unused_port(), unused_port());
        let site = site(engine, mail, &redis, provider);
        let server = site.start();
        live(&server, "ada@example.com").await;
        let begun = promptly("the provider", ask(&server, "GET", "/api/v1/auth/oidc/school/start", json!({}))).await;
        assert_problem(&begun, 503, "sign_in_provider_unavailable");
        mails_come(&server, mail, "ada@example.com").await;
    }
}

#[tokio::test]
async fn people_sign_up_and_in_while_all_others_hang() {
    let Some(redis) = Redis::start() else { return };
    for engine in Engine::all() {
        // The system takes the connections, and nobody ever answers.
        let silent = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let (mail, provider) = (silent(), silent());
        let port_of = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let mail_port = port_of(&mail);
        let site = site(engine, mail_port, &redis, port_of(&provider));
        let server = site.start();
        live(&server, "before@example.com").await;
        redis.pause();
        let (begun, ()) = tokio::join!(
            ask(&server, "GET", "/api/v1/auth/oidc/school/start", json!({})),
            live(&server, "ada@example.com"),
        );
        assert_problem(&begun, 503, "sign_in_provider_unavailable");
        redis.resume();
        drop(mail);
        mails_come(&server, mail_port, "ada@example.com").await;
    }
}
