//! The writer thread: takes what waits, ledger commands first, then at most one cold closure, and goes on.

use std::sync::Arc;

use rusqlite::Connection;

use crate::StorageError;
use crate::database::Listeners;
use crate::ledger::Shared;
use crate::ledger::queue::{Queue, Work};
use crate::ledger::sqlite::run_batch;
use crate::sqlite::in_transaction;
use crate::tx::{Engine, Tx};

/// A cold closure, boxed with the channel that answers it.
pub(crate) type ColdWork = Box<dyn FnOnce(&Connection) + Send>;

/// Starts the thread. It ends when the queue is closed and empty.
pub(crate) fn start(
    connection: Connection,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
) -> Result<std::thread::JoinHandle<()>, StorageError> {
    std::thread::Builder::new()
        .name("sqlite-writer".into())
        .spawn(move || run(&connection, &queue, &shared))
        .map_err(StorageError::unexpected)
}

fn run(connection: &Connection, queue: &Queue, shared: &Shared) {
    while let Some(Work { commands, cold }) = queue.take_blocking() {
        if !commands.is_empty() {
            run_batch(connection, shared, commands);
        }
        if let Some(work) = cold {
            work(connection);
        }
    }
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the write-ahead log could not be folded into the database; the next start does it");
    }
}

/// Boxes a closure as one write transaction. What it changed is told to the listeners before the caller is answered.
pub(crate) fn cold<T, E, F>(
    mut closure: F,
    listeners: Arc<Listeners>,
    answer: tokio::sync::oneshot::Sender<Result<T, E>>,
) -> ColdWork
where
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
{
    Box::new(move |connection| {
        let mut tx = Tx::new(Engine::Sqlite(connection));
        let outcome = in_transaction(connection, || closure(&mut tx));
        if outcome.is_ok() {
            listeners.tell(&tx.changed);
        }
        // Nobody waits any more when the caller left; the work is done all the same.
        let _ = answer.send(outcome);
    })
}
