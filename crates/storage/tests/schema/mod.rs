//! Both engines have the same tables and columns, so that a database can be copied from one to the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use storage::ledger::LedgerSettings;
use storage::value::Row;
use storage::{Clock, Database, DatabaseUrl};
use testkit::postgres::TestDatabase;

use crate::engines::{Folder, at, on_both};

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

/// Takes back what the migration to terms in force has made.
const BEFORE_TERMS: &str = "DROP TABLE terms_in_force; DROP TABLE usage_splits;
    ALTER TABLE overage_charges DROP COLUMN stretch_start; ALTER TABLE billing_customers DROP COLUMN read_at";
const TERMS_ON_SQLITE: &str = include_str!("../../migrations/sqlite/0012_terms_in_force.sql");
const TERMS_ON_POSTGRES: &str = include_str!("../../migrations/postgres/0012_terms_in_force.sql");
const SUBSCRIPTION: &str = "INSERT INTO subscriptions (account_id, id, plan_version_id, source, status, billing_interval, \
    anchor, periods_since, created_at, updated_at) VALUES ($1, $1, $2, $3, 'active', 'monthly', $4, $4, $4, $5)";
const BILLED: &str = "INSERT INTO billed_subscriptions (id, account_id, status, plan_version_id, billing_interval, currency, \
    anchor, period_start, period_end, created_at) VALUES ($1, $1, 'active', $2, 'monthly', 'USD', $3, $3, $3, $3)";
const TERMS: &str =
    "SELECT account_id, since, plan_version_id, subscription FROM terms_in_force ORDER BY account_id, since";

/// Accounts as a server before it left them: one with which something was agreed, one that changed its plan, one that was
/// granted another, one that never did anything, and one whose grace was over.
#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_today_holds_since_it_was_written_and_not_for_windows_before() {
    on_both(|opened| async move {
        let fill = |tx: &mut storage::Tx<'_>| {
            tx.execute_script(BEFORE_TERMS)?;
            let (bought, changed) = (at(0), at(3_600));
            for (account, source, plan, updated) in [
                ("agreed", "paid", "basic", at(-5)),
                ("changed", "paid", "basic", changed),
                ("granted", "granted", "pro", changed),
                ("never", "paid", "basic", at(-5)),
                ("over", "default", "free", changed),
            ] {
                let values = [account.into(), plan.into(), source.into(), bought.into(), updated.into()];
                tx.execute(SUBSCRIPTION, &values)?;
                tx.execute(BILLED, &[account.into(), "basic".into(), bought.into()])?;
            }
            tx.execute(
                "INSERT INTO overrides (account_id, content, updated_at) VALUES ($1, '{}', $2)",
                &["agreed".into(), at(60).into()],
            )?;
            tx.execute_script(if tx.is_postgres() { TERMS_ON_POSTGRES } else { TERMS_ON_SQLITE })?;
            tx.query(TERMS, &[])
        };
        let rows = opened.write(fill).await;
        let text = |row: &Row, name: &str| row.text_or_null(name).unwrap().unwrap_or("none").to_owned();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let since = row.time("since").unwrap();
                (text(row, "account_id"), since, text(row, "plan_version_id"), text(row, "subscription"))
            })
            .collect();
        let expected = [
            ("agreed", at(60), "basic", "agreed"),
            ("changed", at(3_600), "basic", "changed"),
            ("granted", at(0), "basic", "granted"),
            ("granted", at(3_600), "pro", "none"),
            ("never", at(0), "basic", "never"),
            ("over", at(0), "basic", "over"),
            ("over", at(3_600), "free", "none"),
        ];
        let expected = expected.map(|(account, since, plan, payer)| (account.into(), since, plan.into(), payer.into()));
        assert_eq!(rows, expected);
    })
    .await;
}
