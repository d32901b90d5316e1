//! When what was committed is on the disk. Start at [`Disk::sync`].
//!
//! A batch is committed to the write-ahead log without waiting for the disk. The connection is free again while the log is
//! synced, and only then is the batch answered. Whoever judges by it meanwhile risks nothing: what it writes follows in the
//! same log, and a sync is of all that is in the log so far.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::StorageError;

/// The write-ahead log, as far as it is on the disk.
pub(crate) struct Disk {
    log: File,
    /// Transactions that were committed to the log.
    committed: AtomicU64,
    /// How many of them are known to be on the disk.
    synced: AtomicU64,
    /// Syncs that are under way.
    syncing: AtomicUsize,
}

impl Disk {
    /// Of a database that is open. SQLite keeps the log's file for as long as a connection is.
    pub fn of(database: &Path) -> Result<Self, StorageError> {
        let log = open_log(database, false)?;
        Ok(Self { log, committed: AtomicU64::new(0), synced: AtomicU64::new(0), syncing: AtomicUsize::new(0) })
    }

    /// Something was committed. To be told before the connection is given back.
    pub fn note_commit(&self) {
        self.committed.fetch_add(1, Ordering::AcqRel);
    }

    pub fn is_syncing(&self) -> bool {
        self.syncing.load(Ordering::Acquire) > 0
    }

    /// Everything that was committed before is on the disk after it.
    pub fn sync(&self) {
        let committed = self.committed.load(Ordering::Acquire);
        if self.synced.load(Ordering::Acquire) >= committed {
            return;
        }
        self.syncing.fetch_add(1, Ordering::AcqRel);
        let outcome = self.log.sync_data();
        self.syncing.fetch_sub(1, Ordering::AcqRel);
        match outcome {
            Ok(()) => self.synced.fetch_max(committed, Ordering::AcqRel),
            Err(error) => end_on_failed_sync(&error),
        };
    }
}

/// The file of the log of a database that is open.
pub(super) fn open_log(database: &Path, to_write: bool) -> Result<File, StorageError> {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    let opened = File::options().read(true).write(to_write).open(&name);
    opened.map_err(|error| StorageError::Unavailable(format!("{}-wal: {error}", database.display())))
}

/// After a failed sync the kernel may have dropped the pages it could not write, so nothing this process remembers can
/// be trusted. A restart reads what is really on the disk.
pub(super) fn end_on_failed_sync(error: &dyn std::error::Error) -> ! {
    tracing::error!(
        %error,
        "the disk could not make a commit durable; ending so that a restart reads what is really there"
    );
    std::process::abort();
}
