//! A batch on SQLite, run by the writer thread: judged by what memory knows, filled on demand, one commit for all.

use std::sync::Arc;
use std::time::Instant;

use domain::ids::{AccountId, EventId, JobId, ReservationId};
use domain::ledger::{Action, Balance, Command, Place, Reservation, ReservationState};
use domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::batch::Batch;
use super::memory::AsOf;
use super::plan_book::PlanBook;
use super::sqlite_writing::{fill_replays, write};
use super::write_back::agree_with_log;
use super::{Answer, CallerKey, Durability, LedgerError, Pending, Request, Shared, reading, reservations, terms};
use crate::StorageError;
use crate::id_map::IdMap;
use crate::sqlite::in_unsynced_transaction;
use crate::tx::{Engine, Tx};

pub(crate) const SELECT_LAST_EVENT: &str = "SELECT at FROM usage_events ORDER BY id DESC LIMIT 1";
const SELECT_BALANCE: &str = "SELECT used, reserved, credited, warned_percent, warned_limit, observed_at FROM balances \
    WHERE account_id = ?1 AND scope = ?2 AND scope_id = ?3 AND meter = ?4 AND window_kind = ?5 AND window_start = ?6";
const SELECT_KEY: &str =
    "SELECT content_hash, event_id FROM ledger_keys WHERE account_id = ?1 AND key_hash = ?2 LIMIT 1";

pub(crate) const STATEMENTS: &[&str] = &[SELECT_LAST_EVENT, SELECT_BALANCE, SELECT_KEY];

type Answers = Vec<Result<Answer, LedgerError>>;

/// What a batch came to, not told to anybody yet.
pub(crate) struct Ran {
    answers: Vec<(Pending, Result<Answer, LedgerError>)>,
    started: Instant,
}

impl Ran {
    /// Answers those commands that need not be on the disk.
    pub fn answer_unsynced(&mut self) {
        let needs_no_disk = |(pending, _): &mut (Pending, _)| pending.request.durability != Durability::Synced;
        self.answers.extract_if(.., needs_no_disk).for_each(|(pending, outcome)| answer(pending, outcome));
    }

    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Answers the others, when all of the batch is on the disk.
    pub fn answer(self) {
        metrics::histogram!("tollway_ledger_commit_seconds").record(self.started.elapsed().as_secs_f64());
        self.answers.into_iter().for_each(|(pending, outcome)| answer(pending, outcome));
    }
}

/// Runs what waits in one transaction. When that fails on data, each command runs again by itself, so that one bad row
/// does not fail its neighbours; when the database cannot write, all are told so and nothing is remembered.
pub(crate) fn run_batch(connection: &Connection, shared: &Shared, pending: Vec<Pending>) -> Ran {
    let started = now();
    let is_in_time = |pending: &Pending| started < pending.deadline;
    let (waiting, late): (Vec<Pending>, Vec<Pending>) =
        if pending.iter().all(is_in_time) { (pending, Vec::new()) } else { pending.into_iter().partition(is_in_time) };
    let mut answers: Vec<_> = late.into_iter().map(|pending| (pending, Err(LedgerError::TooLate))).collect();
    if waiting.is_empty() {
        return Ran { answers, started };
    }
    metrics::histogram!("tollway_ledger_batch_size").record(waiting.len() as f64);
    let requests: Vec<&Request> = waiting.iter().map(|pending| &pending.request).collect();
    match try_batch(connection, shared, &requests) {
        Ok(judged) => answers.extend(waiting.into_iter().zip(judged)),
        Err(error @ (StorageError::Unexpected(_) | StorageError::Taken(_))) if waiting.len() > 1 => {
            tracing::error!(%error, "a batch failed on data; its commands run again one at a time");
            answers.extend(waiting.into_iter().map(|pending| {
                let outcome = match try_batch(connection, shared, &[&pending.request]) {
                    Ok(mut answers) => answers.pop().unwrap_or(Err(LedgerError::AccountUnknown)),
                    Err(error) => Err(error.into()),
                };
                (pending, outcome)
            }));
        }
        Err(error) => {
            tracing::error!(%error, "a batch was not committed");
            shared.memory.forget_all();
            if let Err(error) = agree_with_log(connection, &shared.unwritten) {
                tracing::error!(%error, "the ledger's redo log could not be compared with what waits");
            }
            let unavailable = || Err(StorageError::Unavailable(error.to_string()).into());
            answers.extend(waiting.into_iter().map(|pending| (pending, unavailable())));
        }
    }
    Ran { answers, started }
}

#[expect(clippy::disallowed_methods, reason = "deadlines and latencies are durations of this process")]
fn now() -> Instant {
    Instant::now()
}

fn answer(pending: Pending, outcome: Result<Answer, LedgerError>) {
    // The caller may have left; what was committed stays.
    let _ = pending.answer.send(outcome);
}

fn try_batch(connection: &Connection, shared: &Shared, requests: &[&Request]) -> Result<Answers, StorageError> {
    let (at, began) = (shared.clock.now(), shared.memory.moment());
    let mut batch = Batch::default();
    batch.holds_in_process = true;
    let mut expiries: IdMap<AccountId, Option<Timestamp>> = IdMap::default();
    let judge = |batch: &mut Batch, expiries: &mut IdMap<_, _>| {
        let plans = plans(connection, shared)?;
        let mut loader = Loader { connection, shared, plans: &plans, at, batch, expiries };
        requests.iter().map(|request| loader.run(request)).collect::<Result<Answers, StorageError>>()
    };
    let (answers, done) = if requests.iter().all(|request| request.durability == Durability::OfProcess) {
        let answers = judge(&mut batch, &mut expiries)?;
        let done = match batch.has_writes() {
            true => Some(in_unsynced_transaction(connection, || write(connection, shared, &mut batch, &mut expiries))?),
            false => None,
        };
        (answers, done)
    } else {
        in_unsynced_transaction(connection, || {
            let mut answers = judge(&mut batch, &mut expiries)?;
            let done = write(connection, shared, &mut batch, &mut expiries)?;
            fill_replays(connection, requests, &mut answers)?;
            Ok::<_, StorageError>((answers, Some(done)))
        })?
    };
    // Before memory: whoever reads an account from the tables because memory lost it finds here what they lack.
    done.into_iter().for_each(|done| shared.unwritten.committed(done));
    shared.held.committed(std::mem::take(&mut batch.held_changes));
    for (account, book) in &batch.books {
        let next_expiry = expiries.get(account).copied().flatten();
        let as_of = AsOf { next_expiry, at, version: 0, since_version: 0, last_at: at, postponed: None };
        shared.memory.publish(book, as_of, (batch.accepted.contains(account), &began));
    }
    shared.tell_of_jobs(&batch);
    for (request, answer) in requests.iter().zip(&answers) {
        let account = request.command.event.account;
        // What was accepted beside it may have made room after it.
        if let Ok(Answer::Judged(domain::ledger::Outcome::Denied(denial))) = answer
            && !batch.accepted.contains(&account)
        {
            shared.memory.remember_denial(account, denial, (at, &began));
        }
    }
    Ok(answers)
}

fn plans(connection: &Connection, shared: &Shared) -> Result<Arc<PlanBook>, StorageError> {
    if let Some(plans) = shared.plans() {
        return Ok(plans);
    }
    let read_at = shared.catalog_version();
    let read = crate::records::catalogs::load_plan_book(&mut Tx::new(Engine::Sqlite(connection)))?;
    read.map(|plans| shared.put_plans(read_at, plans)).ok_or_else(reading::no_catalog)
}

/// Brings into the batch what a request needs, then judges it.
struct Loader<'b> {
    connection: &'b Connection,
    shared: &'b Shared,
    plans: &'b PlanBook,
    at: Timestamp,
    batch: &'b mut Batch,
    expiries: &'b mut IdMap<AccountId, Option<Timestamp>>,
}

impl Loader<'_> {
    fn run(&mut self, request: &Request) -> Result<Result<Answer, LedgerError>, StorageError> {
        let account = request.command.event.account;
        if !self.open_account(account)? {
            return Ok(Err(LedgerError::AccountUnknown));
        }
        if let Some(key) = request.key {
            self.load_key(account, key)?;
        }
        self.load_needs(&request.command)?;
        let job = JobId::new(self.at, self.shared.entropy.bits());
        match self.batch.judge(request, self.at, job) {
            Err(LedgerError::Storage(error)) => Err(error),
            judged => Ok(judged),
        }
    }

    /// Puts the account's book into the batch and settles what has expired.
    fn open_account(&mut self, account: AccountId) -> Result<bool, StorageError> {
        if self.batch.books.contains_key(&account) {
            return Ok(true);
        }
        if self.shared.held.let_lapse(account, self.at) {
            self.shared.memory.forget(account);
        }
        let mut tx = Tx::new(Engine::Sqlite(self.connection));
        let (book, next_expiry) = match self.shared.memory.book(account, self.at) {
            Some(remembered) => remembered,
            None => match terms::load_book(&mut tx, self.plans, account, self.at)? {
                Some((book, as_of)) => (book, as_of.next_expiry),
                None => return Ok(false),
            },
        };
        self.batch.books.insert(account, book);
        self.expiries.insert(account, next_expiry);
        if next_expiry.is_some_and(|expiry| expiry <= self.at) {
            self.settle_expired(account)?;
        }
        Ok(true)
    }

    fn settle_expired(&mut self, account: AccountId) -> Result<(), StorageError> {
        let mut tx = Tx::new(Engine::Sqlite(self.connection));
        let found = tx.query(reservations::SELECT_EXPIRED_KEPT, &[account.into(), self.at.into()])?;
        for row in &found {
            let reservation = reading::decode_reservation(account, row)?;
            let request = reservations::expiry_request(&reservation, row, self.at, &self.shared.entropy)?;
            if let Some(book) = self.batch.books.get_mut(&account) {
                book.load_reservation(reservation);
            }
            self.load_needs(&request.command)?;
            let job = JobId::new(self.at, self.shared.entropy.bits());
            if let Err(LedgerError::Storage(error)) = self.batch.judge(&request, self.at, job) {
                return Err(error);
            }
        }
        Ok(())
    }

    fn load_key(&mut self, account: AccountId, key: CallerKey) -> Result<(), StorageError> {
        if self.batch.keys.contains_key(&(account, key.hash)) {
            return Ok(());
        }
        let mut statement = self.connection.prepare_cached(SELECT_KEY)?;
        let account_text = account.to_string();
        let found = statement
            .query_row(params![account_text, key.hash], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?)))
            .optional()?;
        if let Some((content, event)) = found {
            let known = super::known_key(account, &content, &event)?;
            self.batch.keys.insert((account, key.hash), known);
        }
        Ok(())
    }

    /// Loads the reservation a command names, and every credit and balance it may touch.
    fn load_needs(&mut self, command: &Command) -> Result<(), StorageError> {
        let account = command.event.account;
        let connection = self.connection;
        let Some(book) = self.batch.books.get_mut(&account) else { return Ok(()) };
        if let Some(reservation) = command.action.reservation()
            && book.reservation(reservation).is_none()
        {
            if let Some(hold) = self.shared.held.find(reservation) {
                let is_open = hold.reservation.state == ReservationState::Open;
                self.batch.held.insert(reservation, is_open);
                book.load_reservation(hold.reservation);
            } else if let Some(found) = load_reservation(connection, reservation)? {
                book.load_reservation(found);
            }
        }
        if let Action::Reverse { original } = &command.action
            && let Some(by) = load_reversal(connection, original.event)?
        {
            self.batch.reversed.insert(original.event, by);
        }
        for credit in book.missing_credits(command) {
            if let Some(found) = reading::load_credit(&mut Tx::new(Engine::Sqlite(connection)), account, credit)? {
                book.load_credit(found);
            }
        }
        if book.has_places_of(command, self.at) {
            return Ok(());
        }
        let places = book.places_of(command, self.at);
        self.shared.memory.fill(book, &places);
        for place in places {
            if !book.has_balance(&place) {
                let mut balance = balance_on_disk(connection, self.shared, account, &place)?;
                balance.reserved += self.shared.held.reserved(account, &place);
                book.load_balance(place, balance);
            }
        }
        Ok(())
    }
}

/// As log and table say together.
pub(super) fn balance_on_disk(
    connection: &Connection,
    shared: &Shared,
    account: AccountId,
    place: &Place,
) -> Result<Balance, StorageError> {
    if let Some(waiting) = shared.unwritten.balance(account, place) {
        return Ok(waiting);
    }
    let account = account.to_string();
    let mut statement = connection.prepare_cached(SELECT_BALANCE)?;
    let values = params![
        account,
        place.scope.as_str(),
        place.scope_id_text(),
        place.meter.as_str(),
        place.window.as_str(),
        place.start.micros()
    ];
    let read = |row: &Row<'_>| {
        Ok(Balance {
            used: row.get(0)?,
            reserved: row.get(1)?,
            credited: row.get(2)?,
            warned_percent: row.get(3)?,
            warned_limit: row.get(4)?,
            observed_at: Timestamp::from_micros(row.get(5)?),
        })
    };
    Ok(statement.query_row(values, read).optional()?.unwrap_or_default())
}

fn load_reservation(connection: &Connection, id: ReservationId) -> Result<Option<Reservation>, StorageError> {
    let mut tx = Tx::new(Engine::Sqlite(connection));
    let found = tx.query_optional(reservations::SELECT_ONE, &[id.account.into(), id.own_text().into()])?;
    found.map(|row| reading::decode_reservation(id.account, &row)).transpose()
}

fn load_reversal(connection: &Connection, original: EventId) -> Result<Option<EventId>, StorageError> {
    let mut tx = Tx::new(Engine::Sqlite(connection));
    let found = tx.query_optional(reading::SELECT_EVENT, &[original.account.into(), original.own_text().into()])?;
    let parse = |text: &str| EventId::from_own_text(original.account, text);
    found.map_or(Ok(None), |row| row.parsed_or_null("reversed_by", parse))
}
