//! The one clock of the process. It never runs backwards, and in development it can be moved forward.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::time::Timestamp;

/// Wall time plus an offset; never earlier than what it said before. Shared by reference.
#[derive(Debug, Default)]
pub struct Clock {
    offset_micros: AtomicI64,
    last_micros: AtomicI64,
}

impl Clock {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn now(&self) -> Timestamp {
        let now = wall_micros() + self.offset_micros.load(Ordering::Relaxed);
        let last = self.last_micros.fetch_max(now, Ordering::Relaxed);
        Timestamp::from_micros(now.max(last))
    }

    /// Nothing is told to have happened before this: the last time a database has seen.
    pub fn not_before(&self, at: Timestamp) {
        self.last_micros.fetch_max(at.micros(), Ordering::Relaxed);
    }

    /// Wall time, however far the clock was moved: for leases, which are about processes that live or die.
    pub fn unmoved(&self) -> Timestamp {
        Timestamp::from_micros(wall_micros())
    }

    pub fn offset_micros(&self) -> i64 {
        self.offset_micros.load(Ordering::Relaxed)
    }

    /// Moves the clock so far ahead of wall time. Only ever forward.
    pub fn set_offset_micros(&self, offset: i64) {
        self.offset_micros.fetch_max(offset, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock; all else is told the time")]
fn wall_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
