//! The embedded engine: one connection that writes, mostly from the writer thread, and a few that read.

mod checkpoints;
mod disk;
pub(crate) mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::ids::AccountId;
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::StorageError;
use crate::ledger::queue::Queue;
use crate::ledger::unwritten::Unwritten;
use crate::ledger::write_back::write_back;
use crate::ledger::{Renewal, Shared, held};
use crate::tx::{Engine, Tx};
use checkpoints::Checkpoints;
use disk::{Disk, end_on_failed_sync};

const READERS: usize = 4;
/// Bytes of the log's file that are kept for its next round.
const LONGEST_KEPT_LOG: i64 = 64 << 20;
/// Prepared statements kept on each connection.
const STATEMENTS: usize = 256;

/// An open SQLite file.
pub(crate) struct Sqlite {
    pub queue: Arc<Queue>,
    pub unwritten: Arc<Unwritten>,
    /// The only connection that writes.
    writer: Arc<Mutex<Connection>>,
    disk: Arc<Disk>,
    checkpoints: Arc<Checkpoints>,
    readers: Arc<Mutex<Vec<Connection>>>,
    free_readers: Arc<Semaphore>,
    /// Held as long as the process lives: its lock says that the file has an owner.
    _owner: File,
}

/// A file that is open and owned, its writer not running yet.
pub(crate) struct Opened {
    pub writer: Connection,
    /// As SQLite knows it, with every link followed.
    path: PathBuf,
    owner: File,
    readers: Vec<Connection>,
}

/// Opens the file, makes it when it is missing, and takes ownership.
pub(crate) fn open(path: &Path) -> Result<Opened, StorageError> {
    // By whatever links it is reached, it is one file with one owner.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let owner = own(path)?;
    let writer = Connection::open(path)?;
    // WAL lets readers go on while the writer commits. NORMAL leaves it to `Disk` when the log is synced.
    writer.pragma_update(None, "journal_mode", "WAL")?;
    writer.pragma_update(None, "synchronous", "NORMAL")?;
    writer.pragma_update(None, "wal_autocheckpoint", 0)?;
    // In KiB. No more than that: when pages were split, SQLite walks over the whole cache at the end of a transaction.
    writer.pragma_update(None, "cache_size", -2_048)?;
    writer.pragma_update(None, "journal_size_limit", LONGEST_KEPT_LOG)?;
    prepare(&writer)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let readers = (0..READERS)
        .map(|_| {
            let reader = Connection::open_with_flags(path, flags)?;
            prepare(&reader)?;
            Ok(reader)
        })
        .collect::<Result<_, rusqlite::Error>>()?;
    let path = writer.path().map_or_else(|| path.to_owned(), PathBuf::from);
    Ok(Opened { writer, path, owner, readers })
}

fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise a statement on a table with a partial index is compiled again whenever other values are bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))
}

/// One long-lived process owns a file: what it keeps in memory is only right while nobody else writes.
fn own(path: &Path) -> Result<File, StorageError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let unavailable = |error: std::io::Error| StorageError::Unavailable(format!("{}: {error}", path.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StorageError::Owned { path: path.display().to_string() }),
        Err(std::fs::TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

impl Sqlite {
    /// Starts the writer thread.
    pub fn start(opened: Opened, shared: &Arc<Shared>) -> Result<Self, StorageError> {
        let Opened { writer, path, owner, readers } = opened;
        let queue = Arc::new(Queue::new(shared.settings.queue_capacity));
        let (disk, writer) = (Arc::new(Disk::of(&path)?), Arc::new(Mutex::new(writer)));
        let checkpoints = Arc::new(Checkpoints::start(&path, writer.clone())?);
        let free_readers = Arc::new(Semaphore::new(readers.len()));
        let sqlite = Self {
            queue,
            unwritten: shared.unwritten.clone(),
            writer,
            disk,
            checkpoints,
            readers: Arc::new(Mutex::new(readers)),
            free_readers,
            _owner: owner,
        };
        writer::start(&sqlite, shared.clone())?;
        Ok(sqlite)
    }

    /// Waits until everything that has been committed is on the disk: what others commit is seen a moment before.
    pub async fn synced(&self) -> Result<(), StorageError> {
        if !self.disk.is_behind() {
            return Ok(());
        }
        let disk = self.disk.clone();
        tokio::task::spawn_blocking(move || disk.sync()).await.map_err(StorageError::unexpected)
    }

    /// Has the writer write back what waits, of everybody or of one account.
    pub async fn write_back(&self, account: Option<AccountId>) -> Result<(), StorageError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let unwritten = self.unwritten.clone();
        self.queue.push_cold(Box::new(move |connection| {
            let _ = answer.send(write_back(connection, &unwritten, account));
        }))?;
        answered.await.unwrap_or_else(|_| Err(StorageError::Unavailable("the server is stopping".into())))
    }

    /// Has the writer renew holds; see [`held::keep`].
    pub async fn keep_holds(&self, shared: &Arc<Shared>, renewals: Vec<Renewal>) -> Result<(), StorageError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let shared = shared.clone();
        self.queue.push_cold(Box::new(move |connection| {
            let _ = answer.send(held::keep(connection, &shared, &renewals));
        }))?;
        answered.await.unwrap_or_else(|_| Err(StorageError::Unavailable("the server is stopping".into())))
    }

    /// Runs a closure on a reading connection, in one read transaction.
    pub async fn read<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let busy = |_| E::from(StorageError::Busy);
        let permit = self.free_readers.clone().acquire_owned().await.map_err(busy)?;
        let readers = self.readers.clone();
        let work = move || {
            let connection = readers.lock().pop().expect("a permit stands for a free reader");
            let outcome = (|| {
                run(&connection, "BEGIN").map_err(StorageError::from)?;
                closure(&mut Tx::new(Engine::Sqlite(&connection)))
            })();
            // Nothing was written; ending the transaction only lets the log be reused.
            let ended = run(&connection, "ROLLBACK");
            readers.lock().push(connection);
            drop(permit);
            ended.map_err(StorageError::from)?;
            outcome
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(outcome) => outcome,
            Err(failed) => Err(StorageError::unexpected(failed).into()),
        }
    }
}

/// Runs a statement without parameters and results, compiled once for each connection.
fn run(connection: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// Runs `work` in one writing transaction that is on the disk when it returns.
pub(crate) fn in_transaction<T, E: From<StorageError>>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    // Not by `run`: a pragma does its work when it is compiled.
    connection.execute_batch("PRAGMA synchronous = FULL").map_err(StorageError::from)?;
    let outcome = in_unsynced_transaction(connection, work);
    if let Err(error) = connection.execute_batch("PRAGMA synchronous = NORMAL") {
        tracing::warn!(%error, "every commit waits for the disk twice from now on");
    }
    outcome
}

/// Runs `work` in one writing transaction and commits it to the log, which [`Disk::sync`] brings to the disk. Begins
/// IMMEDIATE: a transaction that begins reading and then writes could find its snapshot outdated.
pub(crate) fn in_unsynced_transaction<T, E: From<StorageError>>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    run(connection, "BEGIN IMMEDIATE").map_err(StorageError::from)?;
    let outcome = work();
    if outcome.is_err() {
        roll_back(connection);
        return outcome;
    }
    if connection.is_autocommit() {
        // A full disk rolls back the whole transaction by itself; a COMMIT now would commit nothing and say nothing.
        return Err(StorageError::Unavailable("the transaction was rolled back; is the disk full?".into()).into());
    }
    match run(connection, "COMMIT") {
        Ok(()) => outcome,
        Err(error) => {
            const FAILED_SYNCS: [i32; 2] = [rusqlite::ffi::SQLITE_IOERR_FSYNC, rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC];
            if let rusqlite::Error::SqliteFailure(failure, _) = &error
                && FAILED_SYNCS.contains(&failure.extended_code)
            {
                end_on_failed_sync(&error);
            }
            roll_back(connection);
            Err(StorageError::from(error).into())
        }
    }
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = run(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a transaction could not be rolled back");
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_on_a_table_with_a_partial_index_is_compiled_once_whatever_is_bound() -> Result<(), rusqlite::Error> {
        let connection = Connection::open_in_memory()?;
        prepare(&connection)?;
        connection.execute_batch(
            "CREATE TABLE holds (account TEXT, state TEXT); CREATE INDEX open ON holds (account) WHERE state = 'open'",
        )?;
        let mut statement = connection.prepare("SELECT account FROM holds WHERE account = ?1 AND state = ?2")?;
        for state in ["open", "settled", "open"] {
            assert!(!statement.exists(["acct_1", state])?);
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        Ok(())
    }

    #[test]
    fn every_transaction_waits_for_the_disk_and_batches_wait_for_it_themselves() -> Result<(), StorageError> {
        let connection = Connection::open_in_memory()?;
        prepare(&connection)?;
        let synchronous = || Ok(connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))?);
        for _ in 0..3 {
            assert_eq!(in_transaction::<_, StorageError>(&connection, synchronous)?, 2, "FULL");
            assert_eq!(in_unsynced_transaction::<_, StorageError>(&connection, synchronous)?, 1, "NORMAL");
        }
        Ok(())
    }
}
