//! Both engines have the same tables and columns, so that a database can be copied from one to the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use storage::ledger::LedgerSettings;
use storage::value::Row;
use storage::{Clock, Database, DatabaseUrl};
use testkit::postgres::TestDatabase;

use crate::engines::Folder;

/// Table, column, type and whether it may be null.
type Column = (String, String, String, bool);

const SQLITE_COLUMNS: &str = "SELECT m.name AS table_name, c.name AS column_name, c.type AS type, \
    CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN 0 ELSE 1 END AS nullable \
    FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
const POSTGRES_COLUMNS: &str = "SELECT CAST(t.relname AS TEXT) AS table_name, CAST(a.attname AS TEXT) AS column_name, \
    format_type(a.atttypid, NULL) AS type, CASE WHEN a.attnotnull THEN 0 ELSE 1 END AS nullable \
    FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid JOIN pg_namespace n ON n.oid = t.relnamespace \
    WHERE n.nspname = 'public' AND t.relkind IN ('r', 'p') AND NOT t.relispartition AND a.attnum > 0 \
    AND NOT a.attisdropped";
const POSTGRES_COLLATIONS: &str = "SELECT CAST(t.relname AS TEXT) AS table_name, CAST(a.attname AS TEXT) AS column_name \
    FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid JOIN pg_namespace n ON n.oid = t.relnamespace \
    LEFT JOIN pg_collation c ON c.oid = a.attcollation WHERE n.nspname = 'public' AND t.relkind IN ('r', 'p') \
    AND a.attnum > 0 AND a.atttypid = 'text'::regtype AND c.collname <> 'C' AND t.relname <> 'migrations'";

async fn open(url: &DatabaseUrl) -> Database {
    Database::open(url, Arc::new(Clock::new()), LedgerSettings::default()).await.unwrap().0
}

async fn columns(database: &Database, statement: &'static str) -> BTreeSet<Column> {
    let rows: Vec<Row> = database
        .read("test", move |tx| -> Result<_, storage::StorageError> { tx.query(statement, &[]) })
        .await
        .unwrap();
    let column = |row: &Row| {
        let ty = match row.text("type").unwrap() {
            "INTEGER" | "BIGINT" | "bigint" => "integer",
            "TEXT" | "text" => "text",
            "BLOB" | "bytea" => "bytes",
            other => panic!("nobody said what the type {other} is on the other engine"),
        };
        let text = |name: &str| row.text(name).unwrap().to_owned();
        (text("table_name"), text("column_name"), ty.to_owned(), row.integer("nullable").unwrap() == 1)
    };
    rows.iter().map(column).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_have_the_same_tables_and_columns() {
    let Some(server) = TestDatabase::create() else { return };
    let folder = Folder::new();
    let sqlite = open(&DatabaseUrl::Sqlite(folder.0.join("test.db"))).await;
    let postgres = open(&DatabaseUrl::Postgres(server.url())).await;
    let of_sqlite = columns(&sqlite, SQLITE_COLUMNS).await;
    let of_postgres = columns(&postgres, POSTGRES_COLUMNS).await;
    assert!(of_sqlite.len() > 80, "{of_sqlite:?}");
    let only_sqlite: Vec<_> = of_sqlite.difference(&of_postgres).collect();
    let only_postgres: Vec<_> = of_postgres.difference(&of_sqlite).collect();
    assert!(only_sqlite.is_empty() && only_postgres.is_empty(), "{only_sqlite:?}\n{only_postgres:?}");
    sqlite.close().await;
}

/// Both engines sort text by its bytes, whatever the server's language.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_sorts_text_by_its_bytes() {
    let Some(server) = TestDatabase::create() else { return };
    let postgres = open(&DatabaseUrl::Postgres(server.url())).await;
    let read = |tx: &mut storage::Tx<'_>| -> Result<_, storage::StorageError> { tx.query(POSTGRES_COLLATIONS, &[]) };
    let otherwise = postgres.read("test", read).await.unwrap();
    assert!(otherwise.is_empty(), "{otherwise:?}");
}
