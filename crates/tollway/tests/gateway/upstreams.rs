//! Several upstreams, aliases, and waiting in line for one that is busy.

use serde_json::json;
use testkit::server::{Engine, TestServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::caller::{ModelCaller, chat};
use crate::stage::{Site, tollway, until};

/// A stand-in of the test's own, with `/v1`.
async fn stand_in() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    tokio::spawn(sandbox::models::serve(listener, std::future::pending()));
    url
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    format!("http://{}/v1", listener.local_addr().expect("an address"))
}

/// An upstream that is always busy.
async fn always_busy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        }
    });
    url
}

fn start(settings: &[(&str, &str, &str)], file: &str) -> (Site, TestServer) {
    let mut site = Site::on(Engine::Sqlite);
    std::fs::create_dir_all(&site.folder).expect("a temporary folder can be made");
    std::fs::write(site.folder.join("tollway.toml"), file).expect("a temporary file can be written");
    for (name, field, value) in settings {
        site.environment.push((format!("TOLLWAY_UPSTREAM_{name}_{field}"), (*value).to_owned()));
        site.environment.push((format!("TOLLWAY_UPSTREAM_{name}_ALLOW_PRIVATE"), "true".to_owned()));
    }
    let server = site.start();
    (site, server)
}

async fn calls(url: &str) -> u64 {
    let url = format!("{}/sandbox/served", url.trim_end_matches("/v1"));
    let text = reqwest::get(url).await.expect("the stand-in answers").text().await.expect("text");
    let served: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    served["calls"].as_u64().expect("a number")
}

#[tokio::test]
async fn an_upstream_that_fails_before_answering_is_passed_over() {
    let (gone, busy, third) = (nobody().await, always_busy().await, stand_in().await);
    let (_site, server) = start(&[("AAA", "URL", &gone), ("BBB", "URL", &busy), ("CCC", "URL", &third)], "");
    let caller = ModelCaller::new(&server, "passed-over").await;
    let answer = caller.chat("Hello").await.expect(200);
    let event = format!("/api/v1/usage/events/{}", answer.header("tollway-event").expect("the event"));
    assert_eq!(server.get(&event).await.expect(200).json()["details"]["provider"], "ccc");
    assert!(caller.stream("Hello").await.is_done());
    assert_eq!(calls(&third).await, 2);
    // What the request itself is refused for is nobody else's to answer.
    caller.chat("Hello [[status=400]]").await.expect(400);
    assert_eq!(calls(&third).await, 3);
    assert_eq!(caller.used().await.requests, 2);
}

#[tokio::test]
async fn an_alias_is_called_allowed_and_priced_as_what_it_stands_for() {
    let url = stand_in().await;
    let (_site, server) =
        start(&[("MINE", "URL", &url), ("MINE", "MODELS", "small,large*")], "[aliases]\nfast = \"small\"\n");
    let caller = ModelCaller::new(&server, "alias").await;
    let mut body = chat("Hello", false);
    body["model"] = json!("fast");
    let answer = caller.post("/v1/chat/completions", &body).await.expect(200);
    assert_eq!(answer.json()["model"], "small");
    assert_eq!(answer.header("tollway-cost"), Some("0.00000714"));
    assert_eq!(calls(&url).await, 1);
}

#[tokio::test]
async fn a_busy_upstream_is_waited_for_and_a_full_line_answers_at_once() {
    let url = stand_in().await;
    let settings = [
        ("MINE", "URL", url.as_str()),
        ("MINE", "CONCURRENCY", "1"),
        ("MINE", "QUEUE", "1"),
        ("MINE", "MODELS", "solo"),
    ];
    let (_site, server) = start(&settings, "");
    let caller = ModelCaller::new(&server, "waits").await;
    caller.customer.grant("enterprise").await;
    let with_model = |message: &str, stream: bool| {
        let mut body = chat(message, stream);
        body["model"] = json!("solo");
        body
    };
    let slow = caller.request("/v1/chat/completions", &with_model("Hello [[tokens=4 delay_ms=300]]", true));
    let mut slow = slow.send().await.expect("an answer");
    let second = caller.request("/v1/chat/completions", &with_model("Hello", false));
    let second = tokio::spawn(second.send());
    let caller = &caller;
    until("two calls hold their quota", async || caller.used().await.held > 128.0).await;
    // The stand-in behind it serves every model, so a full line is passed over.
    let third = caller.post("/v1/chat/completions", &with_model("Hello", false)).await;
    assert_eq!(third.status, 200, "{}", third.text);
    assert_eq!(calls(&url).await, 1);
    while slow.chunk().await.expect("the stream goes on").is_some() {}
    assert_eq!(second.await.expect("no panic").expect("an answer").status().as_u16(), 200);
    assert_eq!(calls(&url).await, 2);
}

#[tokio::test]
async fn a_private_address_is_refused_unless_it_is_allowed() {
    let url = stand_in().await;
    let site = Site::on(Engine::Sqlite);
    let checked = tollway(&site.folder, &["config", "check"], &[("TOLLWAY_UPSTREAM_MINE_URL", &url)]).expect(1);
    assert!(checked.errors.contains("allow_private"), "{checked:?}");
}
