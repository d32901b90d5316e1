//! What the stories play on: servers on each engine, customers of an app, catalogs, deadlines.

mod authenticator;
mod browser;
mod command_line;
mod customer;
mod person;
mod receiver;
mod shop;
mod socket;
mod stand_in;
mod stripe_account;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use testkit::server::{Engine, Start, TestServer, fresh_folder};

pub use authenticator::Authenticator;
pub use browser::Browser;
pub use command_line::{Output, tollway};
pub use customer::{Customer, limit, limit_of};
pub use person::{PASSWORD, Person, ask, mail_link, mails_to};
pub use receiver::{Received, Receiver};
pub use shop::{DECLINED_CARD, GOOD_CARD, Shop, reconcile_all};
pub use socket::{Socket, post_head};
pub use stand_in::{StandIn, WEBHOOK_SECRET};
pub use stripe_account::StripeAccount;

/// The program under test.
pub const TOLLWAY: &str = env!("CARGO_BIN_EXE_tollway");

/// What a server in production does not start without.
pub const ENCRYPTION_KEY: (&str, &str) = ("TOLLWAY_ENCRYPTION_KEY", "0123456789abcdef0123456789abcdef");

/// A catalog with small limits: 100 requests and 50 pages a period, models of two kinds, a level, and a plan above.
pub const SMALL_CATALOG: &str = include_str!("small.toml");

/// Tells a story once on each engine, on a server with the starter catalog.
pub async fn on_each_engine(story: impl AsyncFn(&TestServer)) {
    for engine in Engine::all() {
        println!("on {}", engine.name());
        story(&TestServer::on(TOLLWAY, &engine)).await;
    }
}

/// Tells a story once on each engine, on a server with this catalog.
pub async fn with_catalog(catalog: &str, story: impl AsyncFn(&TestServer)) {
    let file = TextFile::new("catalog.toml", catalog);
    for engine in Engine::all() {
        println!("on {}", engine.name());
        story(&TestServer::with(TOLLWAY, &engine, &["--catalog", file.path()])).await;
    }
}

/// A server that outlives a test's own handling of its process: in a folder that is kept until the value goes.
pub struct Site {
    pub engine: Engine,
    pub folder: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub program: String,
}

impl Site {
    pub fn on(engine: Engine) -> Site {
        Site {
            engine,
            folder: fresh_folder(),
            arguments: Vec::new(),
            environment: Vec::new(),
            program: TOLLWAY.to_owned(),
        }
    }

    /// With the program started by a shell script that may do more, such as keep its log; `"$tollway" "$@"` is it.
    pub fn by_script(mut self, script: &str) -> Site {
        std::fs::create_dir_all(&self.folder).expect("a temporary folder can be made");
        let path = self.folder.join("start.sh");
        let mut options = std::fs::OpenOptions::new();
        let file = options.create_new(true).write(true).mode(0o755).open(&path);
        let text = format!("#!/bin/sh\ntollway='{TOLLWAY}'\ncd '{}'\n{script}\n", self.folder.display());
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a temporary file can be written");
        self.program = path.display().to_string();
        self
    }

    /// Starts a server here, the first or the next one.
    pub fn start(&self) -> TestServer {
        TestServer::start(&Start {
            program: &self.program,
            database: self.database(),
            folder: self.folder.clone(),
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
        })
    }

    /// The URL of the database; none for the SQLite file in the folder.
    pub fn database(&self) -> Option<String> {
        match &self.engine {
            Engine::Sqlite => None,
            Engine::Postgres(database) => Some(database.url()),
        }
    }

    /// A file in the folder, whole.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A file of one test's own.
pub struct TextFile {
    path: PathBuf,
    shown: String,
}

impl TextFile {
    pub fn new(name: &str, text: &str) -> TextFile {
        let folder = fresh_folder();
        std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a temporary file can be written");
        TextFile { shown: path.display().to_string(), path }
    }

    pub fn path(&self) -> &str {
        &self.shown
    }

    pub fn write(&self, text: &str) {
        std::fs::write(&self.path, text).expect("a temporary file can be written");
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Waits until something is so, and fails when it is not within ten seconds.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    until_within(Duration::from_secs(10), what, is_so).await;
}

/// As [`until`], for what takes longer, such as a job whose process died and whose lease must be over first.
pub async fn until_within(longest: Duration, what: &str, is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let within = tokio::time::timeout(longest, asking).await;
    assert!(within.is_ok(), "{what}: not within {longest:?}");
}

/// Asserts the code and the status of a problem, and that it is well formed.
#[track_caller]
pub fn assert_problem(answer: &testkit::server::Answer, status: u16, code: &str) -> Value {
    let problem = answer.json();
    assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem["status"], status);
    for field in ["type", "title", "detail", "instance", "request_id"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {}", answer.text);
    }
    problem
}

/// A time in an answer, in seconds since 1970.
#[track_caller]
pub fn seconds(time: &Value) -> i64 {
    let parsed = time.as_str().and_then(domain::time::Timestamp::parse);
    parsed.unwrap_or_else(|| panic!("{time} is no time")).seconds()
}
