//! What waits for the writer thread: ledger commands and cold closures, both bounded. A command that comes alone does not
//! wait here; see [`crate::sqlite::Sqlite::run_here`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::StorageError;
use crate::ledger::Pending;
use crate::sqlite::writer::ColdWork;

/// The most commands that share one transaction.
pub(crate) const BATCH: usize = 256;
const COLD_CAPACITY: usize = 1_024;
/// One command a batch and a half, in eighths: up to here commands are thought to come alone.
const MOST_ALONE: usize = 12;
/// A commit that a thread of the server may wait for in place of others that would have to be woken.
const QUICK_COMMIT_MICROS: u64 = 1_000;

/// Two first-in-first-out lines behind one lock. A full line refuses at once; nobody waits for room.
pub(crate) struct Queue {
    lines: Mutex<Lines>,
    arrived: Condvar,
    drained: Condvar,
    capacity: usize,
    /// How many commands a batch had of late, in eighths.
    crowd: AtomicUsize,
    /// How long the last commit took, in microseconds.
    commit: AtomicU64,
}

#[derive(Default)]
struct Lines {
    commands: VecDeque<Pending>,
    cold: VecDeque<ColdWork>,
    closed: bool,
    finished: bool,
    /// The writer waits for work without end.
    is_waiting: bool,
    /// Work was done beside the queue, and left something for when there is nothing else to do.
    is_nudged: bool,
}

/// What the writer does next: the waiting commands and at most one closure, so that neither starves the other.
pub(crate) struct Work {
    pub commands: Vec<Pending>,
    pub cold: Option<ColdWork>,
}

/// What waiting for work came to.
pub(crate) enum Taken {
    Work(Work),
    /// Something was done beside the queue; what to wait for may be another now.
    Nudged,
    /// Nothing came in all that time.
    Nothing,
    /// The queue is closed and everything in it is done.
    Closed,
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.cold.is_empty()
    }
}

impl Queue {
    pub fn new(capacity: usize) -> Self {
        let (lines, arrived, drained) = (Mutex::default(), Condvar::new(), Condvar::new());
        Self { lines, arrived, drained, capacity, crowd: AtomicUsize::new(0), commit: AtomicU64::new(0) }
    }

    /// Whether a command had better wait here for others, to share a transaction with them: some wait already, or several
    /// came together of late; or the disk takes its time, which only the writer's own thread waits for.
    pub fn is_for_many(&self) -> bool {
        let lines = self.lines.lock();
        let is_crowded = self.crowd.load(Ordering::Relaxed) > MOST_ALONE;
        lines.closed || !lines.is_empty() || is_crowded || self.commit.load(Ordering::Relaxed) > QUICK_COMMIT_MICROS
    }

    pub fn is_closed(&self) -> bool {
        self.lines.lock().closed
    }

    /// Takes note of how many commands shared a batch, and of how long it took if it waited for the disk.
    pub fn note(&self, commands: usize, took: Option<Duration>) {
        let crowd = self.crowd.load(Ordering::Relaxed);
        self.crowd.store(crowd * 7 / 8 + commands, Ordering::Relaxed);
        if let Some(took) = took {
            self.commit.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Tells the writer that there is something to do once it is quiet.
    pub fn nudge(&self) {
        let mut lines = self.lines.lock();
        lines.is_nudged = true;
        if lines.is_waiting {
            drop(lines);
            self.arrived.notify_one();
        }
    }

    pub fn push(&self, pending: Pending) -> Result<(), StorageError> {
        let mut lines = self.lines.lock();
        if lines.closed {
            return Err(StorageError::Unavailable("the server is stopping".into()));
        }
        if lines.commands.len() >= self.capacity {
            return Err(StorageError::Busy);
        }
        lines.commands.push_back(pending);
        drop(lines);
        self.arrived.notify_one();
        Ok(())
    }

    pub fn push_cold(&self, work: ColdWork) -> Result<(), StorageError> {
        let mut lines = self.lines.lock();
        if lines.closed {
            return Err(StorageError::Unavailable("the server is stopping".into()));
        }
        if lines.cold.len() >= COLD_CAPACITY {
            return Err(StorageError::Busy);
        }
        lines.cold.push_back(work);
        drop(lines);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for work, as long as this.
    pub fn take_blocking(&self, patience: Option<Duration>) -> Taken {
        let mut lines = self.lines.lock();
        while lines.is_empty() {
            if lines.closed {
                return Taken::Closed;
            }
            if std::mem::take(&mut lines.is_nudged) {
                return Taken::Nudged;
            }
            match patience {
                None => {
                    lines.is_waiting = true;
                    self.arrived.wait(&mut lines);
                    lines.is_waiting = false;
                }
                Some(patience) => {
                    if self.arrived.wait_for(&mut lines, patience).timed_out() && lines.is_empty() {
                        let is_nudged = std::mem::take(&mut lines.is_nudged);
                        return if is_nudged { Taken::Nudged } else { Taken::Nothing };
                    }
                }
            }
        }
        let count = lines.commands.len().min(BATCH);
        Taken::Work(Work { commands: lines.commands.drain(..count).collect(), cold: lines.cold.pop_front() })
    }

    /// Says that the writer has ended: nothing is taken any more, and whoever waits for it to end goes on.
    pub fn finish(&self) {
        let mut lines = self.lines.lock();
        lines.closed = true;
        lines.finished = true;
        self.arrived.notify_all();
        self.drained.notify_all();
    }

    pub fn depth(&self) -> usize {
        let lines = self.lines.lock();
        lines.commands.len() + lines.cold.len()
    }

    /// Takes nothing more, and waits until the writer has done all that was taken and has ended.
    pub fn close(&self) {
        let mut lines = self.lines.lock();
        lines.closed = true;
        self.arrived.notify_all();
        while !lines.finished {
            self.drained.wait(&mut lines);
        }
    }
}
