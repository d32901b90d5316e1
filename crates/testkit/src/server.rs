//! A real server: the built binary on port 0 and a database of its own, spoken to over HTTP alone.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::postgres::TestDatabase;

/// What a test runs on, once each.
pub enum Engine {
    Sqlite,
    Postgres(TestDatabase),
}

impl Engine {
    /// SQLite always, PostgreSQL where it is installed.
    pub fn all() -> Vec<Engine> {
        let postgres = TestDatabase::create().map(Engine::Postgres);
        [Some(Engine::Sqlite), postgres].into_iter().flatten().collect()
    }

    pub fn name(&self) -> &'static str {
        match self {
            Engine::Sqlite => "SQLite",
            Engine::Postgres(_) => "PostgreSQL",
        }
    }
}

/// How a server is started.
pub struct Start<'a> {
    /// The program, `env!("CARGO_BIN_EXE_tollway")`.
    pub program: &'a str,
    pub database: Option<String>,
    pub folder: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// A running server in development mode. Killed when dropped.
pub struct TestServer {
    child: Child,
    pub url: String,
    pub service_key: String,
    pub account: String,
    pub api_key: String,
    pub superadmin: (String, String),
    /// The stand-in model provider, with `/v1`.
    pub model_url: String,
    /// The line that it printed when it was ready.
    pub ready: Value,
    folder: PathBuf,
    client: reqwest::Client,
    owns_folder: bool,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Fails with the whole answer unless it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

impl TestServer {
    /// A server on an engine, with the starter catalog.
    pub fn on(program: &str, engine: &Engine) -> TestServer {
        Self::with(program, engine, &[])
    }

    /// With further arguments, such as `--catalog FILE`.
    pub fn with(program: &str, engine: &Engine, arguments: &[&str]) -> TestServer {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres(database) => Some(database.url()),
        };
        let mut server = Self::start(&Start {
            program,
            database,
            folder: fresh_folder(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: Vec::new(),
        });
        server.owns_folder = true;
        server
    }

    /// As told; waits until it says that it is ready.
    pub fn start(start: &Start<'_>) -> TestServer {
        std::fs::create_dir_all(&start.folder).expect("a temporary folder can be made");
        let mut command = Command::new(start.program);
        command.args(["serve", "--dev", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&start.folder);
        if let Some(database) = &start.database {
            command.args(["--database", database]);
        }
        command.args(&start.arguments).envs(start.environment.iter().cloned()).current_dir(&start.folder);
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("the server can be started");
        let mut line = String::new();
        let output = child.stdout.take().expect("the output is piped");
        BufReader::new(output).read_line(&mut line).expect("the server's output can be read");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server did not start: {line:?}"));
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(256)
            .build()
            .expect("a client without TLS can be built");
        TestServer {
            child,
            url: text("url"),
            service_key: text("service_key"),
            account: text("account"),
            api_key: text("api_key"),
            superadmin: {
                let told = |name: &str| ready["superadmin"][name].as_str().unwrap_or_default().to_owned();
                (told("email"), told("password"))
            },
            model_url: text("model_url"),
            ready: ready.clone(),
            folder: start.folder.clone(),
            client,
            owns_folder: false,
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().expect("kill can be run");
        assert!(told.success(), "the server had ended before");
        self.child.wait().expect("the server can be waited for")
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("POST", path).json(&body)).await.expect("the server answers")
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("PUT", path).json(&body)).await.expect("the server answers")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await.expect("the server answers")
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await.expect("the server answers")
    }

    /// A request by nobody yet, to be changed and sent with [`TestServer::send`].
    pub fn request_of_nobody(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request with the service key, to be changed and sent with [`TestServer::send`].
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.request_of_nobody(method, path).bearer_auth(&self.service_key)
    }

    /// Sends a request; an error when no whole answer came.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer { status, headers, text: answer.text().await? })
    }

    /// Counts so many requests of one of the app's own users.
    pub async fn consume(&self, external_id: &str, quantity: Value) -> Answer {
        let body = json!({ "external_id": external_id, "meter": "requests", "quantity": quantity });
        self.post("/api/v1/usage/consume", body).await
    }

    /// Moves the development clock ahead.
    pub async fn advance(&self, seconds: i64) {
        self.post("/api/v1/admin/clock", json!({ "advance_seconds": seconds })).await.expect(200);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.kill();
        if self.owns_folder {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A folder of one test's own.
pub fn fresh_folder() -> PathBuf {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("tollway-test-{}-{number}", std::process::id()))
}
