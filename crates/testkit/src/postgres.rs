//! PostgreSQL for tests: a fresh database a test, and private clusters to stop, kill and restart.
//!
//! Databases live on the server that `TOLLWAY_TEST_POSTGRES_URL` names (`cargo xtask test` starts one for its whole
//! run, `cargo xtask postgres` one to work with); without it, on a cluster started for this process. Everything here
//! blocks and may be called from a synchronous test or from inside a tokio runtime.

use std::env;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process;
use std::sync::OnceLock;
use std::thread;

pub use parts::cluster::Cluster;
use tokio_postgres::NoTls;

use crate::parts::postgres;

/// An empty database of its own, dropped with this value.
pub struct TestDatabase {
    name: String,
    server_url: String,
}

impl TestDatabase {
    /// A fresh database, or `None` when PostgreSQL is missing and the test is skipped:
    ///
    /// ```no_run
    /// use testkit::postgres::TestDatabase;
    /// let Some(database) = TestDatabase::create() else { return };
    /// println!("{}", database.url());
    /// ```
    pub fn create() -> Option<TestDatabase> {
        Some(TestDatabase::create_on(server_url()?))
    }

    /// A fresh database on a cluster that the test controls.
    pub fn create_in(cluster: &Cluster) -> TestDatabase {
        TestDatabase::create_on(cluster.url())
    }

    /// `postgres://…/name`, for its owner, a superuser.
    pub fn url(&self) -> String {
        url_of(&self.server_url, &self.name)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements in it, for what a test wants to arrange behind the product's back.
    pub fn execute(&self, statements: &str) {
        if let Err(error) = execute(self.url(), statements.to_owned()) {
            panic!("These statements failed in the test database {}: {error}\n{statements}", self.name);
        }
    }

    fn create_on(server_url: String) -> TestDatabase {
        let name = format!("test_{}_{:016x}", process::id(), RandomState::new().build_hasher().finish());
        if let Err(error) = execute(server_url.clone(), format!("CREATE DATABASE {name} TEMPLATE template0")) {
            panic!("No test database could be created on {server_url}: {error}");
        }
        TestDatabase { name, server_url }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = execute(self.server_url.clone(), statement) {
            // A test may have stopped its cluster; the database goes with that.
            eprintln!("The test database {} was not dropped: {error}", self.name);
        }
    }
}

/// A private cluster, started, or `None` when PostgreSQL is missing and the test is skipped.
pub fn cluster() -> Option<Cluster> {
    let programs = postgres()?;
    Some(Cluster::create(&programs).unwrap_or_else(|error| panic!("No PostgreSQL cluster could be started: {error}")))
}

fn server_url() -> Option<String> {
    static OF_THIS_PROCESS: OnceLock<Option<Cluster>> = OnceLock::new();
    match env::var(parts::POSTGRES_URL_VARIABLE) {
        Ok(url) if !url.is_empty() => Some(url),
        _ => OF_THIS_PROCESS.get_or_init(cluster).as_ref().map(Cluster::url),
    }
}

fn url_of(server_url: &str, database: &str) -> String {
    let (address, parameters) = match server_url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (server_url, String::new()),
    };
    let after_scheme = address.find("://").map_or(0, |at| at + 3);
    let host_end = address[after_scheme..].find('/').map_or(address.len(), |at| after_scheme + at);
    format!("{}/{database}{parameters}", &address[..host_end])
}

/// On a thread of its own, because a runtime cannot be blocked on from within another one.
fn execute(url: String, statements: String) -> Result<(), String> {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.map_err(explain)?;
            let connection = tokio::spawn(connection);
            let outcome = client.batch_execute(&statements).await.map_err(explain);
            drop(client);
            // How the connection ends is of no interest once the statements have answered.
            let _ = connection.await;
            outcome
        })
    };
    thread::spawn(work).join().unwrap_or_else(|_| Err("the thread that talks to PostgreSQL panicked".to_owned()))
}

/// The client's own message is "db error"; the cause says what happened.
fn explain(error: tokio_postgres::Error) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_takes_the_place_of_the_servers() {
        for server in ["postgres://u@h:1/postgres", "postgres://u@h:1", "postgres://u@h:1/"] {
            assert_eq!(url_of(server, "new"), "postgres://u@h:1/new");
        }
        assert_eq!(url_of("postgres://u@h/x?sslmode=disable", "new"), "postgres://u@h/new?sslmode=disable");
    }

    #[test]
    fn two_databases_are_apart_and_gone_after_use() {
        let Some(first) = TestDatabase::create() else { return };
        let second = TestDatabase::create().unwrap();
        first.execute("CREATE TABLE here (id INT PRIMARY KEY)");
        second.execute("CREATE TABLE here (id INT PRIMARY KEY)");
        let url = first.url();
        drop(first);
        assert!(execute(url, "SELECT 1".to_owned()).unwrap_err().contains("does not exist"));
        second.execute("INSERT INTO here VALUES (1)");
    }

    #[tokio::test]
    async fn a_database_is_dropped_inside_a_runtime_with_a_connection_open() {
        let Some(database) = TestDatabase::create() else { return };
        let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        assert_eq!(client.query_one("SELECT 1 + 1", &[]).await.unwrap().get::<_, i32>(0), 2);
        drop(database);
        assert!(connection.await.unwrap().is_err());
    }

    #[test]
    fn a_cluster_syncs_to_disk_and_survives_a_kill_and_a_restart() {
        let Some(cluster) = cluster() else { return };
        let database = TestDatabase::create_in(&cluster);
        database.execute("CREATE TABLE kept (id INT PRIMARY KEY)");
        database.execute("INSERT INTO kept VALUES (1)");
        cluster.kill().unwrap();
        assert!(execute(database.url(), "SELECT 1".to_owned()).is_err());
        cluster.start().unwrap();
        cluster.restart().unwrap();
        database.execute("DO $$ BEGIN ASSERT (SELECT count(*) FROM kept) = 1; END $$");
        database.execute("DO $$ BEGIN ASSERT current_setting('fsync') = 'on'; END $$");
        assert!(cluster.log().contains("was not properly shut down"));
        let directory = cluster.socket_directory().to_path_buf();
        drop(database);
        drop(cluster);
        assert!(!directory.exists());
    }
}
