//! The writer thread: takes what waits, ledger commands first, then at most one cold closure, and goes on. When nothing
//! comes it writes back what the ledger has left in its redo log.
//!
//! A ledger command that comes alone is run by its caller's own thread ([`Sqlite::run_here`]): a change of thread and back
//! takes longer than what is to be done. Whoever has the connection writes; the others wait in the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use super::checkpoints::Checkpoints;
use super::disk::Disk;
use super::{Sqlite, in_transaction};
use crate::StorageError;
use crate::database::Listeners;
use crate::ledger::queue::{Queue, Taken, Work};
use crate::ledger::sqlite::run_batch;
use crate::ledger::write_back::{write_back, write_step};
use crate::ledger::{Durability, Pending, Shared};
use crate::tx::{Engine, Tx};

/// How long to leave the disk alone after writing back failed.
const WRITE_BACK_AGAIN: Duration = Duration::from_secs(5);

/// A cold closure, boxed with the channel that answers it.
pub(crate) type ColdWork = Box<dyn FnOnce(&Connection) + Send>;

/// Starts the thread. It ends when the queue is closed and empty.
pub(crate) fn start(sqlite: &Sqlite, shared: Arc<Shared>) -> Result<(), StorageError> {
    let writer = Writer {
        connection: sqlite.writer.clone(),
        queue: sqlite.queue.clone(),
        disk: sqlite.disk.clone(),
        checkpoints: sqlite.checkpoints.clone(),
        shared,
    };
    std::thread::Builder::new()
        .name("sqlite-writer".into())
        .spawn(move || writer.run())
        .map(|_| ())
        .map_err(StorageError::unexpected)
}

struct Writer {
    connection: Arc<Mutex<Connection>>,
    queue: Arc<Queue>,
    disk: Arc<Disk>,
    checkpoints: Arc<Checkpoints>,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(&self) {
        let Self { connection, queue, shared, .. } = self;
        // However the thread ends, nobody waits for it in vain.
        let _finished = Finished(queue);
        let quiet = shared.settings.write_back_after;
        let mut patience = quiet;
        loop {
            match queue.take_blocking((!shared.unwritten.is_empty()).then_some(patience)) {
                Taken::Work(Work { commands, cold }) => {
                    if !commands.is_empty() {
                        run_commands(connection.lock(), (queue, &self.disk, shared), commands);
                    }
                    if let Some(work) = cold {
                        work(&connection.lock());
                    }
                    patience = quiet;
                }
                Taken::Nudged => patience = quiet,
                Taken::Nothing => {
                    patience = match write_step(&connection.lock(), &shared.unwritten) {
                        Ok(_) => Duration::ZERO,
                        Err(error) => {
                            tracing::warn!(%error, "what waits in the ledger's redo log could not be written back");
                            WRITE_BACK_AGAIN
                        }
                    };
                }
                Taken::Closed => break,
            }
            self.checkpoints.wake();
        }
        self.end();
    }

    fn end(&self) {
        // One that is under way would keep the log from being folded here.
        let _open_to_the_end = self.checkpoints.stop();
        let connection = self.connection.lock();
        if let Err(error) = write_back(&connection, &self.shared.unwritten, None) {
            tracing::warn!(
                %error,
                "what waits in the ledger's redo log could not be written back; the next start does it"
            );
        }
        if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(
                %error,
                "the write-ahead log could not be folded into the database; the next start does it"
            );
        }
    }
}

impl Sqlite {
    /// Runs a command here and now, if nothing else is being written and it had not better wait for others. Gives it back
    /// otherwise.
    pub fn run_here(&self, shared: &Shared, pending: Pending) -> Option<Pending> {
        // What is not written has nothing to share with others.
        let may_be_alone = match pending.request.durability {
            Durability::OfProcess => !self.queue.is_closed(),
            _ => !self.queue.is_for_many() && !self.disk.is_syncing(),
        };
        if !may_be_alone {
            return Some(pending);
        }
        let Some(connection) = self.writer.try_lock() else { return Some(pending) };
        // As when the writer thread ends by a panic: nothing more is written.
        let finished = Finished(&self.queue);
        run_commands(connection, (&self.queue, &self.disk, shared), vec![pending]);
        std::mem::forget(finished);
        self.checkpoints.wake();
        if !self.unwritten.is_empty() {
            self.queue.nudge();
        }
        None
    }
}

/// Runs commands and answers them, with the connection free again while the disk is waited for.
#[expect(clippy::disallowed_methods, reason = "how long a batch takes is a duration of this process")]
fn run_commands(
    connection: MutexGuard<'_, Connection>,
    (queue, disk, shared): (&Queue, &Disk, &Shared),
    commands: Vec<Pending>,
) {
    let (began, written) = (Instant::now(), connection.total_changes());
    let of_process = |pending: &&Pending| pending.request.durability == Durability::OfProcess;
    let sharing = commands.len() - commands.iter().filter(of_process).count();
    let mut ran = run_batch(&connection, shared, commands);
    if connection.total_changes() != written {
        disk.note_commit();
    }
    drop(connection);
    ran.answer_unsynced();
    let waits = !ran.is_empty();
    if waits {
        disk.sync();
    }
    // Before anybody is answered: who asks again then is judged by it.
    if sharing > 0 {
        queue.note(sharing, waits.then(|| began.elapsed()));
    }
    if waits {
        ran.answer();
    }
}

struct Finished<'q>(&'q Queue);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.finish();
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
