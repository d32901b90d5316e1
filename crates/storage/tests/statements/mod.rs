//! Every statement is understood by the engine it is given to, with the tables of the newest schema.

use std::sync::Arc;

use storage::ledger::{self, LedgerSettings};
use storage::{Clock, Database, DatabaseUrl, records};
use testkit::postgres::TestDatabase;

use crate::engines::Folder;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_can_prepare_every_statement() {
    let folder = Folder::new();
    let path = folder.0.join("test.db");
    let url = DatabaseUrl::Sqlite(path.clone());
    let (database, _ledger) = Database::open(&url, Arc::new(Clock::new()), LedgerSettings::default()).await.unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let statements = [records::statements(), ledger::statements(), ledger::sqlite_statements()].concat();
    assert!(statements.len() > 60, "{}", statements.len());
    for statement in statements {
        if let Err(error) = connection.prepare(&statement.replace('$', "?")) {
            panic!("SQLite cannot prepare this: {error}\n{statement}");
        }
    }
    drop(connection);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_can_prepare_every_statement() {
    let Some(server) = TestDatabase::create() else { return };
    let url = DatabaseUrl::Postgres(server.url());
    let (_database, _ledger) = Database::open(&url, Arc::new(Clock::new()), LedgerSettings::default()).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let statements =
        [records::statements(), records::postgres_statements(), ledger::statements(), ledger::postgres_statements()]
            .concat();
    for statement in statements {
        if let Err(error) = client.prepare(statement).await {
            panic!("PostgreSQL cannot prepare this: {:?}\n{statement}", error.as_db_error());
        }
    }
    drop(client);
    connection.await.unwrap().unwrap();
}
