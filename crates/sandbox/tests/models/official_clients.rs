//! The providers' own Python clients read every answer, and are strict about it.

use std::process::{Command, Stdio};

use crate::stage::Stage;

#[tokio::test]
async fn the_official_clients_understand_every_answer() {
    let Some(python) = testkit::parts::official_clients() else { return };
    let stage = Stage::start().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/official_clients.py");
    let url = stage.url.clone();
    let run = move || Command::new(python).arg(script).arg(url).stdin(Stdio::null()).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().expect("Python can be started");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.ends_with("done\n"), "{said}\n{complained}");
}
