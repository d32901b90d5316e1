//! `keys create`: the first key of a server, made beside its database.

use std::process::{Child, Command, Stdio};

use serde_json::json;
use testkit::server::Engine;

use crate::stage::{Customer, ENCRYPTION_KEY, Site, TOLLWAY, tollway};

/// A server as in production: no keys but those that were made for it.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn answered(url: &str, secret: &str) -> u16 {
    let body = json!({ "external_id": "user-42", "meter": "requests" });
    let request = reqwest::Client::new().post(format!("{url}/api/v1/usage/consume")).bearer_auth(secret).json(&body);
    // Not there yet is as good as not answered.
    request.send().await.map_or(0, |answer| answer.status().as_u16())
}

#[tokio::test]
async fn a_key_made_on_the_command_line_opens_the_server() {
    for engine in Engine::all() {
        let site = Site::on(engine);
        let database = site.database().unwrap_or_else(|| "tollway.db".into());
        let made =
            tollway(&site.folder, &["keys", "create", "--name", "Backend", "--database", &database], &[]).expect(0);
        let secret = made.out.trim_end();
        assert!(secret.starts_with("tw_service_") && !secret.contains('\n'), "{}", made.out);
        assert!(made.errors.starts_with("key_") && !made.errors.contains(secret), "{}", made.errors);
        let narrow =
            tollway(&site.folder, &["keys", "create", "--scope", "usage:read", "--database", &database], &[]).expect(0);
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let mut command = Command::new(TOLLWAY);
        command.args(["serve", "--listen", &port.to_string(), "--database", &database]).current_dir(&site.folder);
        command.envs([ENCRYPTION_KEY]).env("TOLLWAY_LOG_LEVEL", "error").stdin(Stdio::null());
        let _served = Served(command.spawn().expect("the server can be started"));
        let url = format!("http://{port}");
        crate::stage::until("the key is taken", async || answered(&url, secret).await == 200).await;
        assert_eq!(answered(&url, narrow.out.trim_end()).await, 403);
        assert_eq!(answered(&url, "tw_service_nonsense").await, 401);
        let moved = reqwest::Client::new().post(format!("{url}/api/v1/admin/clock")).bearer_auth(secret);
        let moved = moved.json(&json!({ "advance_seconds": 1 })).send().await.expect("an answer");
        assert_eq!(moved.status().as_u16(), 404, "the clock is for development alone");
    }
}

#[tokio::test]
async fn a_key_may_be_made_for_one_account() {
    let Some(database) = testkit::postgres::TestDatabase::create() else { return };
    let site = Site::on(Engine::Postgres(database));
    let server = site.start();
    let customer = Customer::new(&server, "user-42");
    customer.consume(1).await.expect(200);
    let url = site.database().expect("a database");
    let made =
        tollway(&site.folder, &["keys", "create", "--external-id", "user-42", "--database", &url], &[]).expect(0);
    let request = server.request("GET", "/api/v1/usage").header("x-api-key", made.out.trim_end());
    let usage = server.send(request).await.expect("an answer").expect(200).json();
    assert_eq!(usage["account"], customer.account().await);
    for (arguments, told) in [
        (["--external-id", "nobody"], "No such account"),
        (["--account", "42"], "no account id"),
        (["--scope", "usage:wriite"], "No scope is called `usage:wriite`"),
    ] {
        let all: Vec<&str> = ["keys", "create", "--database", &url].into_iter().chain(arguments).collect();
        let refused = tollway(&site.folder, &all, &[]).expect(1);
        assert!(refused.errors.contains(told), "{}", refused.errors);
    }
}
