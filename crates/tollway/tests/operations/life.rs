//! From start to stop: how soon it is ready, what it needs, how it ends, and who else may have its file.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use testkit::server::Engine;

use crate::stage::{Customer, ENCRYPTION_KEY, Site, Socket, TOLLWAY, post_head, tollway, until};

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_server_ends() {
    for engine in Engine::all() {
        let site = Site::on(engine);
        let mut server = site.start();
        let customer = Customer::new(&server, "drained");
        customer.consume(1).await.expect(200);
        let body = customer.named(json!({ "meter": "requests", "quantity": 7 })).to_string();
        let (begin, end) = body.split_at(10);
        let mut socket = Socket::open(&server).await;
        socket.write(&post_head(&server, "/api/v1/usage/consume", body.len())).await;
        socket.write(begin).await;
        // The connection is taken on when another one, opened later, has been answered.
        customer.usage().await;
        let begun = tokio::time::Instant::now();
        terminate(server.process_id());
        until("new connections are refused", async || Socket::try_open(&server).await.is_none()).await;
        socket.write(end).await;
        let answer = socket.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // Told a second time, it still ends in order.
        assert_eq!(server.stop().code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        let restarted = site.start();
        assert_eq!(Customer::new(&restarted, "drained").used("requests").await, 8);
    }
}

fn terminate(process_id: u32) {
    let told = Command::new("kill").args(["-TERM", &process_id.to_string()]).status();
    assert!(told.expect("kill can be run").success());
}

#[tokio::test]
async fn told_to_stop_it_is_not_ready_before_it_stops_answering() {
    let mut site = Site::on(Engine::Sqlite);
    site.environment.push(("TOLLWAY_SHUTDOWN_DELAY_SECONDS".into(), "2".into()));
    let mut server = site.start();
    let customer = Customer::new(&server, "balanced");
    customer.consume(1).await.expect(200);
    terminate(server.process_id());
    until("it says that it is not ready", async || server.get("/readyz").await.status == 503).await;
    customer.consume(1).await.expect(200);
    assert_eq!(server.stop().code(), Some(0));
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    for engine in Engine::all() {
        let site = Site::on(engine);
        let mut server = site.start();
        let keys = (server.service_key.clone(), server.api_key.clone(), server.account.clone());
        let customer = Customer::new(&server, "stays");
        customer.consume(12).await.expect(200);
        let held = customer.reserve(json!({ "meter": "requests", "quantity": 5 })).await.expect(201).json();
        let first = customer
            .post_with_key("/api/v1/usage/consume", "k", json!({ "meter": "requests" }))
            .await
            .expect(200)
            .json();
        assert_eq!(server.stop().code(), Some(0));
        let server = site.start();
        assert_eq!((server.service_key.clone(), server.api_key.clone(), server.account.clone()), keys);
        let customer = Customer::new(&server, "stays");
        let requests = crate::stage::limit(&customer.usage().await, "requests");
        assert_eq!((&requests["used"], &requests["reserved"]), (&json!(13), &json!(5)));
        let again = customer
            .post_with_key("/api/v1/usage/consume", "k", json!({ "meter": "requests" }))
            .await
            .expect(200)
            .json();
        assert_eq!((&again["replayed"], &again["event"]), (&json!(true), &first["event"]));
        let path = format!("/api/v1/usage/reservations/{}/commit", held["reservation"].as_str().expect("an id"));
        server.post(&path, json!({})).await.expect(200);
        assert_eq!(customer.used("requests").await, 18);
    }
}

#[tokio::test]
async fn a_second_process_is_refused_the_file() {
    let site = Site::on(Engine::Sqlite);
    let server = site.start();
    let folder = site.folder.display().to_string();
    let second = crate::stage::tollway(
        &site.folder,
        &["serve", "--dev", "--json", "--listen", "127.0.0.1:0", "--data-dir", &folder],
        &[],
    );
    assert_eq!((second.code, second.out.as_str()), (Some(1), ""));
    assert!(
        second.errors.contains("tollway.db") && second.errors.contains("is in use by another Tollway process"),
        "{}",
        second.errors
    );
    Customer::new(&server, "undisturbed").consume(1).await.expect(200);
}

#[tokio::test]
async fn it_is_ready_soon_and_small_when_idle() {
    for engine in Engine::all() {
        let (name, site) = (engine.name(), Site::on(engine));
        let begun = tokio::time::Instant::now();
        let server = site.start();
        server.get("/readyz").await.expect(200);
        let first = begun.elapsed();
        drop(server);
        let begun = tokio::time::Instant::now();
        let server = site.start();
        server.get("/readyz").await.expect(200);
        let again = begun.elapsed();
        let memory_mb = memory_mb(server.process_id());
        println!(
            "{name}: ready after {first:?} on an empty database and {again:?} on its own; {memory_mb:.1} MB when idle"
        );
        assert!(first < Duration::from_secs(3) && again < Duration::from_secs(3), "{first:?}, {again:?}");
        assert!(memory_mb < 80.0, "{memory_mb} MB");
    }
}

fn memory_mb(process_id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

#[tokio::test]
async fn secrets_are_never_logged() {
    for engine in Engine::all() {
        let mut site = Site::on(engine).by_script(r#"exec "$tollway" "$@" 2>log.txt"#);
        site.environment = vec![("TOLLWAY_LOG_LEVEL".into(), "trace".into()), ("TOLLWAY_LOG".into(), "json".into())];
        let mut server = site.start();
        let customer = Customer::new(&server, "discreet");
        let key = customer.api_key(json!({ "name": "Logged" })).await;
        let secret = key["secret"].as_str().expect("the secret").to_owned();
        let request = server.request("GET", "/api/v1/usage").header("x-api-key", &secret);
        server.send(request).await.expect("an answer").expect(200);
        server.get(&format!("/api/v1/nowhere?key={secret}")).await.expect(404);
        let request = server.request("GET", "/api/v1/usage").header("x-api-key", format!("{secret}x"));
        server.send(request).await.expect("an answer").expect(401);
        server.stop();
        let log = site.read("log.txt");
        assert!(log.lines().count() > 3, "{log}");
        for secret in [&server.service_key, &server.api_key, &secret] {
            assert!(!log.contains(secret.as_str()), "{secret} is in the log");
        }
        if let Some(database) = site.database() {
            assert!(!log.contains(&database), "the database's URL is in the log");
        }
    }
}

#[test]
fn production_does_not_start_without_a_key_to_seal_secrets_with() {
    let site = Site::on(Engine::Sqlite);
    let refused = tollway(&site.folder, &["serve", "--listen", "127.0.0.1:0"], &[]).expect(1);
    assert!(refused.errors.contains("TOLLWAY_ENCRYPTION_KEY"), "{refused:?}");
    let short = tollway(&site.folder, &["serve"], &[("TOLLWAY_ENCRYPTION_KEY", "short")]).expect(1);
    assert!(short.errors.contains("32 random characters") && !short.errors.contains("\"short\""), "{short:?}");
}

#[test]
fn without_development_nothing_secret_is_printed() {
    let site = Site::on(Engine::Sqlite);
    std::fs::create_dir_all(&site.folder).expect("a temporary folder can be made");
    let mut command = Command::new(TOLLWAY);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&site.folder).current_dir(&site.folder);
    command.envs([ENCRYPTION_KEY]);
    let log = std::fs::File::create(site.folder.join("log.txt")).expect("a file can be made");
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the server can be started");
    let deadline = 500;
    let ready = (0..deadline).any(|_| {
        #[expect(
            clippy::disallowed_methods,
            reason = "another program is waited for, which no clock of ours can hurry"
        )]
        std::thread::sleep(Duration::from_millis(20));
        site.read("log.txt").contains("ready")
    });
    terminate(child.id());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(ready, "{}", site.read("log.txt"));
    assert!(!site.read("log.txt").contains("tw_"), "{}", site.read("log.txt"));
}
