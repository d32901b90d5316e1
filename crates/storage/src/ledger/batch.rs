//! Judging a batch whose books are loaded, and what must be written for it. The same for both engines.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use domain::ids::{AccountId, EventId, JobId, ReservationId};
use domain::ledger::{
    Accepted, Action, Balance, Book, Command, Credit, Crossing, Event, EventAction, Outcome, Place, Refusal,
    Reservation, apply,
};
use domain::name::Name;
use domain::time::{MICROS_PER_DAY, Timestamp};

use super::held::{HeldChanges, Hold};
use super::postponed::Postponed;
use super::redo::{DayKey, DaySum};
use super::{Answer, CallerKey, Durability, LedgerError, Request};
use crate::StorageError;
use crate::id_map::{IdMap, IdSet};

/// Accounts' books, and what has been written to memory but not yet to the database.
#[derive(Default)]
pub(crate) struct Batch {
    pub books: IdMap<AccountId, Book>,
    /// Callers' keys that were found in the database, and those this batch adds.
    pub keys: HashMap<(AccountId, [u8; 16]), KnownKey>,
    pub writes: Writes,
    /// Accounts in which something was accepted.
    pub accepted: IdSet<AccountId>,
    new_reservations: IdMap<ReservationId, (Name, Arc<str>)>,
    /// Holds of this process alone that were found or made, and whether they were open.
    pub held: IdMap<ReservationId, bool>,
    pub held_changes: HeldChanges,
    /// Whether holds of this process alone may be made: its engine looks after them.
    pub holds_in_process: bool,
    /// Originals that were reversed, by what: found in the database, or in this batch.
    pub reversed: IdMap<EventId, EventId>,
}

#[derive(Clone, Copy)]
pub(crate) struct KnownKey {
    pub content: [u8; 16],
    pub event: EventId,
}

/// Rows of one transaction.
#[derive(Default)]
pub(crate) struct Writes {
    pub events: Vec<EventRow>,
    pub keys: Vec<KeyRow>,
    pub daily: BTreeMap<DayKey, DaySum>,
    pub jobs: Vec<JobRow>,
    /// Originals and the events that reversed them.
    pub reversed: Vec<(EventId, EventId)>,
}

pub(crate) struct EventRow {
    pub event: Event,
    pub over_limit: bool,
    pub model: Name,
    pub details: Arc<str>,
}

pub(crate) struct KeyRow {
    pub account: AccountId,
    pub key: CallerKey,
    pub event: EventId,
}

pub(crate) struct JobRow {
    pub id: JobId,
    pub account: AccountId,
    pub kind: &'static str,
    pub payload: String,
    pub at: Timestamp,
}

/// A changed reservation: new ones are inserted whole, others only change state.
pub(crate) enum ReservationWrite {
    New(Reservation, Name, Arc<str>),
    Settled(Reservation),
}

/// What has changed in the books.
#[derive(Default)]
pub(crate) struct BookWrites {
    pub balances: Vec<(AccountId, Place, Balance)>,
    pub reservations: Vec<ReservationWrite>,
    pub credits: Vec<(AccountId, Credit)>,
    /// Accounts whose rows keep nothing any more that the tables lack.
    pub written_accounts: Vec<AccountId>,
}

impl Batch {
    /// Judges one request whose account's book holds everything it needs.
    pub fn judge(&mut self, request: &Request, at: Timestamp, job: JobId) -> Result<Answer, LedgerError> {
        let account = request.command.event.account;
        let book = self.books.get_mut(&account).ok_or(LedgerError::AccountUnknown)?;
        if let Some(key) = request.key
            && let Some(known) = self.keys.get(&(account, key.hash))
        {
            return Ok(if known.content == key.content {
                replay(book, &request.command, known.event, at)?
            } else {
                Answer::Conflict(known.event)
            });
        }
        if request.epoch.is_some_and(|epoch| epoch != book.terms.epoch) {
            return Err(LedgerError::TermsChanged);
        }
        if let Action::Reverse { original } = &request.command.action
            && let Some(by) = self.reversed.get(&original.event)
        {
            return Ok(Answer::Judged(Outcome::Refused(Refusal::AlreadyReversed(*by))));
        }
        match apply_caught(book, &request.command, at)? {
            Outcome::Settled(event) => Ok(replay(book, &request.command, event, at)?),
            Outcome::Accepted(accepted) => {
                self.note_accepted(request, &accepted, job);
                Ok(Answer::Judged(Outcome::Accepted(accepted)))
            }
            other => Ok(Answer::Judged(other)),
        }
    }

    fn note_accepted(&mut self, request: &Request, accepted: &Accepted, job: JobId) {
        let event = &accepted.event;
        let account = event.id.account;
        self.accepted.insert(account);
        if self.is_held(request, event) {
            return self.note_held(request, event);
        }
        if let Some(key) = request.key {
            self.keys.insert((account, key.hash), KnownKey { content: key.content, event: event.id });
            self.writes.keys.push(KeyRow { account, key, event: event.id });
        }
        if let (EventAction::Reserve, Some(reservation)) = (event.action, event.reservation) {
            self.new_reservations.insert(reservation, (request.model.clone(), request.details.clone()));
        }
        if let Some(original) = event.reverses {
            self.reversed.insert(original, event.id);
            self.writes.reversed.push((original, event.id));
        }
        self.add_to_days(request, event);
        for (place, crossing) in accepted.crossed.iter().enumerate() {
            let id = JobId::from_bits(job.bits() + place as u128);
            self.writes.jobs.push(threshold_job(id, event, crossing));
        }
        let event = self.as_kept(event);
        self.writes.events.push(EventRow {
            event,
            over_limit: accepted.would_deny.is_some(),
            model: request.model.clone(),
            details: request.details.clone(),
        });
    }

    /// Whether nothing of this is written: a hold that is only made here, or one given back.
    fn is_held(&self, request: &Request, event: &Event) -> bool {
        let Some(reservation) = event.reservation else { return false };
        match event.action {
            EventAction::Reserve => {
                self.holds_in_process
                    && request.durability == Durability::OfProcess
                    && request.key.is_none()
                    && event.draws.is_empty()
            }
            EventAction::Release => self.held.contains_key(&reservation),
            _ => false,
        }
    }

    fn note_held(&mut self, request: &Request, event: &Event) {
        let book = self.books.get_mut(&event.id.account);
        let reservation = event.reservation.and_then(|id| book?.kept_elsewhere(id));
        let Some(reservation) = reservation else { return };
        if let Some(was_open) = self.held.get(&reservation.id) {
            self.held_changes.settled.push((reservation, *was_open));
        } else {
            let (model, details) = (request.model.clone(), request.details.clone());
            self.held.insert(reservation.id, true);
            self.held_changes.made.push(Hold { reservation, model, details });
        }
    }

    /// The event as it is written. What books a hold that was never written takes nothing back.
    fn as_kept(&mut self, event: &Event) -> Event {
        let mut event = event.clone();
        let held = event.reservation.and_then(|id| Some((id, *self.held.get(&id)?)));
        if let Some((id, was_open)) = held
            && let Some(reservation) = self.books.get_mut(&event.id.account).and_then(|book| book.kept_elsewhere(id))
        {
            self.held_changes.settled.push((reservation, was_open));
            event.postings.iter_mut().for_each(|posting| posting.reserved = 0);
        }
        event
    }

    /// Whether anything must be written.
    pub fn has_writes(&self) -> bool {
        let Writes { events, keys, jobs, reversed, .. } = &self.writes;
        !(events.is_empty() && keys.is_empty() && jobs.is_empty() && reversed.is_empty())
    }

    /// Adds what was used to the account's days. A meter counted in several windows is still used once.
    fn add_to_days(&mut self, request: &Request, event: &Event) {
        let day = event.occurred_at.micros().div_euclid(MICROS_PER_DAY);
        let mut seen: Vec<&Name> = Vec::new();
        for posting in event.postings.iter().filter(|posting| posting.place.scope_id.is_none()) {
            let meter = &posting.place.meter;
            if seen.contains(&meter) {
                continue;
            }
            seen.push(meter);
            // Give-backs stop at zero in each window; the day takes what the largest window gave back.
            let same =
                event.postings.iter().filter(|other| other.place.meter == *meter && other.place.scope_id.is_none());
            let used = same.map(|other| other.used).max_by_key(|used| used.unsigned_abs()).unwrap_or(0);
            if used != 0 {
                let key = (event.id.account, (day, meter.clone(), request.model.clone()));
                let entry = self.writes.daily.entry(key).or_default();
                entry.0 = entry.0.saturating_add(used);
                entry.1 += 1;
            }
        }
    }

    /// Adds to what is written what the accounts' rows have kept back so far.
    pub fn write_postponed(&mut self, changes: &mut BookWrites, postponed: BTreeMap<AccountId, Postponed>) {
        let changed: HashSet<(AccountId, &Place)> =
            changes.balances.iter().map(|(account, place, _)| (*account, place)).collect();
        let mut unchanged = Vec::new();
        for (account, Postponed { balances, days }) in postponed {
            changes.written_accounts.push(account);
            let left = balances.into_iter().filter(|(place, _)| !changed.contains(&(account, place)));
            unchanged.extend(left.map(|(place, balance)| (account, place, balance)));
            for (day, (amount, events)) in days {
                let sum = self.writes.daily.entry((account, day)).or_default();
                *sum = (sum.0.saturating_add(amount), sum.1.saturating_add(events));
            }
        }
        changes.balances.extend(unchanged);
        sort_balances(&mut changes.balances);
    }

    /// Takes what the books say has changed.
    pub fn take_book_writes(&mut self) -> BookWrites {
        let mut writes = BookWrites::default();
        for (account, book) in &mut self.books {
            let changes = book.take_changes();
            writes.balances.extend(changes.balances.into_iter().map(|(place, balance)| (*account, place, balance)));
            writes.credits.extend(changes.credits.into_iter().map(|credit| (*account, credit)));
            for reservation in changes.reservations {
                writes.reservations.push(match self.new_reservations.remove(&reservation.id) {
                    Some((model, details)) => ReservationWrite::New(reservation, model, details),
                    None => ReservationWrite::Settled(reservation),
                });
            }
        }
        sort_balances(&mut writes.balances);
        writes
    }
}

/// In one order everywhere, so that two nodes never wait for each other's rows.
fn sort_balances(balances: &mut [(AccountId, Place, Balance)]) {
    balances.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
}

/// An invariant that does not hold fails the one command that found it, not the thread that everyone waits for. The
/// books of a batch that fails are dropped.
fn apply_caught(book: &mut Book, command: &Command, at: Timestamp) -> Result<Outcome, StorageError> {
    match catch_unwind(AssertUnwindSafe(|| apply(book, command, at))) {
        Ok(outcome) => outcome.map_err(StorageError::unexpected),
        Err(_) => {
            Err(StorageError::Unexpected(format!("an invariant of the ledger does not hold at {}", command.event)))
        }
    }
}

fn replay(book: &Book, command: &Command, event: EventId, at: Timestamp) -> Result<Answer, StorageError> {
    let meters: Vec<Name> = command.amounts.iter().map(|amount| amount.meter.clone()).collect();
    let limits = book.limits_of(meters.iter(), &command.scopes, at).unwrap_or_default();
    Ok(Answer::Replayed { event, limits, stored: None })
}

fn threshold_job(id: JobId, event: &Event, crossing: &Crossing) -> JobRow {
    let payload = serde_json::json!({
        "account": event.id.account.to_string(),
        "event": event.id.to_string(),
        "meter": crossing.meter.as_str(),
        "scope": crossing.scope.as_str(),
        "scope_id": crossing.scope_id.as_ref().map(Name::as_str),
        "window": crossing.window.as_str(),
        "window_start": crossing.start.micros(),
        "percent": crossing.percent,
        "used": crossing.used,
        "limit": crossing.limit,
    });
    JobRow { id, account: event.id.account, kind: "usage_threshold", payload: payload.to_string(), at: event.at }
}
