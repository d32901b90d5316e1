//! What waits for the writer thread: ledger commands and cold closures, both bounded.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::StorageError;
use crate::ledger::Pending;
use crate::sqlite::writer::ColdWork;

/// The most commands that share one transaction.
pub(crate) const BATCH: usize = 256;
const COLD_CAPACITY: usize = 1_024;

/// Two first-in-first-out lines behind one lock. A full line refuses at once; nobody waits for room.
pub(crate) struct Queue {
    lines: Mutex<Lines>,
    arrived: Condvar,
    drained: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct Lines {
    commands: VecDeque<Pending>,
    cold: VecDeque<ColdWork>,
    closed: bool,
    finished: bool,
}

/// What the writer does next: the waiting commands and at most one closure, so that neither starves the other.
pub(crate) struct Work {
    pub commands: Vec<Pending>,
    pub cold: Option<ColdWork>,
}

/// What waiting for work came to.
pub(crate) enum Taken {
    Work(Work),
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
        Self { lines: Mutex::default(), arrived: Condvar::new(), drained: Condvar::new(), capacity }
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
            match patience {
                None => self.arrived.wait(&mut lines),
                Some(patience) => {
                    if self.arrived.wait_for(&mut lines, patience).timed_out() && lines.is_empty() {
                        return Taken::Nothing;
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
