//! The answer comes after the sync: watched from outside, by the system calls that the server makes.

use serde_json::json;
use testkit::server::Engine;

use crate::stage::{Customer, Site};

const CONSUMES: usize = 10;

/// What matters of a trace, in order.
#[derive(Debug, PartialEq)]
enum Call {
    Synced,
    Answered,
}

/// A finished sync, or the begin of writing a counted answer, by the line of strace.
fn call(line: &str) -> Option<Call> {
    let is_sync = line.contains("fdatasync(") || line.contains("fsync(");
    let is_resumed = line.contains("<... fdatasync resumed>") || line.contains("<... fsync resumed>");
    if (is_resumed || (is_sync && !line.contains("<unfinished"))) && line.trim_end().ends_with("= 0") {
        return Some(Call::Synced);
    }
    (line.contains("HTTP/1.1 200") && line.contains("evt_")).then_some(Call::Answered)
}

/// A server whose system calls are written to `trace.txt`. `None`: strace is missing and the test is skipped.
fn traced() -> Option<Site> {
    let strace = testkit::parts::strace()?;
    // As a grandchild (-D), so that the server stays this test's own child and is told to stop.
    let script = format!(
        r#"exec {} -D -f -qq -s 4096 -e trace=fdatasync,fsync,sendto,write,writev -o trace.txt "$tollway" "$@""#,
        strace.display()
    );
    Some(Site::on(Engine::Sqlite).by_script(&script))
}

/// Of a server that has stopped.
async fn must_have_synced_each(site: &Site, answers: usize) {
    crate::stage::until("the trace is whole", async || site.read("trace.txt").contains("evt_")).await;
    let calls: Vec<Call> = site.read("trace.txt").lines().filter_map(call).collect();
    assert_eq!(calls.iter().filter(|call| **call == Call::Answered).count(), answers, "{calls:?}");
    let unsynced = calls.windows(2).filter(|pair| pair[0] == Call::Answered && pair[1] == Call::Answered).count();
    assert_eq!(unsynced, 0, "{calls:?}");
    assert_eq!(calls.first(), Some(&Call::Synced));
}

#[tokio::test]
async fn every_counted_answer_is_written_after_a_sync_of_its_own() {
    let Some(site) = traced() else { return };
    let mut server = site.start();
    let customer = Customer::new(&server, "traced");
    customer.consume(1).await.expect(200);
    for _ in 0..CONSUMES {
        customer.consume(1).await.expect(200);
    }
    customer.post("/api/v1/usage/levels", json!({ "meter": "seats", "quantity": 1 })).await.expect(200);
    server.stop();
    must_have_synced_each(&site, CONSUMES + 2).await;
}

#[tokio::test]
async fn every_answer_of_a_model_is_written_after_what_it_used_was_synced() {
    let Some(site) = traced() else { return };
    let mut server = site.start();
    let customer = Customer::new(&server, "traced");
    customer.account().await;
    let body = json!({ "model": "small", "max_tokens": 8, "messages": [{ "role": "user", "content": "Hello" }] });
    for _ in 0..CONSUMES {
        let request =
            server.request("POST", "/v1/chat/completions").header("Tollway-External-Id", "traced").json(&body);
        server.send(request).await.expect("an answer").expect(200);
    }
    server.stop();
    must_have_synced_each(&site, CONSUMES).await;
}

#[test]
fn a_trace_is_read_as_it_is_written() {
    let lines = [
        "12 fdatasync(9 <unfinished ...>",
        "12 <... fdatasync resumed>)         = 0",
        "12 fdatasync(9)                     = 0",
        "12 fdatasync(9)                     = -1 EIO (Input/output error)",
        "13 writev(11, [{iov_base=\"HTTP/1.1 200 OK\\r\\n\", iov_len=9}, {iov_base=\"{\\\"event\\\":\\\"evt_1\", iov_len=9}], 2 <unfinished ...>",
        "13 sendto(11, \"HTTP/1.1 429 Too Many\", 9, 0, NULL, 0) = 9",
    ];
    let calls: Vec<Option<Call>> = lines.iter().map(|line| call(line)).collect();
    assert_eq!(calls, [None, Some(Call::Synced), Some(Call::Synced), None, Some(Call::Answered), None]);
}
