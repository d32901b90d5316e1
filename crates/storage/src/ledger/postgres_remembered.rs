//! A batch on PostgreSQL whose accounts are remembered: judged first, and written if nobody has come between.
//!
//! One statement moves each account's row from the version that is remembered to the next, and adds the events of those
//! that it has moved; balances and days go into the row itself (`postponed.rs`). An account whose row has another version
//! or epoch by then, or that another process holds, has nothing written, and its commands go the long way, by locking and
//! reading (`postgres_loading.rs`). So what was judged by memory counts only where memory was true.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use deadpool_postgres::Object;
use domain::ids::{AccountId, EventId, JobId};
use domain::ledger::{Action, Outcome, Place};
use domain::plain::Plain;
use domain::time::Timestamp;
use tokio_postgres::error::Severity;
use tokio_postgres::types::ToSql;

use super::batch::Batch;
use super::memory::{AsOf, Moment, Remembrance};
use super::postgres_keys::{load_keys, select_keys};
use super::postgres_writing::{Column, column, event_columns, fill_replays, job_columns, key_columns};
use super::postponed::Postponed;
use super::{Answer, Durability, LedgerError, Request, Shared, reading};
use crate::StorageError;
use crate::tx::decode_postgres;

/// A row is moved only while this node's clock is near enough to the database's. In the order of the accounts, as every
/// statement that locks them.
macro_rules! moved_with_events {
    () => {
        "WITH moved AS (INSERT INTO ledger_accounts (account_id, entitlement_epoch, version, postponed, last_at) \
    SELECT w.account_id, w.epoch, w.version, w.postponed, $5 FROM (SELECT unnest($1::text[]) AS account_id, \
    unnest($2::bigint[]) AS epoch, unnest($3::bigint[]) AS version, unnest($4::bytea[]) AS postponed) w \
    WHERE (SELECT ABS(CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) - $6) <= $7) \
    ON CONFLICT (account_id) DO UPDATE SET version = excluded.version, postponed = excluded.postponed, \
    last_at = excluded.last_at WHERE ledger_accounts.version = excluded.version - 1 \
    AND ledger_accounts.entitlement_epoch = excluded.entitlement_epoch AND ledger_accounts.last_at <= excluded.last_at \
    RETURNING account_id), \
    events AS (INSERT INTO usage_events (account_id, id, action, at, occurred_at, flags, model, amounts, postings, draws, \
    details, reservation_id, reverses) SELECT w.* FROM (SELECT unnest($8::text[]) AS account_id, unnest($9::text[]), \
    unnest($10::text[]), unnest($11::bigint[]), unnest($12::bigint[]), unnest($13::bigint[]), unnest($14::text[]), \
    unnest($15::text[]), unnest($16::text[]), unnest($17::text[]), unnest($18::text[]), unnest($19::text[]), \
    unnest($20::text[])) w WHERE w.account_id IN (SELECT account_id FROM moved))"
    };
}

const MOVE: &str = concat!(moved_with_events!(), " SELECT account_id FROM moved");
/// With callers' keys and jobs, which most batches have none of: PostgreSQL prepares every table of a statement each time.
const MOVE_WITH_MORE: &str = concat!(
    moved_with_events!(),
    ", keys AS (INSERT INTO ledger_keys (account_id, bucket, key_hash, content_hash, event_id) SELECT w.* FROM \
    (SELECT unnest($21::text[]) AS account_id, unnest($22::bigint[]), unnest($23::bytea[]), unnest($24::bytea[]), \
    unnest($25::text[])) w WHERE w.account_id IN (SELECT account_id FROM moved)), \
    jobs AS (INSERT INTO jobs (id, kind, account_id, payload, state, run_at, attempts, created_at) \
    SELECT w.id, w.kind, w.account_id, w.payload, 'ready', w.at, 0, w.at FROM (SELECT unnest($26::text[]) AS id, \
    unnest($27::text[]) AS kind, unnest($28::text[]) AS account_id, unnest($29::text[]) AS payload, \
    unnest($30::bigint[]) AS at) w WHERE w.account_id IN (SELECT account_id FROM moved)) \
    SELECT account_id FROM moved"
);

pub(crate) const STATEMENTS: &[&str] = &[MOVE, MOVE_WITH_MORE];

/// Accounts that are remembered with everything that their waiting commands need.
pub(super) struct Remembered {
    accounts: BTreeMap<AccountId, Remembrance>,
    at: Timestamp,
    began: Moment,
}

/// What a batch came to, by account.
pub(super) struct Judged {
    pub batch: Batch,
    pub answers: Vec<Result<Answer, LedgerError>>,
    at: Timestamp,
    began: Moment,
    rows: BTreeMap<AccountId, AccountRow>,
}

/// An account's row as it is to be.
struct AccountRow {
    epoch: i64,
    version: i64,
    postponed: Arc<Postponed>,
    next_expiry: Option<Timestamp>,
}

/// Why nothing is known to be written.
pub(super) enum MoveError {
    /// Nothing is.
    Before(StorageError),
    /// The answer was lost.
    Lost,
}

impl Remembered {
    /// The accounts of these requests that can be judged by memory, if it is true.
    pub fn of(shared: &Shared, requests: &[&Request]) -> Self {
        let (at, began) = (shared.clock.now(), shared.memory.moment());
        let mut wanted: HashMap<AccountId, Vec<&Request>> = HashMap::new();
        for request in requests {
            wanted.entry(request.command.event.account).or_default().push(request);
        }
        let judged = wanted.into_iter().filter_map(|(account, requests)| {
            let remembered = remembrance(shared, account, &requests, at)?;
            Some((account, remembered))
        });
        Self { accounts: judged.collect(), at, began }
    }

    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Whether something of these accounts may have been forgotten since.
    pub fn is_past(&self, shared: &Shared) -> bool {
        self.accounts.keys().any(|account| shared.memory.is_past(&self.began, *account))
    }

    pub fn has(&self, request: &Request) -> bool {
        self.accounts.contains_key(&request.command.event.account)
    }

    /// Judges requests of these accounts. `Ok(None)`: they need what is not written here.
    pub async fn judge(
        self,
        client: &Object,
        shared: &Shared,
        requests: &[&Request],
    ) -> Result<Option<Judged>, super::postgres::BatchError> {
        let at = self.at;
        let mut batch = Batch::default();
        // Whoever has added a key since memory was true has moved the account's row as well.
        load_keys(&mut batch, &select_keys(client, requests, at).await?)?;
        let mut rows = BTreeMap::new();
        for (account, known) in self.accounts {
            let Remembrance { book, next_expiry, version, postponed, .. } = known;
            let (epoch, version) = (book.terms.epoch, version + 1);
            rows.insert(account, AccountRow { epoch, version, postponed: postponed.unwrap_or_default(), next_expiry });
            batch.books.insert(account, book);
        }
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let answer = batch.judge(request, at, JobId::new(at, shared.entropy.bits()));
            if matches!(answer, Err(LedgerError::Storage(_))) {
                return Ok(None);
            }
            answers.push(answer);
        }
        fill_replays(client, requests, &mut answers, &batch).await?;
        let changes = batch.take_book_writes();
        if !(changes.reservations.is_empty() && changes.credits.is_empty() && batch.writes.reversed.is_empty()) {
            return Ok(None);
        }
        for (account, place, balance) in changes.balances {
            if let Some(row) = rows.get_mut(&account) {
                Arc::make_mut(&mut row.postponed).set_balance(place, balance);
            }
        }
        for ((account, day), sum) in std::mem::take(&mut batch.writes.daily) {
            if let Some(row) = rows.get_mut(&account) {
                Arc::make_mut(&mut row.postponed).add_to_day(day, sum);
            }
        }
        if rows.values().any(|row| row.postponed.is_too_long()) {
            return Ok(None);
        }
        Ok(Some(Judged { batch, answers, at, began: self.began, rows }))
    }
}

/// What is remembered of an account, if its commands are of a kind that is written here, and all that they need is known.
fn remembrance(shared: &Shared, account: AccountId, requests: &[&Request], at: Timestamp) -> Option<Remembrance> {
    let terms = shared.memory.last_terms(account)?;
    let is_simple = |request: &&Request| {
        matches!(request.command.action, Action::Consume | Action::Record)
            && request.durability == Durability::Synced
            && request.epoch.is_none_or(|epoch| epoch == terms.epoch)
    };
    if !requests.iter().all(is_simple) {
        return None;
    }
    let book = domain::ledger::Book::new(account, terms.clone());
    let places: BTreeSet<Place> = requests.iter().flat_map(|request| book.places_of(&request.command, at)).collect();
    let places: Vec<Place> = places.into_iter().collect();
    let known = shared.memory.remembrance(account, &places, at)?;
    let is_due = known.postponed.as_ref().is_some_and(|postponed| postponed.is_due(known.postponed_since, at));
    // An account without a version has no row yet. Credits that are drawn have rows of their own.
    let is_known = known.version > 0
        && known.last_at <= at
        && known.book.terms.epoch == terms.epoch
        && known.book.credits().is_empty();
    (is_known && !is_due).then_some(known)
}

impl Judged {
    /// Writes what was judged. Returns the accounts that it was written of: of the others somebody has written meanwhile.
    pub async fn write(&self, client: &Object, shared: &Shared) -> Result<HashSet<AccountId>, MoveError> {
        let writes = &self.batch.writes;
        let has_more = !(writes.keys.is_empty() && writes.jobs.is_empty());
        let sql = if has_more { MOVE_WITH_MORE } else { MOVE };
        let statement = client.prepare_cached(sql).await.map_err(|error| MoveError::Before(error.into()))?;
        let rows: Vec<_> = self.rows.iter().collect();
        let mut columns: Vec<Column<'_>> = vec![
            column(&rows, |(account, _)| account.to_text()),
            column(&rows, |(_, row)| row.epoch),
            column(&rows, |(_, row)| row.version),
            column(&rows, |(_, row)| row.postponed.encode()),
            Box::new(self.at.micros()),
            Box::new(self.at.micros() - shared.clock.offset_micros()),
            Box::new(reading::CLOCK_TOLERANCE_MICROS),
        ];
        columns.extend(event_columns(&writes.events));
        if has_more {
            columns.extend(key_columns(&writes.keys));
            columns.extend(job_columns(&writes.jobs));
        }
        let values: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect();
        let moved = match client.query(&statement, &values).await {
            Ok(moved) => moved,
            Err(error) if says_that_nothing_is_written(&error) => {
                return Err(MoveError::Before(error.into()));
            }
            Err(_) => return Err(MoveError::Lost),
        };
        let moved = decode_postgres(moved).map_err(|_| MoveError::Lost)?;
        moved
            .iter()
            .map(|row| row.parsed("account_id", AccountId::parse))
            .collect::<Result<_, _>>()
            .map_err(|_| MoveError::Lost)
    }

    /// Remembers what was written of these accounts, and what was denied there.
    pub fn publish(&self, shared: &Shared, requests: &[&Request], written: &HashSet<AccountId>) {
        for account in written {
            let (Some(book), Some(row)) = (self.batch.books.get(account), self.rows.get(account)) else { continue };
            let as_of = AsOf {
                next_expiry: row.next_expiry,
                at: self.at,
                version: row.version,
                since_version: row.version - 1,
                last_at: self.at,
                postponed: (!row.postponed.is_empty()).then(|| row.postponed.clone()),
            };
            shared.memory.publish(book, as_of, (self.batch.accepted.contains(account), &self.began));
        }
        shared.tell_of_jobs(&self.batch);
        for (request, answer) in requests.iter().zip(&self.answers) {
            let account = request.command.event.account;
            // What was accepted beside it may have made room after it.
            if let Ok(Answer::Judged(Outcome::Denied(denial))) = answer
                && written.contains(&account)
                && !self.batch.accepted.contains(&account)
            {
                shared.memory.remember_denial(account, denial, (self.at, &self.began));
            }
        }
    }

    /// What was accepted, for finding out whether it was written.
    pub fn events(&self) -> Vec<EventId> {
        self.batch.writes.events.iter().map(|row| row.event.id).collect()
    }

    pub fn accounts(&self) -> BTreeSet<AccountId> {
        self.rows.keys().copied().collect()
    }
}

/// An error ends the statement's own transaction before its commit. What ends the connection as well, such as a server that
/// is being stopped, may come after it.
fn says_that_nothing_is_written(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| error.parsed_severity() == Some(Severity::Error))
}
