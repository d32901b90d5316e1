//! The ledger on PostgreSQL: lanes by account, each with its own connection, on any number of nodes.
//!
//! A batch locks its accounts' rows first, in order, and reads everything else under that lock, but for what this process
//! remembers as of the very version that it finds; two round trips in all.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use domain::ids::{AccountId, EventId};
use domain::ledger::Outcome;
use tokio::sync::mpsc;

use super::batch::{BookWrites, ReservationWrite};
use super::memory::{AsOf, Moment, NOT_ON_DISK};
use super::postgres_journal;
use super::postgres_loading::{Loaded, load, must_be_synced};
use super::postgres_remembered::{Judged, MoveError, Remembered};
use super::postgres_writing::{fill_replays, lock_and_find, write_and_commit};
use super::queue::BATCH;
use super::{Answer, LedgerError, Pending, Request, Shared};
use crate::{Database, StorageError};

/// How often a batch is run again whose transaction was lost before or at the commit.
const ATTEMPTS: usize = 4;

/// Commands of one account always take the same lane, so that they are judged in the order they came.
pub(crate) struct Lanes {
    lanes: Vec<mpsc::Sender<Pending>>,
    hasher: RandomState,
    waiting: Arc<AtomicUsize>,
}

/// Why a batch did not end.
pub(super) enum BatchError {
    /// Nothing was written: it may run again.
    Before(StorageError),
    /// COMMIT was sent and its answer was lost.
    CommitLost,
    /// Nothing was written: the journal must be ended first.
    Fenced,
    /// It will fail the same way again.
    Data(StorageError),
}

impl From<StorageError> for BatchError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable(_) | StorageError::Busy => Self::Before(error),
            other => Self::Data(other),
        }
    }
}

impl From<tokio_postgres::Error> for BatchError {
    fn from(error: tokio_postgres::Error) -> Self {
        StorageError::from(error).into()
    }
}

impl From<deadpool_postgres::PoolError> for BatchError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        StorageError::from(error).into()
    }
}

impl Lanes {
    pub fn start(pool: Pool, database: Database, shared: &Arc<Shared>) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = shared.settings.lanes.max(1);
        let lanes = (0..count)
            .map(|_| {
                let (send, receive) = mpsc::channel(shared.settings.queue_capacity / count);
                let lane = Lane {
                    pool: pool.clone(),
                    database: database.clone(),
                    shared: shared.clone(),
                    waiting: waiting.clone(),
                };
                tokio::spawn(lane.run(receive));
                send
            })
            .collect();
        Self { lanes, hasher: RandomState::new(), waiting }
    }

    pub fn push(&self, pending: Pending) -> Result<(), StorageError> {
        let account = pending.request.command.event.account;
        let lane = &self.lanes[self.hasher.hash_one(account) as usize % self.lanes.len()];
        // Counted before it is sent, since the lane may take it at once.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        lane.try_send(pending).map_err(|full| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match full {
                mpsc::error::TrySendError::Full(_) => StorageError::Busy,
                mpsc::error::TrySendError::Closed(_) => StorageError::Unavailable("the server is stopping".into()),
            }
        })
    }

    pub fn depth(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

struct Lane {
    pool: Pool,
    database: Database,
    shared: Arc<Shared>,
    waiting: Arc<AtomicUsize>,
}

impl Lane {
    async fn run(self, mut receive: mpsc::Receiver<Pending>) {
        let mut pending = Vec::with_capacity(BATCH);
        while receive.recv_many(&mut pending, BATCH).await > 0 {
            self.waiting.fetch_sub(pending.len(), Ordering::Relaxed);
            let (waiting, late) = split_late(std::mem::take(&mut pending));
            late.into_iter().for_each(|pending| answer(pending, Err(LedgerError::TooLate)));
            if !waiting.is_empty() {
                metrics::histogram!("tollway_ledger_batch_size").record(waiting.len() as f64);
                let started = now();
                let waiting = self.run_remembered(waiting).await;
                if !waiting.is_empty() {
                    self.run_batch(waiting).await;
                }
                metrics::histogram!("tollway_ledger_commit_seconds").record(started.elapsed().as_secs_f64());
            }
        }
    }

    /// Judges by memory what can be, and answers it where memory was true. Returns what must go the long way.
    async fn run_remembered(&self, waiting: Vec<Pending>) -> Vec<Pending> {
        let requests: Vec<&Request> = waiting.iter().map(|pending| &pending.request).collect();
        let remembered = Remembered::of(&self.shared, &requests);
        if remembered.is_empty() {
            return waiting;
        }
        let (known, mut others): (Vec<Pending>, Vec<Pending>) =
            waiting.into_iter().partition(|pending| remembered.has(&pending.request));
        let requests: Vec<&Request> = known.iter().map(|pending| &pending.request).collect();
        match self.judge_and_move(remembered, &requests).await {
            Ok(Some((judged, written))) => {
                for (pending, outcome) in known.into_iter().zip(judged.answers) {
                    match written.contains(&pending.request.command.event.account) {
                        true => answer(pending, outcome),
                        false => others.push(pending),
                    }
                }
            }
            Ok(None) => others.extend(known),
            Err(error) => {
                tracing::error!(%error, "it is not known whether a batch was written");
                known.into_iter().for_each(|pending| answer(pending, Err(StorageError::OutcomeUnknown.into())));
            }
        }
        others
    }

    /// Returns what was judged, and the accounts that it was written of. `Ok(None)`: nothing was.
    async fn judge_and_move(
        &self,
        remembered: Remembered,
        requests: &[&Request],
    ) -> Result<Option<(Judged, HashSet<AccountId>)>, StorageError> {
        let Ok(client) = self.pool.get().await else { return Ok(None) };
        // Before it is asked what was forgotten: whoever changes an account afterwards waits for this batch.
        let permit = remembered.permit(&self.shared);
        if remembered.is_past(&self.shared) {
            return Ok(None);
        }
        let Ok(Some(judged)) = remembered.judge(&client, &self.shared, requests).await else { return Ok(None) };
        let written = match judged.write(&client, &self.shared, permit).await {
            Ok(written) => written,
            Err(MoveError::Fenced) => {
                drop(client);
                self.end_journal().await;
                return Ok(None);
            }
            Err(MoveError::Before(error)) => {
                tracing::warn!(%error, "a batch was not written by what is remembered; its accounts are read");
                return Ok(None);
            }
            Err(MoveError::Lost) => {
                drop(client);
                let (accounts, events) = (judged.accounts(), judged.events());
                // What is remembered may lack what was committed.
                accounts.iter().for_each(|account| self.shared.memory.forget(*account));
                self.look_for(&accounts, &events).await?.iter().map(|event| event.account).collect()
            }
        };
        judged.publish(&self.shared, requests, &written);
        Ok(Some((judged, written)))
    }

    async fn run_batch(&self, waiting: Vec<Pending>) {
        let requests: Vec<&Request> = waiting.iter().map(|pending| &pending.request).collect();
        match self.run_until_known(&requests).await {
            Ok(answers) => waiting.into_iter().zip(answers).for_each(|(pending, outcome)| answer(pending, outcome)),
            Err(error @ (StorageError::Unexpected(_) | StorageError::Taken(_))) if waiting.len() > 1 => {
                tracing::error!(%error, "a batch failed on data; its commands run again one at a time");
                for pending in waiting {
                    let outcome = match self.run_until_known(&[&pending.request]).await {
                        Ok(mut answers) => answers.pop().unwrap_or(Err(LedgerError::AccountUnknown)),
                        Err(error) => Err(error.into()),
                    };
                    answer(pending, outcome);
                }
            }
            Err(error) => {
                tracing::error!(%error, "a batch was not committed");
                for pending in waiting {
                    self.shared.memory.forget(pending.request.command.event.account);
                    let told = match &error {
                        StorageError::OutcomeUnknown => StorageError::OutcomeUnknown,
                        other => StorageError::Unavailable(other.to_string()),
                    };
                    answer(pending, Err(told.into()));
                }
            }
        }
    }

    /// Runs a batch, again where its transaction was lost, until it is known what became of it.
    async fn run_until_known(&self, requests: &[&Request]) -> Result<Vec<Result<Answer, LedgerError>>, StorageError> {
        let mut last = StorageError::Unavailable("the database did not answer".into());
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
            }
            let mut answers = Vec::new();
            match self.try_batch(requests, &mut answers).await {
                Ok(()) => return Ok(answers),
                Err(BatchError::Data(error)) => return Err(error),
                Err(BatchError::Before(error)) => last = error,
                Err(BatchError::Fenced) => self.end_journal().await,
                Err(BatchError::CommitLost) => {
                    // What is remembered may lack what was committed.
                    requests.iter().for_each(|request| self.shared.memory.forget(request.command.event.account));
                    match self.was_committed(requests, &answers).await? {
                        true => return Ok(answers),
                        false => last = StorageError::Unavailable("the commit was lost".into()),
                    }
                }
            }
        }
        Err(last)
    }

    async fn try_batch(
        &self,
        requests: &[&Request],
        answers: &mut Vec<Result<Answer, LedgerError>>,
    ) -> Result<(), BatchError> {
        let began = self.shared.memory.moment();
        let plans = match self.shared.plans() {
            Some(plans) => plans,
            None => self.read_plans().await?,
        };
        let client = self.pool.get().await?;
        let outcome = self.in_transaction(&client, (&plans, &began), requests, answers).await;
        if let Err(BatchError::Data(_) | BatchError::Before(_) | BatchError::Fenced) = &outcome {
            // Whatever the server still thinks of this transaction ends here; a dead connection is replaced by the pool.
            let _ = client.batch_execute("ROLLBACK").await;
        }
        outcome
    }

    async fn in_transaction(
        &self,
        client: &Object,
        (plans, began): (&super::plan_book::PlanBook, &Moment),
        requests: &[&Request],
        answers: &mut Vec<Result<Answer, LedgerError>>,
    ) -> Result<(), BatchError> {
        let Loaded { mut batch, expired, times, mut as_of, postponed } =
            load(client, &self.shared, plans, requests).await?;
        let at = |account: &AccountId| times.get(account).copied().unwrap_or_else(|| self.shared.clock.now());
        let job = |at| domain::ids::JobId::new(at, self.shared.entropy.bits());
        for request in &expired {
            let at = at(&request.command.event.account);
            if let Err(LedgerError::Storage(error)) = batch.judge(request, at, job(at)) {
                return Err(error.into());
            }
        }
        for request in requests {
            let at = at(&request.command.event.account);
            answers.push(match batch.judge(request, at, job(at)) {
                Err(LedgerError::Storage(error)) => return Err(error.into()),
                judged => judged,
            });
        }
        fill_replays(client, requests, answers, &batch).await?;
        let mut changes = batch.take_book_writes();
        batch.write_postponed(&mut changes, postponed);
        note_expiries(&changes, &mut as_of);
        write_and_commit(client, &batch.writes, &changes).await?;
        let is_synced = must_be_synced(requests);
        for (account, book) in &batch.books {
            if let Some(as_of) = as_of.get(account) {
                let version = if is_synced { as_of.version } else { NOT_ON_DISK };
                let as_of = AsOf { version, ..as_of.clone() };
                self.shared.memory.publish(book, as_of, (batch.accepted.contains(account), began));
            }
        }
        self.shared.tell_of_jobs(&batch);
        for (request, answer) in requests.iter().zip(answers.iter()) {
            let account = request.command.event.account;
            // What was accepted beside it may have made room after it.
            if let Ok(Answer::Judged(Outcome::Denied(denial))) = answer
                && !batch.accepted.contains(&account)
            {
                let judged_at = as_of.get(&account).map_or_else(|| at(&account), |as_of| as_of.at);
                self.shared.memory.remember_denial(account, denial, (judged_at, began));
            }
        }
        Ok(())
    }

    async fn end_journal(&self) {
        if let Err(error) = postgres_journal::end(&self.pool, &self.shared.journal).await {
            tracing::warn!(%error, "the ledger's journal could not be ended; trying again");
        }
    }

    async fn read_plans(&self) -> Result<Arc<super::plan_book::PlanBook>, BatchError> {
        let read_at = self.shared.catalog_version();
        let read = self.database.read("load_plans", crate::records::catalogs::load_plan_book).await?;
        let plans = read.ok_or_else(super::reading::no_catalog)?;
        Ok(self.shared.put_plans(read_at, plans))
    }

    /// After a lost commit: takes the same locks, which the lost transaction holds until it has ended one way or the
    /// other, and looks for one of its events.
    async fn was_committed(
        &self,
        requests: &[&Request],
        answers: &[Result<Answer, LedgerError>],
    ) -> Result<bool, StorageError> {
        let Some(event) = answers.iter().find_map(accepted_event) else { return Ok(true) };
        let accounts = requests.iter().map(|request| request.command.event.account).collect();
        Ok(self.look_for(&accounts, &[event]).await?.contains(&event))
    }

    /// Which of the events are there, once nobody holds the accounts any more.
    async fn look_for(
        &self,
        accounts: &BTreeSet<AccountId>,
        events: &[EventId],
    ) -> Result<HashSet<EventId>, StorageError> {
        let give_up = now() + self.shared.settings.deadline;
        while now() < give_up {
            // What was lost may have been on its way to the journal: whoever ends it waits until it is there or cannot come.
            if self.shared.journal.holder() != 0 {
                self.end_journal().await;
            }
            if let Ok(client) = self.pool.get().await {
                match lock_and_find(&client, self.shared.journal.holder(), accounts, events).await {
                    Ok(found) => {
                        // Their rows have another version now.
                        accounts.iter().for_each(|account| self.shared.memory.forget(*account));
                        return Ok(found);
                    }
                    Err(BatchError::Fenced) => self.end_journal().await,
                    Err(BatchError::Data(error) | BatchError::Before(error)) => {
                        tracing::warn!(%error, "looking for a lost commit failed; trying again");
                    }
                    Err(BatchError::CommitLost) => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(StorageError::OutcomeUnknown)
    }
}

/// A new hold may be the next to expire.
fn note_expiries(changes: &BookWrites, as_of: &mut HashMap<AccountId, AsOf>) {
    for change in &changes.reservations {
        if let ReservationWrite::New(reservation, ..) = change {
            as_of.entry(reservation.id.account).and_modify(|as_of| {
                let next = as_of.next_expiry.map_or(reservation.expires_at, |next| next.min(reservation.expires_at));
                as_of.next_expiry = Some(next);
            });
        }
    }
}

fn accepted_event(answer: &Result<Answer, LedgerError>) -> Option<EventId> {
    match answer {
        Ok(Answer::Judged(Outcome::Accepted(accepted))) => Some(accepted.event.id),
        _ => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "deadlines and latencies are durations of this process")]
fn now() -> Instant {
    Instant::now()
}

fn split_late(pending: Vec<Pending>) -> (Vec<Pending>, Vec<Pending>) {
    let now = now();
    pending.into_iter().partition(|pending| now < pending.deadline)
}

fn answer(pending: Pending, outcome: Result<Answer, LedgerError>) {
    // The caller may have left; what was committed stays.
    let _ = pending.answer.send(outcome);
}
