//! The ledger's hot path: commands wait in a queue, share a transaction, and are answered after it is durable.
//!
//! Start at [`Ledger::submit`]. A batch is loaded and written by `sqlite` or `postgres`, judged by `batch`; `memory` is
//! what the process remembers between batches, `plan_book` the plans that judge.

mod account_rows;
mod batch;
pub(crate) mod held;
pub(crate) mod journal;
pub(crate) mod memory;
pub mod plan_book;
mod postgres;
pub(crate) mod postgres_journal;
mod postgres_keys;
mod postgres_loading;
mod postgres_remembered;
mod postgres_statements;
pub(crate) mod postgres_write_back;
mod postgres_writing;
mod postponed;
pub(crate) mod queue;
mod reading;
mod redo;
mod reservations;
pub mod rows;
pub(crate) mod solitude;
pub(crate) mod sqlite;
mod sqlite_writing;
pub(crate) mod terms;
pub(crate) mod unwritten;
pub mod upkeep;
mod used_since;
pub mod verify;
pub(crate) mod write_back;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::ids::EventId;
use domain::ledger::{Command, Denial, LimitState, Outcome};
use domain::name::Name;
use parking_lot::RwLock;
use tokio::sync::oneshot;

use crate::database::Listeners;
use crate::tx::Changed;
use crate::{Clock, Database, Entropy, StorageError};
use held::Held;
use journal::Journal;
use memory::Memory;
use plan_book::PlanBook;
use postgres::Lanes;
use unwritten::Unwritten;

pub use reading::{Freshness, Standing};
pub use reservations::Renewal;

/// Days that a caller's key is remembered at least: longer than anything may still be recorded.
pub(crate) const KEY_DAYS: i64 = 40;

/// Sizes of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct LedgerSettings {
    /// Commands that may wait before callers are told to come back.
    pub queue_capacity: usize,
    /// Accounts remembered in memory.
    pub remembered_accounts: usize,
    /// Commands handled at once on PostgreSQL, each by its own connection.
    pub lanes: usize,
    /// Connections to PostgreSQL in all.
    pub connections: usize,
    /// How long a command may wait before it is given up unapplied.
    pub deadline: Duration,
    /// On SQLite: balances that may wait in the redo log before batches begin to write them to their table.
    pub unwritten_balances: usize,
    /// On PostgreSQL, for a node that is alone: accounts that may wait in its journal before their rows are written while
    /// others are noted.
    pub noted_accounts: usize,
    /// How long nothing must happen before everything that waits is written.
    pub write_back_after: Duration,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            queue_capacity: 4_096,
            remembered_accounts: 2_000_000,
            lanes: 2,
            connections: 16,
            deadline: Duration::from_secs(10),
            unwritten_balances: 262_144,
            noted_accounts: 65_536,
            write_back_after: Duration::from_millis(200),
        }
    }
}

/// A command with what is kept beside it.
#[derive(Clone, Debug)]
pub struct Request {
    pub command: Command,
    pub key: Option<CallerKey>,
    /// Empty for usage that no model made.
    pub model: Name,
    /// JSON kept with the event: user, tokens, cost and the price it was made with, context, metadata.
    pub details: Arc<str>,
    /// The entitlement epoch of the terms it was prepared by. Where the account has another by now, nothing is judged and
    /// the answer is [`LedgerError::TermsChanged`]. `None`: it holds whatever the terms are.
    pub epoch: Option<i64>,
    pub durability: Durability,
}

/// What must have happened to a command before it is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// It is on the disk.
    Synced,
    /// It is committed, and reaches the disk no later than the next command that is synced: a killed process loses nothing,
    /// a power cut may. For holds that are worth nothing once the process that made them is gone.
    Ordered,
    /// A hold that is worth nothing once this process is gone. On SQLite it is not written at all unless it draws credits,
    /// or is renewed to be booked when nobody settles it; what is booked in its place counts like any other commit. On
    /// PostgreSQL as [`Durability::Ordered`].
    OfProcess,
}

/// A caller's idempotency key, hashed, and a hash of what it was sent with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallerKey {
    pub hash: [u8; 16],
    pub content: [u8; 16],
}

#[derive(Clone, Debug)]
pub enum Answer {
    Judged(Outcome),
    /// The same command was accepted before, as this event; the limits are as they stand now.
    Replayed {
        event: EventId,
        limits: Vec<LimitState>,
        stored: Option<StoredEvent>,
    },
    /// The key was used with other content.
    Conflict(EventId),
}

/// What an event was kept with.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    pub action: domain::ledger::EventAction,
    pub details: Arc<str>,
    pub reservation: Option<domain::ids::ReservationId>,
    pub late: bool,
    /// Server time it was judged at.
    pub at: domain::time::Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("no such account")]
    AccountUnknown,
    /// It waited too long and was not applied.
    #[error("the command waited too long and was not applied")]
    TooLate,
    /// It was prepared by terms that the account has no more, and was not applied.
    #[error("the account's terms have changed")]
    TermsChanged,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A request on its way, with the channel that answers it.
pub(crate) struct Pending {
    pub request: Request,
    pub deadline: Instant,
    pub answer: oneshot::Sender<Result<Answer, LedgerError>>,
}

/// Whether a command comes by itself.
#[derive(Clone, Copy)]
enum Company {
    Alone,
    Others,
}

/// What the queue, the engines and the readers share.
pub(crate) struct Shared {
    pub clock: Arc<Clock>,
    pub entropy: Entropy,
    pub settings: LedgerSettings,
    pub memory: Memory,
    /// Empty on PostgreSQL.
    pub unwritten: Arc<Unwritten>,
    /// Empty on PostgreSQL.
    pub held: Held,
    /// Empty on SQLite.
    pub journal: Arc<Journal>,
    listeners: Arc<Listeners>,
    /// The plans, and which version of the catalog tables they were read at.
    plans: RwLock<(u64, Option<Arc<PlanBook>>)>,
    /// Raised whenever a catalog is applied.
    catalog_version: AtomicU64,
}

impl Shared {
    pub fn new(clock: Arc<Clock>, settings: LedgerSettings, listeners: Arc<Listeners>, several_writers: bool) -> Self {
        Self {
            clock,
            entropy: Entropy::system(),
            settings,
            memory: Memory::new(settings.remembered_accounts, several_writers),
            unwritten: Arc::new(Unwritten::new(settings.unwritten_balances)),
            held: Held::default(),
            journal: Arc::new(Journal::new(settings.noted_accounts)),
            listeners,
            plans: RwLock::default(),
            catalog_version: AtomicU64::new(1),
        }
    }

    pub fn forget(&self, changed: &Changed) {
        if changed.catalog {
            self.catalog_version.fetch_add(1, Ordering::AcqRel);
            self.memory.forget_all();
        }
        changed.accounts.iter().for_each(|account| self.memory.forget(*account));
    }

    /// Tells of the jobs that a batch has committed.
    pub fn tell_of_jobs(&self, batch: &batch::Batch) {
        if !batch.writes.jobs.is_empty() {
            self.listeners.tell(&Changed { jobs: true, ..Changed::default() });
        }
    }

    /// The plans, unless a catalog was applied since they were read.
    pub fn plans(&self) -> Option<Arc<PlanBook>> {
        let (read_at, plans) = &*self.plans.read();
        plans.clone().filter(|_| *read_at == self.catalog_version())
    }

    pub fn catalog_version(&self) -> u64 {
        self.catalog_version.load(Ordering::Acquire)
    }

    /// Takes plans that were read when [`Shared::catalog_version`] was `read_at`.
    pub fn put_plans(&self, read_at: u64, plans: PlanBook) -> Arc<PlanBook> {
        let plans = Arc::new(plans);
        let mut kept = self.plans.write();
        if kept.0 <= read_at {
            *kept = (read_at, Some(plans.clone()));
        }
        plans
    }

    /// The clock never says a time before the last event: a restart after the wall clock was set back goes on from there.
    pub fn start_after(&self, connection: &rusqlite::Connection) -> Result<(), StorageError> {
        let last: Option<i64> =
            connection.query_row(sqlite::SELECT_LAST_EVENT, [], |row| row.get(0)).unwrap_or_default();
        self.clock.not_before(domain::time::Timestamp::from_micros(last.unwrap_or(0)));
        Ok(())
    }
}

/// The way in. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    database: Database,
    shared: Arc<Shared>,
    lanes: Option<Arc<Lanes>>,
}

impl Ledger {
    pub(crate) async fn start(database: &Database, shared: Arc<Shared>) -> Result<Self, StorageError> {
        let lanes = database.pool().map(|pool| Arc::new(Lanes::start(pool, database.clone(), &shared)));
        let ledger = Self { database: database.clone(), shared, lanes };
        ledger.plans().await?;
        solitude::watch(database.clone(), &ledger.shared);
        if let Some(pool) = database.pool() {
            tokio::spawn(postgres_journal::keep_writing(pool, Arc::downgrade(&ledger.shared)));
        }
        Ok(ledger)
    }

    /// Judges a command and, when it is accepted, makes it durable before answering.
    ///
    /// # Errors
    /// [`StorageError::Busy`] when too much waits, [`LedgerError::TooLate`] when it waited past the deadline (both not
    /// applied), [`StorageError::OutcomeUnknown`] when a commit's answer was lost and the same key will find out.
    pub async fn submit(&self, request: Request) -> Result<Answer, LedgerError> {
        self.run(request, Company::Alone).await
    }

    /// As [`Ledger::submit`], for one of several that are sent at the same time: they share a transaction.
    ///
    /// # Errors
    /// As [`Ledger::submit`].
    pub async fn submit_beside_others(&self, request: Request) -> Result<Answer, LedgerError> {
        self.run(request, Company::Others).await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a deadline is a duration of this process, not a time of the product"
    )]
    async fn run(&self, request: Request, company: Company) -> Result<Answer, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.shared.settings.deadline;
        let pending = Pending { request, deadline, answer };
        match (&self.lanes, self.database.sqlite(), company) {
            (Some(lanes), ..) => lanes.push(pending)?,
            (None, Some(sqlite), Company::Others) => sqlite.queue.push(pending)?,
            (None, Some(sqlite), Company::Alone) => {
                sqlite.run_here(&self.shared, pending).map_or(Ok(()), |pending| sqlite.queue.push(pending))?;
            }
            (None, None, _) => return Err(StorageError::Unavailable("no engine is running".into()).into()),
        }
        answered.await.unwrap_or_else(|_| Err(StorageError::Unavailable("the server is stopping".into()).into()))
    }

    /// A denial that is known to hold still, answered without the queue. Not for commands with a caller's key: those are
    /// looked up first, since they may have been accepted before.
    pub fn remembered_denial(&self, command: &Command) -> Option<Arc<Denial>> {
        self.shared.memory.denial(command, self.shared.clock.now())
    }

    pub fn clock(&self) -> &Arc<Clock> {
        &self.shared.clock
    }

    /// Commands and closures that wait.
    pub fn queue_depth(&self) -> usize {
        match (&self.lanes, self.database.sqlite()) {
            (Some(lanes), _) => lanes.depth(),
            (None, Some(sqlite)) => sqlite.queue.depth(),
            (None, None) => 0,
        }
    }

    pub fn settings(&self) -> LedgerSettings {
        self.shared.settings
    }

    pub fn remembered_accounts(&self) -> usize {
        self.shared.memory.accounts()
    }

    /// Balances and daily sums that are in the redo log and not in their tables yet. None on PostgreSQL.
    pub fn unwritten(&self) -> (usize, usize) {
        self.shared.unwritten.lengths()
    }

    /// Accounts whose rows do not say yet what this node's journal says. `None` where it keeps none: on SQLite, and beside
    /// other processes.
    pub fn noted(&self) -> Option<usize> {
        self.shared.journal.is_open().then(|| self.shared.journal.stands().0)
    }

    /// The applied catalog with its plan versions. `Ok(None)` before the first catalog.
    pub async fn plans(&self) -> Result<Option<Arc<PlanBook>>, StorageError> {
        if let Some(plans) = self.shared.plans() {
            return Ok(Some(plans));
        }
        let read_at = self.shared.catalog_version();
        let read = self.database.read("load_plans", crate::records::catalogs::load_plan_book).await?;
        Ok(read.map(|plans| self.shared.put_plans(read_at, plans)))
    }
}

/// A caller's key as its row keeps it.
pub(crate) fn known_key(
    account: domain::ids::AccountId,
    content: &[u8],
    event: &str,
) -> Result<batch::KnownKey, StorageError> {
    let content = content.try_into().map_err(|_| StorageError::unexpected("a key's content hash is not 16 bytes"))?;
    let event = EventId::from_own_text(account, event)
        .ok_or_else(|| StorageError::Unexpected(format!("a key names the event {event:?}, which cannot be read")))?;
    Ok(batch::KnownKey { content, event })
}

/// The month a key is kept in, so that whole months can be dropped.
pub(crate) fn key_bucket(at: domain::time::Timestamp) -> i64 {
    at.month_number()
}

/// What an event row says of how it came about.
pub(crate) fn stored_event(
    account: domain::ids::AccountId,
    row: &crate::value::Row,
) -> Result<StoredEvent, StorageError> {
    Ok(StoredEvent {
        action: row.parsed("action", domain::ledger::EventAction::parse)?,
        details: Arc::from(row.text("details")?),
        reservation: row
            .parsed_or_null("reservation_id", |text| domain::ids::ReservationId::from_own_text(account, text))?,
        late: row.integer("flags")? & rows::LATE != 0,
        at: row.time("at")?,
    })
}

/// Every statement that both engines run here, for the test that prepares them all.
pub fn statements() -> Vec<&'static str> {
    [
        reading::STATEMENTS,
        redo::STATEMENTS,
        reservations::STATEMENTS,
        terms::STATEMENTS,
        upkeep::STATEMENTS,
        used_since::STATEMENTS,
        verify::STATEMENTS,
    ]
    .concat()
}

/// The batch's own statements on SQLite, where they are written with `?1`.
pub fn sqlite_statements() -> Vec<&'static str> {
    [sqlite::STATEMENTS, sqlite_writing::STATEMENTS, write_back::STATEMENTS].concat()
}

/// The batch's own statements on PostgreSQL.
pub fn postgres_statements() -> Vec<&'static str> {
    [
        postgres_journal::STATEMENTS,
        postgres_keys::STATEMENTS,
        postgres_loading::STATEMENTS,
        &postgres_statements::statements(),
        postgres_write_back::STATEMENTS,
        postgres_writing::STATEMENTS,
        upkeep::POSTGRES_STATEMENTS,
        reading::POSTGRES_STATEMENTS,
        solitude::POSTGRES_STATEMENTS,
    ]
    .concat()
}
