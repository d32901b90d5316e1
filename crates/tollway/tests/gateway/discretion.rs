//! What the gateway keeps to itself, and what it does not gather.

use std::time::Duration;

use serde_json::json;
use testkit::server::Engine;

use super::caller::{ModelCaller, chat};
use crate::stage::{Site, until};

#[tokio::test]
async fn prompts_and_answers_are_neither_logged_nor_kept() {
    let mut site = Site::on(Engine::Sqlite).by_script(r#"exec "$tollway" "$@" 2> log"#);
    site.environment.push(("TOLLWAY_LOG_LEVEL".into(), "trace".into()));
    let mut server = site.start();
    {
        let caller = ModelCaller::new(&server, "discreet").await;
        for directives in ["", "[[fault=refuse]]", "[[status=400]]", "[[status=500]]", "[[fault=garbage]]"] {
            caller.chat(&format!("xylophone {directives}")).await;
            caller.stream(&format!("xylophone {directives}")).await;
        }
        let broken = caller.request("/v1/chat/completions", &json!(null)).body(r#"{"model": "xylophone"#);
        let answer = server.send(broken).await.expect("an answer").expect(400);
        assert!(!answer.text.contains("xylophone"), "{}", answer.text);
    }
    assert!(server.stop().success());
    let log = site.read("log");
    assert!(log.contains("/v1/chat/completions"), "the log says what was asked");
    // The stand-in's answers begin with these words.
    for said in ["xylophone", " the of and"] {
        assert!(!log.contains(said), "{said} is in the log");
    }
    for file in std::fs::read_dir(&site.folder).expect("the folder").flatten() {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        let found = bytes.windows(9).any(|window| window == b"xylophone");
        assert!(!found, "{} has the prompt", file.path().display());
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_the_provider_wait() {
    let site = Site::on(Engine::Sqlite);
    let server = site.start();
    let caller = ModelCaller::new(&server, "slow").await;
    caller.customer.grant("enterprise").await;
    caller.chat("Hello").await.expect(200);
    let before = memory_mb(server.process_id());
    let mut body = chat("Hello [[tokens=1000000]]", true);
    body["max_tokens"] = json!(1_000_000);
    let mut answer = caller.request("/v1/chat/completions", &body).send().await.expect("an answer");
    answer.chunk().await.expect("a chunk").expect("more to come");
    // Whatever would be gathered meanwhile: the whole answer is some 200 MB.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let grown = memory_mb(server.process_id()).saturating_sub(before);
    assert!(grown < 48, "{grown} MB more");
    drop(answer);
    let caller = &caller;
    until("the call is booked", async || caller.used().await.requests == 2).await;
}

fn memory_mb(process_id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).expect("a Linux machine");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("the resident size");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("a number") / 1_024
}
