//! Whether this process is alone at its PostgreSQL database: then what it remembers stays true without being read again.
//!
//! Every process has a name of its own among the server's connections, and counts itself when it opens the database. As
//! long as a look, repeated several times a second, finds no other name and the count unchanged, nobody else has written.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::time::{MICROS_PER_SECOND, Timestamp};
use parking_lot::Mutex;

use super::{Shared, postgres_journal};
use crate::records::catalogs;
use crate::tx::Changed;
use crate::{Database, StorageError, Tx};

/// What every connection's name begins with.
pub(crate) const NAME_PREFIX: &str = "tollway ";
/// How long something may be believed that another process could have changed.
pub(crate) const FRESH_MICROS: i64 = MICROS_PER_SECOND / 2;

const LOOK_EVERY: Duration = Duration::from_millis(150);
const COUNT_ONESELF: &str = "SELECT nextval('database_openings') AS openings";
/// Connections of processes that are called otherwise.
macro_rules! others {
    () => {
        "(SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name LIKE 'tollway %' AND application_name <> $1)"
    };
}
pub(super) const OTHERS: &str = concat!("SELECT ", others!(), " AS others");
const LOOK: &str = concat!("SELECT (SELECT last_value FROM database_openings) AS openings, ", others!(), " AS others");

pub(crate) const POSTGRES_STATEMENTS: &[&str] = &[COUNT_ONESELF, LOOK, OTHERS];

/// Since when, and until when at least, nobody else writes. Never, unless it is looked after.
#[derive(Default)]
pub(crate) struct Solitude {
    /// After `until` nothing is known, whatever this says.
    since: AtomicI64,
    until: AtomicI64,
    last: Mutex<Option<Look>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    openings: i64,
    others: i64,
}

impl Solitude {
    /// Whether nobody else can have changed what was read at that time.
    pub fn covers(&self, read_at: Timestamp, now: Timestamp) -> bool {
        now.micros() < self.until.load(Ordering::Acquire) && self.since.load(Ordering::Acquire) <= read_at.micros()
    }

    /// Takes over what a look has found. Whoever is gone by its end has written nothing after it; whoever comes after its
    /// beginning may have.
    fn note(&self, look: Look, begun_at: Timestamp, ended_at: Timestamp) {
        let before = self.last.lock().replace(look);
        if look.others > 0 {
            self.until.store(0, Ordering::Release);
            return;
        }
        if before != Some(look) {
            self.since.store(ended_at.micros(), Ordering::Release);
        }
        self.until.store(begun_at.plus_micros(FRESH_MICROS).micros(), Ordering::Release);
    }
}

/// Counts this process among those that have opened the database. Before anything of the ledger is written.
pub(crate) fn count_oneself(tx: &mut Tx<'_>) -> Result<(), StorageError> {
    tx.query(COUNT_ONESELF, &[]).map(|_| ())
}

/// Looks for other processes and for catalogs that they have applied, as long as the ledger lives.
pub(super) fn watch(database: Database, shared: &Arc<Shared>) {
    let Some(name) = database.postgres_name() else { return };
    let shared = Arc::downgrade(shared);
    tokio::spawn(async move {
        while look_once(&database, &shared, &name).await.is_some() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
}

/// `None` when nobody uses the ledger any more. A look that fails says nothing: what was known runs out by itself.
async fn look_once(database: &Database, shared: &Weak<Shared>, name: &Arc<str>) -> Option<()> {
    let begun_at = shared.upgrade()?.clock.now();
    let asked = name.clone();
    let read = move |tx: &mut Tx<'_>| {
        let row = tx.query_optional(LOOK, &[(&*asked).into()])?.ok_or_else(|| StorageError::unexpected("no row"))?;
        let look = Look { openings: row.integer("openings")?, others: row.integer("others")? };
        Ok::<_, StorageError>((look, catalogs::latest_id(tx)?))
    };
    let Ok((look, catalog)) = database.read("look_for_others", read).await else { return Some(()) };
    let shared = shared.upgrade()?;
    let known = shared.plans().map(|plans| plans.catalog_id);
    if known.is_some_and(|known| catalog.is_some_and(|latest| latest != known)) {
        shared.forget(&Changed { catalog: true, ..Changed::default() });
    }
    shared.memory.solitude.note(look, begun_at, shared.clock.now());
    if let Some(pool) = database.pool() {
        postgres_journal::follow(&pool, &shared, (name, look.others == 0)).await;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + millis * 1_000)
    }

    const ALONE: Look = Look { openings: 1, others: 0 };

    #[test]
    fn what_was_read_alone_is_believed_until_nobody_has_looked_for_half_a_second() {
        let solitude = Solitude::default();
        assert!(!solitude.covers(at(0), at(0)), "nobody has looked");
        solitude.note(ALONE, at(10), at(12));
        assert!(!solitude.covers(at(11), at(20)), "read before the first look had ended");
        assert!(solitude.covers(at(12), at(509)));
        assert!(!solitude.covers(at(12), at(510)));
        solitude.note(ALONE, at(600), at(602));
        assert!(solitude.covers(at(12), at(700)), "nobody came meanwhile");
    }

    #[test]
    fn others_end_it_and_what_was_read_beside_them_is_not_believed() {
        let solitude = Solitude::default();
        solitude.note(ALONE, at(0), at(1));
        solitude.note(Look { openings: 2, others: 1 }, at(100), at(101));
        assert!(!solitude.covers(at(50), at(102)));
        solitude.note(Look { openings: 2, others: 0 }, at(200), at(201));
        assert!(!solitude.covers(at(150), at(202)));
        assert!(solitude.covers(at(201), at(202)));
    }

    #[test]
    fn who_came_and_went_between_two_looks_is_noticed() {
        let solitude = Solitude::default();
        solitude.note(ALONE, at(0), at(1));
        solitude.note(Look { openings: 2, others: 0 }, at(100), at(101));
        assert!(!solitude.covers(at(50), at(102)));
        assert!(solitude.covers(at(101), at(102)));
    }
}
