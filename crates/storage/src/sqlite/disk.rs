//! When what was committed is on the disk. Start at [`Disk::sync`].
//!
//! A batch is committed to the write-ahead log without waiting for the disk. The connection is free again while the log is
//! synced, and only then is the batch answered. Whoever judges by it meanwhile risks nothing: what it writes follows in the
//! same log, and a sync is of all that is in the log so far.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::StorageError;

/// The write-ahead log, as far as it is on the disk.
pub(crate) struct Disk {
    log: File,
    /// Transactions that were committed to the log.
    committed: AtomicU64,
    /// How many of them are known to be on the disk.
    synced: AtomicU64,
    /// Held while the log is synced: an error is told to one sync alone, and nobody may take another for good meanwhile.
    syncing: Mutex<()>,
}

impl Disk {
    /// Of a database that is open, by the path that SQLite knows it by. What a process left in the log that was killed
    /// before this one counts as committed, and not as synced.
    pub fn of(database: &Path) -> Result<Self, StorageError> {
        let log = open_log(database, false)?;
        Ok(Self { log, committed: AtomicU64::new(1), synced: AtomicU64::new(0), syncing: Mutex::default() })
    }

    /// Something was committed. To be told before the connection is given back.
    pub fn note_commit(&self) {
        self.committed.fetch_add(1, Ordering::AcqRel);
    }

    pub fn is_syncing(&self) -> bool {
        self.syncing.is_locked()
    }

    /// Whether something is committed that is not known to be on the disk.
    pub fn is_behind(&self) -> bool {
        self.synced.load(Ordering::Acquire) < self.committed.load(Ordering::Acquire)
    }

    /// Everything that was committed before is on the disk after it.
    pub fn sync(&self) {
        let asked = self.committed.load(Ordering::Acquire);
        if self.synced.load(Ordering::Acquire) >= asked {
            return;
        }
        let _syncing = self.syncing.lock();
        // Whoever was before may have synced all of it.
        if self.synced.load(Ordering::Acquire) >= asked {
            return;
        }
        let committed = self.committed.load(Ordering::Acquire);
        synced(&self.log);
        self.synced.store(committed, Ordering::Release);
    }
}

/// The file of the log of a database that is open.
pub(super) fn open_log(database: &Path, to_write: bool) -> Result<File, StorageError> {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    let opened = File::options().read(true).write(to_write).open(&name);
    opened.map_err(|error| StorageError::Unavailable(format!("{}-wal: {error}", database.display())))
}

/// Syncs a file, or ends the process.
pub(super) fn synced(file: &File) {
    if let Err(error) = file.sync_data() {
        end_on_failed_sync(&error);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_behind_until_it_is_synced() {
        let database = std::env::temp_dir().join(format!("tollway-disk-{}", std::process::id()));
        let mut log = database.clone().into_os_string();
        log.push("-wal");
        std::fs::write(&log, b"log").expect("a file");
        let disk = Disk::of(&database).expect("a log");
        // What another process has left there.
        assert!(disk.is_behind());
        for _ in 0..2 {
            disk.sync();
            assert!(!disk.is_behind() && !disk.is_syncing());
            disk.note_commit();
            disk.note_commit();
            assert!(disk.is_behind());
        }
        std::fs::remove_file(&log).expect("the file");
    }
}
