//! On SQLite: holds that only this process knows of, since they are worth nothing once it is gone.
//!
//! They count like any other: a book's `reserved` says what the database holds and what is held here. Only the writer
//! changes them, after its transaction. What is written of a balance is without them ([`Held::without`]), what is read gets
//! them added ([`Held::reserved`]); no event tells of them until what was used is booked. One whose end must outlive the
//! process is kept in the database ([`keep`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ids::{AccountId, EventId, ReservationId};
use domain::ledger::{Balance, Event, EventAction, OnExpiry, Place, Reservation, ReservationState};
use domain::name::Name;
use domain::time::{MICROS_PER_DAY, Timestamp};
use parking_lot::Mutex;
use rusqlite::Connection;

use super::Shared;
use super::batch::{EventRow, ReservationWrite};
use super::redo::BalanceKey;
use super::reservations::{Renewal, renew};
use super::sqlite::balance_on_disk;
use super::sqlite_writing::{insert_events, write_reservation};
use super::write_back::log_batch;
use crate::StorageError;
use crate::id_map::IdMap;
use crate::sqlite::in_transaction;
use crate::tx::{Engine, Tx};

/// How long a hold that lapsed may still be booked.
const REMEMBERED_MICROS: i64 = MICROS_PER_DAY;

/// A hold with what is kept beside it.
#[derive(Clone)]
pub(crate) struct Hold {
    pub reservation: Arc<Reservation>,
    pub model: Name,
    pub details: Arc<str>,
}

#[derive(Default)]
pub(crate) struct Held(Mutex<IdMap<AccountId, Holds>>);

/// Those of one account.
#[derive(Default)]
struct Holds {
    all: Vec<Hold>,
    /// Before it nothing lapses and nothing is forgotten.
    quiet_until: Option<Timestamp>,
    /// What those that count hold of each place, so that nobody has to add it up.
    reserved: Vec<(Place, i64)>,
}

/// What a batch does to holds, for when it is committed.
#[derive(Default)]
pub(crate) struct HeldChanges {
    pub made: Vec<Hold>,
    /// Booked or given back, and whether its time was not over.
    pub settled: Vec<(Arc<Reservation>, bool)>,
}

impl Held {
    pub fn has(&self, account: AccountId) -> bool {
        self.0.lock().contains_key(&account)
    }

    pub fn find(&self, reservation: ReservationId) -> Option<Hold> {
        let held = self.0.lock();
        held.get(&reservation.account)?.all.iter().find(|hold| hold.reservation.id == reservation).cloned()
    }

    /// How much is held here of a place.
    pub fn reserved(&self, account: AccountId, place: &Place) -> i64 {
        self.0.lock().get(&account).map_or(0, |holds| holds.reserved_at(place))
    }

    /// Balances as they are written by a batch that changes holds so.
    pub fn without(
        &self,
        mut balances: Vec<(BalanceKey, Balance)>,
        changes: &HeldChanges,
    ) -> Vec<(BalanceKey, Balance)> {
        for ((account, place), balance) in &mut balances {
            let of_account = |reservation: &&Arc<Reservation>| reservation.id.account == *account;
            let made = changes.made.iter().map(|hold| &hold.reservation).filter(of_account);
            let made: i64 = made.map(|reservation| reserved_at(reservation, place)).sum();
            let settled = changes.settled.iter().filter(|(_, was_open)| *was_open).map(|(settled, _)| settled);
            let settled: i64 = settled.filter(of_account).map(|reservation| reserved_at(reservation, place)).sum();
            balance.reserved -= self.reserved(*account, place) + made - settled;
        }
        balances
    }

    /// Takes over what a batch has done. Only after its commit.
    pub fn committed(&self, changes: HeldChanges) {
        let HeldChanges { made, settled } = changes;
        let mut held = self.0.lock();
        for hold in made {
            held.entry(hold.reservation.id.account).or_default().put(hold);
        }
        for (reservation, _) in settled {
            remove(&mut held, reservation.id);
        }
    }

    /// Accounts with holds whose time is over and that still count.
    pub fn accounts_with_expired(&self, now: Timestamp) -> Vec<AccountId> {
        let held = self.0.lock();
        let has_expired = |holds: &Holds| holds.all.iter().any(|hold| hold.reservation.is_expired(now));
        held.iter().filter(|(_, holds)| has_expired(holds)).map(|(account, _)| *account).collect()
    }

    /// Lets those of an account lapse whose time is over: they count no more, but what was used may still be booked. Whether
    /// there were any.
    pub fn let_lapse(&self, account: AccountId, now: Timestamp) -> bool {
        let mut held = self.0.lock();
        let Some(holds) = held.get_mut(&account) else { return false };
        let has_lapsed = holds.let_lapse(now);
        if holds.all.is_empty() {
            held.remove(&account);
        }
        has_lapsed
    }

    fn renew(&self, renewal: &Renewal) {
        let mut held = self.0.lock();
        let holds = held.get_mut(&renewal.reservation.account);
        let is_meant = |hold: &&mut Hold| hold.reservation.id == renewal.reservation;
        if let Some(hold) = holds.and_then(|holds| holds.all.iter_mut().find(is_meant)) {
            Arc::make_mut(&mut hold.reservation).expires_at = renewal.expires_at;
        }
    }
}

impl Holds {
    fn reserved_at(&self, place: &Place) -> i64 {
        self.reserved.iter().find(|(reserved, _)| reserved == place).map_or(0, |(_, amount)| *amount)
    }

    fn put(&mut self, hold: Hold) {
        self.count(&hold.reservation, 1);
        let until = next_change(&hold);
        self.quiet_until = Some(self.quiet_until.map_or(until, |earliest| earliest.min(until)));
        self.all.push(hold);
    }

    fn remove(&mut self, reservation: ReservationId) {
        // Each was made once, and their order says nothing.
        if let Some(found) = self.all.iter().position(|hold| hold.reservation.id == reservation) {
            let hold = self.all.swap_remove(found);
            self.count(&hold.reservation, -1);
        }
    }

    /// Whether there were any whose time is over.
    fn let_lapse(&mut self, now: Timestamp) -> bool {
        if self.quiet_until.is_some_and(|until| now < until) {
            return false;
        }
        let expired: Vec<usize> = (0..self.all.len()).filter(|at| self.all[*at].reservation.is_expired(now)).collect();
        for at in &expired {
            let reservation = self.all[*at].reservation.clone();
            self.count(&reservation, -1);
            Arc::make_mut(&mut self.all[*at].reservation).state = ReservationState::Lapsed;
        }
        self.all.retain(|hold| now < hold.reservation.expires_at.plus_micros(REMEMBERED_MICROS));
        self.quiet_until = self.all.iter().map(next_change).min();
        !expired.is_empty()
    }

    /// Adds up what an open one holds, `times` so much.
    fn count(&mut self, reservation: &Reservation, times: i64) {
        if reservation.state != ReservationState::Open {
            return;
        }
        for hold in &reservation.holds {
            let amount = times * hold.reserved;
            match self.reserved.iter_mut().find(|(place, _)| *place == hold.place) {
                Some((_, reserved)) => *reserved += amount,
                None => self.reserved.push((hold.place.clone(), amount)),
            }
        }
        self.reserved.retain(|(_, reserved)| *reserved != 0);
    }
}

/// When an open hold lapses, and one that has is forgotten. Renewed it is later.
fn next_change(hold: &Hold) -> Timestamp {
    let Reservation { state, expires_at, .. } = &*hold.reservation;
    if *state == ReservationState::Open { *expires_at } else { expires_at.plus_micros(REMEMBERED_MICROS) }
}

fn remove(held: &mut IdMap<AccountId, Holds>, reservation: ReservationId) {
    if let Some(holds) = held.get_mut(&reservation.account) {
        holds.remove(reservation);
        if holds.all.is_empty() {
            held.remove(&reservation.account);
        }
    }
}

fn reserved_at(reservation: &Reservation, place: &Place) -> i64 {
    reservation.holds.iter().filter(|hold| hold.place == *place).map(|hold| hold.reserved).sum()
}

/// Renews holds, by the writer. Those that are to be booked when nobody settles them are in the database after it.
pub(crate) fn keep(connection: &Connection, shared: &Shared, renewals: &[Renewal]) -> Result<(), StorageError> {
    let (mut kept, mut in_database) = (Vec::new(), Vec::new());
    for renewal in renewals {
        match shared.held.find(renewal.reservation) {
            Some(hold) if hold.reservation.state != ReservationState::Open => {}
            Some(hold) if renewal.on_expiry == OnExpiry::Commit => {
                let (expires_at, on_expiry) = (renewal.expires_at, renewal.on_expiry);
                let reservation = Reservation { expires_at, on_expiry, ..Arc::unwrap_or_clone(hold.reservation) };
                kept.push(Hold { reservation: Arc::new(reservation), ..hold });
            }
            Some(_) => shared.held.renew(renewal),
            None => in_database.push(renewal),
        }
    }
    if kept.is_empty() && in_database.is_empty() {
        return Ok(());
    }
    let done = in_transaction(connection, || {
        let mut tx = Tx::new(Engine::Sqlite(connection));
        in_database.iter().try_for_each(|renewal| renew(&mut tx, renewal))?;
        write(connection, shared, &kept)
    })?;
    shared.unwritten.committed(done);
    let mut held = shared.held.0.lock();
    for hold in &kept {
        remove(&mut held, hold.reservation.id);
        // What it remembers of the account does not know when the next reservation expires.
        shared.memory.forget(hold.reservation.id.account);
    }
    Ok(())
}

/// Writes holds as if they had been made in the database: the reservation, its event, and the balances with it.
fn write(connection: &Connection, shared: &Shared, kept: &[Hold]) -> Result<super::unwritten::Done, StorageError> {
    let mut balances: BTreeMap<BalanceKey, Balance> = BTreeMap::new();
    for Hold { reservation, model, details } in kept {
        let account = reservation.id.account;
        for hold in &reservation.holds {
            let key = (account, hold.place.clone());
            let known = balances.get(&key).copied();
            let balance = known.map_or_else(|| balance_on_disk(connection, shared, account, &hold.place), Ok)?;
            balances.insert(key, Balance { reserved: balance.reserved + hold.reserved, ..balance });
        }
        let now = shared.clock.now();
        let event = Event {
            id: EventId::new(account, now, shared.entropy.bits()),
            action: EventAction::Reserve,
            at: now,
            occurred_at: reservation.made_at,
            late: false,
            estimated: false,
            ignored: false,
            amounts: reservation.amounts.clone(),
            postings: reservation.holds.clone(),
            draws: Vec::new(),
            reservation: Some(reservation.id),
            reverses: None,
        };
        let row = EventRow { event, over_limit: false, model: model.clone(), details: details.clone() };
        insert_events(connection, &[row])?;
        let reservation = ReservationWrite::New(Reservation::clone(reservation), model.clone(), details.clone());
        write_reservation(connection, &reservation, &mut IdMap::default())?;
    }
    log_batch(connection, &shared.unwritten, balances.into_iter().collect(), Vec::new())
}
