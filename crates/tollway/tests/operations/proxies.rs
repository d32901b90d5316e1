//! The documented nginx configuration, as it is printed, in front of an app that knows nothing of Tollway.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use serde_json::json;
use testkit::nginx::Nginx;
use testkit::server::{Answer, Engine, TestServer};

use crate::stage::{Customer, SMALL_CATALOG, Site, TextFile};

/// The first block of nginx configuration in the document, between its addresses.
fn documented(port: u16, tollway: &TestServer, app: u16) -> String {
    let document = include_str!("../../../../docs/reverse-proxies.md");
    let (_, rest) = document.split_once("```nginx\n").expect("the document shows a configuration");
    let (block, _) = rest.split_once("```").expect("the block ends");
    let replace = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in the documented configuration");
        text.replace(from, to)
    };
    let block = replace(block.to_owned(), "listen 80;", &format!("listen 127.0.0.1:{port};"));
    let block = replace(block, "127.0.0.1:8080", tollway.url.trim_start_matches("http://"));
    let block = replace(block, "127.0.0.1:3000", &format!("127.0.0.1:{app}"));
    replace(block, "meter=requests", "meter=pages")
}

/// An app that tells the headers it was sent; 403 at `/forbidden` and 500 at `/broken`.
fn start_app() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A caller that hangs up early is no concern of this app's.
            let _ = tell_headers(stream);
        }
    });
    port
}

fn tell_headers(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut told = serde_json::Map::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        }
        told.insert(name.to_ascii_lowercase(), json!(value));
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent)?;
    told.insert("body".into(), json!(String::from_utf8_lossy(&sent)));
    let status = match first.split(' ').nth(1) {
        Some("/forbidden") => "403 Forbidden",
        Some("/broken") => "500 Internal Server Error",
        _ => "200 OK",
    };
    let body = serde_json::Value::Object(told).to_string();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

struct Stand {
    tollway: TestServer,
    nginx: Nginx,
    client: reqwest::Client,
    _site: Site,
    _catalog: TextFile,
}

impl Stand {
    fn start() -> Option<Stand> {
        let catalog = TextFile::new("catalog.toml", SMALL_CATALOG);
        let mut site = Site::on(Engine::Sqlite);
        site.arguments = vec!["--catalog".into(), catalog.path().into()];
        let tollway = site.start();
        let app = start_app();
        let nginx = Nginx::start_within_http(|port| documented(port, &tollway, app))?;
        Some(Stand { tollway, nginx, client: reqwest::Client::new(), _site: site, _catalog: catalog })
    }

    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.nginx.url())).body("hello")
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.tollway.send(request).await.expect("nginx answers")
    }
}

#[tokio::test]
async fn nginx_lets_through_what_the_plan_allows_and_restores_what_it_denies() {
    let Some(stand) = Stand::start() else { return };
    let with_key = |path: &str| stand.request(path).bearer_auth(&stand.tollway.api_key);
    let passed = stand
        .send(with_key("/chat").header("tollway-account", "acct_forged").header("tollway-role", "x"))
        .await
        .expect(200);
    let told = passed.json();
    assert_eq!((&told["tollway-account"], &told["tollway-plan"]), (&json!(stand.tollway.account), &json!("free")));
    assert!(told["tollway-key"].as_str().is_some_and(|key| key.starts_with("key_")), "{told}");
    assert_eq!(told["body"], "hello");
    assert_eq!(passed.header("x-remaining-usage"), Some("49"));
    // What the app answers is its own.
    assert!(stand.send(with_key("/forbidden")).await.expect(403).text.contains("\"tollway-account\""));
    assert!(stand.send(with_key("/broken")).await.expect(500).text.contains("\"tollway-account\""));
    let unkeyed = stand.send(stand.request("/chat")).await.expect(401);
    assert_eq!(unkeyed.header("www-authenticate"), Some("Bearer realm=\"tollway\""));
    stand.send(stand.request("/chat").bearer_auth("tw_live_wrong")).await.expect(401);
    let demo = Customer::new(&stand.tollway, "demo");
    assert_eq!(demo.used("pages").await, 3);
    demo.consume_of("pages", 47).await.expect(200);
    let denied = stand.send(with_key("/chat")).await.expect(429);
    let retry_after: u64 = denied.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!(retry_after > 86_400, "{retry_after}");
    let upgrade_url = format!("{}/pricing?plan=pro", stand.tollway.url);
    assert_eq!(denied.header("x-upgrade-url"), Some(upgrade_url.as_str()));
    assert_eq!(denied.header("content-type"), Some("application/problem+json"));
    assert_eq!((&denied.json()["status"], &denied.json()["upgrade_url"]), (&json!(429), &json!(upgrade_url)));
    let status = format!("/api/v1/accounts/{}/status", stand.tollway.account);
    stand.tollway.put(&status, json!({ "status": "suspended" })).await.expect(200);
    let suspended = stand.send(with_key("/chat")).await.expect(403);
    assert_eq!((suspended.header("retry-after"), &suspended.json()["status"]), (None, &json!(403)));
}

#[tokio::test]
async fn without_tollway_nothing_goes_through_nginx() {
    let Some(mut stand) = Stand::start() else { return };
    stand.tollway.kill();
    let request = stand.request("/chat").bearer_auth(&stand.tollway.api_key);
    let answer = stand.send(request).await.expect(503);
    assert_eq!(answer.header("retry-after"), Some("1"));
}
