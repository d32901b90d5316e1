//! Stripe's own Python client uses the stand-in, and its types judge every object that came of it.

use std::process::{Command, Stdio};

use crate::stage::{KEY, Stage};

#[tokio::test]
async fn the_official_client_understands_every_answer() {
    let Some(python) = testkit::parts::stripe_client() else { return };
    let stage = Stage::start().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stripe/official_client.py");
    let url = stage.url.clone();
    let run = move || Command::new(python).arg(script).arg(url).arg(KEY).stdin(Stdio::null()).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().expect("Python can be started");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.ends_with("done\n"), "{said}\n{complained}");
}
