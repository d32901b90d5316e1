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
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::disk::end_on_failed_sync;
use super::prepare;
use crate::StorageError;

/// Pages of the log from which on it is folded: 32 MB.
const PAGES: i64 = 8_000;
/// Pages of the log from which on its file is made as long as it will become.
const USED_PAGES: i64 = 256;
/// More than the log has when it is folded.
const FILE_BYTES: u64 = 36 << 20;
/// By how much the file is made longer while nobody writes.
static STEP: [u8; 256 << 10] = [0; 256 << 10];
/// How often the log's length is asked for while something is written.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// How long to leave the disk alone after folding failed.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Wakes the thread. It ends when the last of these is gone.
#[derive(Clone)]
pub(crate) struct Checkpoints(SyncSender<()>);

impl Checkpoints {
    /// Starts the thread. `writer`: the connection that writes, held while the rest is folded.
    pub fn start(database: &Path, writer: Arc<Mutex<Connection>>) -> Result<Self, StorageError> {
        let connection = Connection::open(database)?;
        prepare(&connection)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let file = File::open(database)
            .map_err(|error| StorageError::Unavailable(format!("{}: {error}", database.display())))?;
        let (wake, woken) = sync_channel(1);
        let log = super::disk::open_log(database, true)?;
        let folding = Folding { connection, file, log, writer };
        std::thread::Builder::new()
            .name("sqlite-checkpoints".into())
            .spawn(move || folding.run(&woken))
            .map_err(StorageError::unexpected)?;
        Ok(Self(wake))
    }

    /// Something was written.
    pub fn wake(&self) {
        match self.0.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => {}
            Err(TrySendError::Disconnected(())) => tracing::error!("nobody folds the write-ahead log any more"),
        }
    }
}

struct Folding {
    connection: Connection,
    /// The database. Closing it gives up the locks that this process has on it, so it stays open.
    file: File,
    log: File,
    writer: Arc<Mutex<Connection>>,
}

impl Folding {
    fn run(&self, woken: &Receiver<()>) {
        let mut may_lengthen = true;
        while woken.recv().is_ok() {
            pause(LOOKS_EVERY);
            if let Err(error) = self.look(&mut may_lengthen) {
                tracing::warn!(%error, "the write-ahead log could not be folded into the database; trying again");
                pause(AGAIN_AFTER);
            }
        }
    }

    fn look(&self, may_lengthen: &mut bool) -> Result<(), rusqlite::Error> {
        let pages = self.unfolded("NOOP")?;
        if pages >= USED_PAGES && *may_lengthen {
            // Once: it keeps its length. Without room it grows as it is used.
            *may_lengthen = false;
            if let Err(error) = self.lengthen_log() {
                tracing::warn!(%error, "the write-ahead log's file could not be made longer ahead of its use");
            }
        }
        if pages >= PAGES { self.fold() } else { Ok(()) }
    }

    /// Nobody writes to the log without the writer's connection, and SQLite takes zeros for its end.
    fn lengthen_log(&self) -> io::Result<()> {
        loop {
            let nobody_writes = self.writer.lock();
            let length = self.log.metadata()?.len();
            if length >= FILE_BYTES {
                return Ok(());
            }
            self.log.write_all_at(&STEP, length)?;
            drop(nobody_writes);
            // At once, so that no commit waits for all of it.
            synced(&self.log);
        }
    }

    fn fold(&self) -> Result<(), rusqlite::Error> {
        self.unfolded("PASSIVE")?;
        // Once all of the log is folded SQLite syncs the database; then little is left to be synced.
        synced(&self.file);
        let _nobody_writes = self.writer.lock();
        self.unfolded("PASSIVE").map(|_| ())
    }

    /// Runs a checkpoint of this kind. Returns how many pages of the log are not in the database after it.
    fn unfolded(&self, kind: &str) -> Result<i64, rusqlite::Error> {
        let counted = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?);
        self.connection.query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], counted)
    }
}

fn synced(file: &File) {
    if let Err(error) = file.sync_data() {
        end_on_failed_sync(&error);
    }
}

#[expect(clippy::disallowed_methods, reason = "SQLite tells nobody that the log has grown long")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
