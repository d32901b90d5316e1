//! A batch on PostgreSQL whose accounts are remembered: judged first, and written if nobody has come between.
//!
//! One statement (`postgres_statements.rs`) moves each account's row from the version that is remembered to the next, and
//! adds the events of those that it has moved; balances and days go into the row itself (`postponed.rs`). An account whose
//! row has another version or epoch by then, or that another process holds, has nothing written, and its commands go the
//! long way, by locking and reading (`postgres_loading.rs`). So what was judged by memory counts only where memory was
//! true.
//!
//! A node that is alone adds one row to its journal instead of moving each account's (`journal.rs`): while the journal is
//! its own nobody can have come between, but for its own transactions, which wait for the batch or are waited for.

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
use super::journal::{Noted, Permit};
use super::memory::{AsOf, Moment, Remembrance};
use super::postgres_keys::{load_keys, select_keys};
use super::postgres_statements::{self, Written};
use super::postgres_writing::{Column, column, event_columns, fill_replays, job_columns, key_columns};
use super::postponed::Postponed;
use super::{Answer, Durability, LedgerError, Request, Shared, postgres_journal, reading};
use crate::StorageError;
use crate::tx::decode_postgres;

/// Accounts that are remembered with everything that their waiting commands need.
pub(super) struct Remembered {
    accounts: BTreeMap<AccountId, Remembrance>,
    at: Timestamp,
    began: Moment,
    /// Whether all of it was found to be so since the journal was begun.
    may_be_noted: bool,
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
    /// Nothing is, and the journal must be ended first.
    Fenced,
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
        // Those that may not be noted are found to be so, or not, by the long way.
        let is_open = shared.journal.is_open();
        let judged = wanted.into_iter().filter_map(|(account, requests)| {
            let remembered = remembrance(shared, account, &requests, at)?;
            (!is_open || remembered.journals == began.journals).then_some((account, remembered))
        });
        Self { accounts: judged.collect(), at, began, may_be_noted: is_open }
    }

    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Permission to write to the journal, if they may be noted.
    pub fn permit(&self, shared: &Shared) -> Option<Permit> {
        let permit = self.may_be_noted.then(|| shared.journal.begin(self.accounts.keys())).flatten();
        // A journal that was ended and begun again meanwhile is another.
        permit.filter(|_| shared.memory.journals() == self.began.journals)
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
    /// Writes what was judged, to the journal where that is permitted. Returns the accounts that it was written of: of the
    /// others somebody has written meanwhile.
    pub async fn write(
        &self,
        client: &Object,
        shared: &Shared,
        permit: Option<Permit>,
    ) -> Result<HashSet<AccountId>, MoveError> {
        let writes = &self.batch.writes;
        let has_more = !(writes.keys.is_empty() && writes.jobs.is_empty());
        let written = if permit.is_some() { Written::InJournal } else { Written::InRows };
        let sql = postgres_statements::write(written, has_more);
        let statement = client.prepare_cached(sql).await.map_err(|error| MoveError::Before(error.into()))?;
        let holder = permit.as_ref().map_or_else(|| shared.journal.holder(), |permit| permit.holder);
        let mut columns: Vec<Column<'_>> = vec![
            Box::new(self.at.micros() - shared.clock.offset_micros()),
            Box::new(reading::CLOCK_TOLERANCE_MICROS),
            Box::new(holder),
        ];
        match &permit {
            Some(permit) => {
                columns.push(Box::new(permit.number));
                columns.push(Box::new(postgres_journal::encode(self.noted())));
            }
            None => columns.extend(self.row_columns()),
        }
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
            Err(_) => {
                if permit.is_some() {
                    // Whoever ends it waits for the statement, and lets none in that is still on its way.
                    shared.journal.stop();
                }
                return Err(MoveError::Lost);
            }
        };
        match permit {
            Some(_) if moved.is_empty() => Err(MoveError::Fenced),
            Some(permit) => {
                permit.committed(self.noted().map(|(account, noted)| (*account, noted)));
                Ok(self.rows.keys().copied().collect())
            }
            None => moved_accounts(moved).map_err(|_| MoveError::Lost),
        }
    }

    /// How the accounts' rows are to be.
    fn noted(&self) -> impl ExactSizeIterator<Item = (&AccountId, Noted)> {
        self.rows.iter().map(|(account, row)| {
            let noted = Noted { version: row.version, last_at: self.at, postponed: row.postponed.clone() };
            (account, noted)
        })
    }

    fn row_columns(&self) -> [Column<'_>; 5] {
        let rows: Vec<_> = self.rows.iter().collect();
        [
            column(&rows, |(account, _)| account.to_text()),
            column(&rows, |(_, row)| row.epoch),
            column(&rows, |(_, row)| row.version),
            column(&rows, |(_, row)| row.postponed.encode()),
            Box::new(self.at.micros()),
        ]
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

fn moved_accounts(moved: Vec<tokio_postgres::Row>) -> Result<HashSet<AccountId>, StorageError> {
    decode_postgres(moved)?.iter().map(|row| row.parsed("account_id", AccountId::parse)).collect()
}

/// An error ends the statement's own transaction before its commit. What ends the connection as well, such as a server that
/// is being stopped, may come after it.
fn says_that_nothing_is_written(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| error.parsed_severity() == Some(Severity::Error))
}
