//! Folding the write-ahead log into the database, by a thread and a connection of its own, so that no commit waits for it.
//!
//! Most of the log is folded while others go on writing; what they have added meanwhile is little, and folded while nobody
//! writes. Then the log begins anew, in the place that it has on the disk already: a sync that need not make a file longer
//! takes half as long. So once the log is really used, its file is made as long as it will become.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::disk::{open_log, synced};
use super::prepare;
use crate::StorageError;

/// Pages of the log from which on it is folded: 32 MB.
const PAGES: i64 = 8_000;
/// Pages of the log from which on its file is made as long as it will become: 8 MB, which no small or short-lived server has.
const USED_PAGES: i64 = 2_000;
/// More than the log has when it is folded.
const FILE_BYTES: u64 = 36 << 20;
/// By how much the file is made longer while nobody writes.
static STEP: [u8; 256 << 10] = [0; 256 << 10];
/// How often the log's length is asked for while something is written.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// How long to leave the disk alone after folding failed.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The thread, from outside.
pub(crate) struct Checkpoints {
    signals: Arc<Signals>,
    thread: Mutex<Option<JoinHandle<Folding>>>,
}

#[derive(Default)]
struct Signals {
    state: Mutex<Signal>,
    changed: Condvar,
}

#[derive(Default)]
struct Signal {
    /// Since the thread has looked last.
    is_written: bool,
    is_stopped: bool,
}

/// What the thread has open.
pub(crate) struct Folding {
    connection: Connection,
    /// The database. When it is closed this process gives up SQLite's locks on it.
    file: File,
    log: File,
    writer: Arc<Mutex<Connection>>,
    signals: Arc<Signals>,
}

impl Checkpoints {
    /// Starts the thread for a database that is open, by the path that SQLite knows it by. `writer`: the connection that
    /// writes, held while the rest is folded.
    pub fn start(database: &Path, writer: Arc<Mutex<Connection>>) -> Result<Self, StorageError> {
        let connection = Connection::open(database)?;
        prepare(&connection)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let log = open_log(database, true)?;
        let file = File::open(database)
            .map_err(|error| StorageError::Unavailable(format!("{}: {error}", database.display())))?;
        let signals = Arc::new(Signals::default());
        let folding = Folding { connection, file, log, writer, signals: signals.clone() };
        let thread = std::thread::Builder::new()
            .name("sqlite-checkpoints".into())
            .spawn(move || {
                folding.run();
                folding
            })
            .map_err(StorageError::unexpected)?;
        Ok(Self { signals, thread: Mutex::new(Some(thread)) })
    }

    /// Something was written.
    pub fn wake(&self) {
        let mut state = self.signals.state.lock();
        if !std::mem::replace(&mut state.is_written, true) {
            drop(state);
            self.signals.changed.notify_one();
        }
    }

    /// Waits until the thread has ended. What it had open is to be closed after everything else of the database.
    pub fn stop(&self) -> Option<Folding> {
        self.signals.state.lock().is_stopped = true;
        self.signals.changed.notify_one();
        self.thread.lock().take()?.join().ok()
    }
}

impl Signals {
    /// Waits until something is written, and then for as long, so that there is more of it. Returns whether to go on.
    fn wait(&self, pause: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| !state.is_written && !state.is_stopped);
        self.changed.wait_while_for(&mut state, |state| !state.is_stopped, pause);
        state.is_written = false;
        !state.is_stopped
    }

    fn is_stopped(&self) -> bool {
        self.state.lock().is_stopped
    }
}

impl Folding {
    fn run(&self) {
        let (mut may_lengthen, mut pause) = (true, LOOKS_EVERY);
        while self.signals.wait(pause) {
            pause = match self.look(&mut may_lengthen) {
                Ok(()) => LOOKS_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "the write-ahead log could not be folded into the database; trying again");
                    self.signals.state.lock().is_written = true;
                    AGAIN_AFTER
                }
            };
        }
    }

    fn look(&self, may_lengthen: &mut bool) -> Result<(), rusqlite::Error> {
        let pages = self.pages("NOOP")?;
        if pages >= USED_PAGES && *may_lengthen {
            // Once: it keeps its length. Without room it grows as it is used.
            *may_lengthen = false;
            if let Err(error) = self.lengthen_log() {
                tracing::warn!(%error, "the write-ahead log's file could not be made longer ahead of its use");
            }
        }
        // Also where all of it was folded before, and a reader has kept it from beginning anew.
        if pages >= PAGES { self.fold() } else { Ok(()) }
    }

    /// Nobody writes to the log without the writer's connection, and SQLite takes zeros for its end.
    fn lengthen_log(&self) -> io::Result<()> {
        loop {
            let nobody_writes = self.writer.lock();
            let length = self.log.metadata()?.len();
            if length >= FILE_BYTES || self.signals.is_stopped() {
                return Ok(());
            }
            self.log.write_all_at(&STEP, length)?;
            drop(nobody_writes);
            // At once, so that no commit waits for all of it.
            synced(&self.log);
        }
    }

    fn fold(&self) -> Result<(), rusqlite::Error> {
        self.pages("PASSIVE")?;
        // Once all of the log is folded SQLite syncs the database; then little is left to be synced.
        synced(&self.file);
        let _nobody_writes = self.writer.lock();
        self.pages("PASSIVE").map(|_| ())
    }

    /// Runs a checkpoint of this kind. Returns how many pages the log has.
    fn pages(&self, kind: &str) -> Result<i64, rusqlite::Error> {
        self.connection.query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |row| row.get(1))
    }
}
