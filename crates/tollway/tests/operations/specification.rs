//! The API's description: checked in, current, and kept by the server whatever is sent to it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::server::{Engine, TestServer};

use crate::stage::TOLLWAY;

fn checked_in() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"))
}

#[tokio::test]
async fn the_checked_in_description_is_current() {
    let server = TestServer::on(TOLLWAY, &Engine::Sqlite);
    let served = server.get("/api/openapi.json").await.expect(200).json();
    let text = serde_json::to_string_pretty(&served).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some_and(|value| value == "1") {
        std::fs::write(checked_in(), &text).expect("docs can be written");
    }
    let kept = std::fs::read_to_string(checked_in()).unwrap_or_default();
    assert!(kept == text, "docs/openapi.json is stale; run this test with UPDATE_OPENAPI=1 and commit the file");
    assert!(served["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let operations = served["paths"].as_object().expect("paths").values().filter_map(Value::as_object);
    for operation in operations.flat_map(|path| path.values()) {
        assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{operation}");
    }
}

#[test]
fn the_server_keeps_to_its_description_on_sqlite() {
    keep_to_description(&Engine::Sqlite);
}

#[test]
fn the_server_keeps_to_its_description_on_postgres() {
    let Some(database) = testkit::postgres::TestDatabase::create() else { return };
    keep_to_description(&Engine::Postgres(database));
}

fn keep_to_description(engine: &Engine) {
    let Some(schemathesis) = testkit::parts::schemathesis() else { return };
    let server = TestServer::on(TOLLWAY, engine);
    let mut command = Command::new(&schemathesis);
    command.arg("run").arg(checked_in()).args(["--url", &server.url]);
    command.args(["--header", &format!("Authorization: Bearer {}", server.service_key)]);
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";
    command.args(["--checks", checks, "--max-examples", "8", "--phases", "examples,coverage,fuzzing"]);
    // The clock stands still, so that nothing expires under the questions.
    command.args(["--exclude-path", "/api/v1/admin/clock", "--generation-deterministic"]);
    command.args(["--max-failures", "5", "--request-timeout", "20", "--no-color"]);
    command.current_dir(server.folder()).stdin(Stdio::null());
    let output = command.output().expect("schemathesis can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
