//! Sessions that were looked up before, in memory: a request with a known session asks no database.
//!
//! Whatever changes a session, a user or a membership makes them forgotten before it is answered; where several nodes
//! share the database, what another node has changed is found within half a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use domain::ids::SessionId;
use domain::time::{MICROS_PER_MINUTE, Timestamp};
use parking_lot::Mutex;
use storage::bounded_map::BoundedMap;

use crate::Caller;

const CAPACITY: usize = 65_536;
const FRESH_FOR: Duration = Duration::from_millis(500);
/// When a session was last seen is kept no finer than this.
const LAST_SEEN_MICROS: i64 = MICROS_PER_MINUTE;

#[derive(Debug)]
pub struct SessionCache {
    shared: bool,
    known: Mutex<Known>,
    /// Sightings that are not in the database yet.
    seen: Mutex<HashMap<SessionId, Timestamp>>,
}

#[derive(Debug)]
struct Known {
    sessions: BoundedMap<SessionId, Arc<KnownSession>>,
    /// Sessions by the hash of their cookie.
    cookies: BoundedMap<[u8; 32], SessionId>,
    /// Raised whenever something is forgotten, so that what was read before is not put back after.
    forgotten: u64,
}

/// What a session is found by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    Id(SessionId),
    /// The hash of a cookie.
    Cookie([u8; 32]),
}

#[derive(Debug)]
struct KnownSession {
    id: SessionId,
    caller: Caller,
    expires_at: Timestamp,
    read_at: Instant,
    /// The last sighting that was noted, in microseconds.
    noted_at: AtomicI64,
}

/// An open session as the database has it.
pub(super) struct Found {
    pub id: SessionId,
    pub caller: Caller,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
}

impl SessionCache {
    /// `shared`: other nodes use the same database.
    pub fn new(shared: bool) -> Self {
        let (sessions, cookies) = (BoundedMap::new(CAPACITY), BoundedMap::new(CAPACITY));
        Self { shared, known: Mutex::new(Known { sessions, cookies, forgotten: 0 }), seen: Mutex::default() }
    }

    pub fn forget_all(&self) {
        let mut known = self.known.lock();
        known.sessions.clear();
        known.cookies.clear();
        known.forgotten += 1;
    }

    pub fn forget<'i>(&self, sessions: impl IntoIterator<Item = &'i SessionId>) {
        let mut known = self.known.lock();
        for session in sessions {
            known.sessions.remove(session);
            known.forgotten += 1;
        }
    }

    /// The caller of a session that is known, fresh and open. `None`: the database must be asked.
    pub(super) fn get(&self, named: Named, now: Timestamp) -> Option<Caller> {
        let session = {
            let known = self.known.lock();
            let id = match named {
                Named::Id(id) => id,
                Named::Cookie(hash) => *known.cookies.get(&hash)?,
            };
            known.sessions.get(&id)?.clone()
        };
        if (self.shared && session.read_at.elapsed() >= FRESH_FOR) || session.expires_at <= now {
            return None;
        }
        self.note_seen(&session, now);
        Some(session.caller.clone())
    }

    /// To be taken before the database is read.
    pub(super) fn ticket(&self) -> u64 {
        self.known.lock().forgotten
    }

    /// Remembers an open session, unless something was forgotten since the ticket was taken, and notes that it was seen.
    #[expect(clippy::disallowed_methods, reason = "how old an entry is, is a duration of this process")]
    pub(super) fn put(&self, ticket: u64, named: Named, found: Found, now: Timestamp) {
        let Found { id, caller, last_seen_at, expires_at } = found;
        let noted_at = AtomicI64::new(last_seen_at.micros());
        let session = Arc::new(KnownSession { id, caller, expires_at, read_at: Instant::now(), noted_at });
        self.note_seen(&session, now);
        let mut known = self.known.lock();
        if known.forgotten == ticket {
            known.sessions.insert(id, session);
            if let Named::Cookie(hash) = named {
                known.cookies.insert(hash, id);
            }
        }
    }

    fn note_seen(&self, session: &KnownSession, now: Timestamp) {
        let noted = session.noted_at.load(Ordering::Relaxed);
        if now.micros() - noted >= LAST_SEEN_MICROS {
            session.noted_at.store(now.micros(), Ordering::Relaxed);
            self.seen.lock().insert(session.id, now);
        }
    }

    /// Sightings noted since this was last called, in the order of ids.
    pub(super) fn take_seen(&self) -> Vec<(SessionId, Timestamp)> {
        let mut seen: Vec<(SessionId, Timestamp)> = std::mem::take(&mut *self.seen.lock()).into_iter().collect();
        seen.sort_unstable();
        seen
    }
}
