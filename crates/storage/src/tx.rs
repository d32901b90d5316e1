//! A transaction as a plain, synchronous thing: statements in, rows out, the same on both engines.
//!
//! SQL is written with `$1`, `$2`, …; SQLite is given the same text with `?1`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use domain::ids::{AccountId, SessionId};
use parking_lot::Mutex;

use crate::StorageError;
use crate::ledger::journal::{Hold, Journal};
use crate::value::{Row, Value};

/// One open transaction. Handed to the closures of [`crate::Database::read`] and [`crate::Database::write`].
pub struct Tx<'c> {
    engine: Engine<'c>,
    pub(crate) changed: Changed,
    /// Whether the last failure goes away by running the closure again.
    pub(crate) retry: bool,
    /// Whether another process has the ledger's journal: it is ended before the closure runs again.
    pub(crate) fenced: bool,
    /// The turn of the ledger's journal before this transaction saw anything.
    turn: u64,
    holds: Vec<Hold>,
}

pub(crate) enum Engine<'c> {
    Sqlite(&'c rusqlite::Connection),
    Postgres {
        client: &'c deadpool_postgres::ClientWrapper,
        runtime: tokio::runtime::Handle,
        journal: &'c Arc<Journal>,
    },
}

/// What a transaction has changed that others keep in memory.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    pub accounts: HashSet<AccountId>,
    pub keys: bool,
    /// Users or memberships.
    pub people: bool,
    pub sessions: HashSet<SessionId>,
    pub catalog: bool,
    /// Jobs were added, which somebody may want to begin at once.
    pub jobs: bool,
}

impl Changed {
    pub fn is_empty(&self) -> bool {
        let Self { accounts, keys, people, sessions, catalog, jobs } = self;
        accounts.is_empty() && sessions.is_empty() && !keys && !people && !catalog && !jobs
    }
}

impl<'c> Tx<'c> {
    pub(crate) fn new(engine: Engine<'c>) -> Self {
        let turn = match &engine {
            Engine::Sqlite(_) => 0,
            Engine::Postgres { journal, .. } => journal.turn(),
        };
        Self { engine, changed: Changed::default(), retry: false, fenced: false, turn, holds: Vec::new() }
    }

    /// Runs a statement and returns how many rows it changed.
    pub fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, StorageError> {
        match &self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&numbered(sql))?;
                Ok(statement.execute(rusqlite::params_from_iter(values))? as u64)
            }
            Engine::Postgres { client, runtime, .. } => {
                let done = runtime.block_on(async {
                    let statement = client.prepare_cached(sql).await?;
                    client.execute(&statement, &references(values)).await
                });
                done.map_err(|error| note(&mut self.retry, error))
            }
        }
    }

    /// All rows of a query.
    pub fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, StorageError> {
        match &self.engine {
            Engine::Sqlite(connection) => query_sqlite(connection, sql, values),
            Engine::Postgres { client, runtime, .. } => {
                let rows = runtime.block_on(async {
                    let statement = client.prepare_cached(sql).await?;
                    client.query(&statement, &references(values)).await
                });
                decode_postgres(rows.map_err(|error| note(&mut self.retry, error))?)
            }
        }
    }

    /// The first row, if any.
    pub fn query_optional(&mut self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, StorageError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// Runs several statements without parameters, as migrations do.
    pub fn execute_script(&mut self, sql: &str) -> Result<(), StorageError> {
        match &self.engine {
            Engine::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Engine::Postgres { client, runtime, .. } => {
                runtime.block_on(client.batch_execute(sql)).map_err(|error| note(&mut self.retry, error))
            }
        }
    }

    /// Whether this is PostgreSQL; only migrations and locks may ask.
    pub fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres { .. })
    }

    /// The journal of a node that is alone. `None` on SQLite.
    pub(crate) fn journal(&self) -> Option<&Arc<Journal>> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres { journal, .. } => Some(journal),
        }
    }

    /// Keeps an account from being noted until what this transaction has changed was told.
    pub(crate) fn keep(&mut self, hold: Hold) {
        self.holds.push(hold);
    }

    pub(crate) fn take_holds(&mut self) -> Vec<Hold> {
        std::mem::take(&mut self.holds)
    }

    /// After an account was found not to be in the journal, and its row was read.
    ///
    /// # Errors
    /// When it may have left the journal after the moment that this transaction sees: it is run again.
    pub(crate) fn must_see_what_left(&mut self) -> Result<(), StorageError> {
        if self.journal().is_none_or(|journal| journal.turn() == self.turn) {
            return Ok(());
        }
        self.retry = true;
        Err(StorageError::Unavailable("accounts' rows were written while one was read, again and again".into()))
    }

    /// Accounts' rows do not say how things stand.
    pub(crate) fn is_fenced(&mut self) -> StorageError {
        (self.fenced, self.retry) = (true, true);
        StorageError::Unavailable("another process keeps the ledger's journal; it could not be ended in time".into())
    }

    /// What judges this account has changed: memory of it is dropped when this transaction commits.
    pub fn note_account_changed(&mut self, account: AccountId) {
        self.changed.accounts.insert(account);
    }

    pub fn note_keys_changed(&mut self) {
        self.changed.keys = true;
    }

    /// Users or memberships have changed: keys that act for members may do something else from now on.
    pub fn note_people_changed(&mut self) {
        self.changed.people = true;
        self.changed.keys = true;
    }

    pub fn note_session_changed(&mut self, session: SessionId) {
        self.changed.sessions.insert(session);
    }

    pub fn note_catalog_changed(&mut self) {
        self.changed.catalog = true;
    }

    /// Whoever runs jobs looks for them when this transaction has committed, instead of at the next turn.
    pub fn note_jobs_added(&mut self) {
        self.changed.jobs = true;
    }
}

/// `$1` as SQLite's `?1`. The statements are few; each is written over once.
pub(crate) fn numbered(sql: &'static str) -> Arc<str> {
    static WRITTEN: LazyLock<Mutex<HashMap<&'static str, Arc<str>>>> = LazyLock::new(Mutex::default);
    WRITTEN.lock().entry(sql).or_insert_with(|| Arc::from(sql.replace('$', "?"))).clone()
}

/// Places of columns by their names.
type Columns = Arc<HashMap<String, usize>>;

/// Where each column of a statement's rows is; the same as long as the schema is.
fn columns_of(sql: &'static str, statement: &rusqlite::Statement<'_>) -> Columns {
    static FOUND: LazyLock<Mutex<HashMap<&'static str, Columns>>> = LazyLock::new(Mutex::default);
    let find = || {
        let names = statement.column_names().enumerate().map(|(place, name)| (name.to_owned(), place));
        Arc::new(names.collect())
    };
    FOUND.lock().entry(sql).or_insert_with(find).clone()
}

fn query_sqlite(
    connection: &rusqlite::Connection,
    sql: &'static str,
    values: &[Value],
) -> Result<Vec<Row>, StorageError> {
    let mut statement = connection.prepare_cached(&numbered(sql))?;
    let (columns, width) = (columns_of(sql, &statement), statement.column_count());
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut decoded = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..width).map(|place| sqlite_value(row.get_ref(place)?)).collect::<Result<_, StorageError>>()?;
        decoded.push(Row::new(columns.clone(), values));
    }
    Ok(decoded)
}

fn sqlite_value(value: rusqlite::types::ValueRef<'_>) -> Result<Value, StorageError> {
    use rusqlite::types::ValueRef;
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(value) => return Err(StorageError::Unexpected(format!("the database holds a float, {value}"))),
    })
}

pub(crate) fn decode_postgres(rows: Vec<tokio_postgres::Row>) -> Result<Vec<Row>, StorageError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let names = first.columns().iter().enumerate().map(|(place, column)| (column.name().to_owned(), place));
    let columns: Arc<HashMap<String, usize>> = Arc::new(names.collect());
    rows.iter()
        .map(|row| {
            let values = (0..row.len()).map(|place| postgres_value(row, place)).collect::<Result<_, _>>()?;
            Ok(Row::new(columns.clone(), values))
        })
        .collect()
}

fn postgres_value(row: &tokio_postgres::Row, place: usize) -> Result<Value, StorageError> {
    use tokio_postgres::types::Type;
    let ty = row.columns()[place].type_();
    Ok(match *ty {
        Type::INT8 => row.try_get::<_, Option<i64>>(place)?.into(),
        Type::INT4 => row.try_get::<_, Option<i32>>(place)?.map(i64::from).into(),
        Type::BOOL => row.try_get::<_, Option<bool>>(place)?.map(i64::from).into(),
        Type::TEXT | Type::VARCHAR | Type::NAME => row.try_get::<_, Option<String>>(place)?.into(),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(place)?.map_or(Value::Null, Value::Bytes),
        _ => return Err(StorageError::Unexpected(format!("a column of type {ty} is read nowhere"))),
    })
}

fn references(values: &[Value]) -> Vec<&(dyn tokio_postgres::types::ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync)).collect()
}

/// Serialization failures and deadlocks go away by themselves; so does a connection that was lost before the commit.
fn note(retry: &mut bool, error: tokio_postgres::Error) -> StorageError {
    *retry = error.is_closed() || error.code().is_some_and(|code| matches!(code.code(), "40001" | "40P01"));
    error.into()
}
