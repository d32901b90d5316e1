//! One account as a batch sees it: its terms, and the balances, reservations and credits its commands need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::{AccountId, CreditId, EventId, ReservationId};
use crate::name::Name;
use crate::time::Timestamp;
use crate::windows::{KnownWindows, Window, WindowKind};

use super::balance::{Balance, Place, Posting};
use super::balances::Balances;
use super::command::{Action, Command};
use super::credit::{Credit, Draw, available};
use super::outcome::LimitState;
use super::reservation::{Reservation, ReservationState};
use super::terms::{PlaceTerms, Terms};
use super::{CLOSE_AFTER_MICROS, Scopes};

/// A store fills it with what [`Book::places_of`] names, applies commands, and writes what has changed.
#[derive(Clone, Debug)]
pub struct Book {
    pub account: AccountId,
    pub terms: Arc<Terms>,
    balances: Balances,
    /// Shared with whoever keeps them beside the book.
    reservations: BTreeMap<ReservationId, Arc<Reservation>>,
    credits: Vec<Credit>,
    windows: KnownWindows,
    changed_reservations: BTreeSet<ReservationId>,
    changed_credits: BTreeSet<CreditId>,
}

/// A store forgot to load what a command is judged by. Judging by zero instead would let usage past its limit, and lose
/// what is given back.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotLoaded {
    #[error("the balance {0:?} was not loaded before a command was judged by it")]
    Balance(Place),
    #[error("the credit {0} was not loaded before a command gave back to it")]
    Credit(CreditId),
}

/// What a batch must write for one account.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub balances: Vec<(Place, Balance)>,
    pub reservations: Vec<Reservation>,
    pub credits: Vec<Credit>,
}

impl Book {
    pub fn new(account: AccountId, terms: Arc<Terms>) -> Self {
        Self {
            account,
            terms,
            balances: Balances::default(),
            reservations: BTreeMap::new(),
            credits: Vec::new(),
            windows: KnownWindows::default(),
            changed_reservations: BTreeSet::new(),
            changed_credits: BTreeSet::new(),
        }
    }

    /// Puts a balance as the database has it. A place without a row is put as zero.
    pub fn load_balance(&mut self, place: Place, balance: Balance) {
        self.balances.insert(place, balance);
    }

    /// Puts a balance that is kept elsewhere, unless it is loaded already or not kept there.
    pub fn load_kept(&mut self, place: &Place, kept: &Balances) {
        self.balances.take_over(place, kept);
    }

    pub fn load_reservation(&mut self, reservation: impl Into<Arc<Reservation>>) {
        let reservation = reservation.into();
        self.reservations.insert(reservation.id, reservation);
    }

    /// Puts the credits that can be drawn from. Those that [`Book::missing_credits`] names are put one by one.
    pub fn load_credits(&mut self, credits: Vec<Credit>) {
        self.credits = credits;
    }

    pub fn load_credit(&mut self, credit: Credit) {
        if !self.credits.iter().any(|known| known.id == credit.id) {
            self.credits.push(credit);
        }
    }

    /// Credits that this command may give back to and that are not loaded, since they are used up. The reservation it
    /// names must be loaded before.
    pub fn missing_credits(&self, command: &Command) -> Vec<CreditId> {
        let original = match &command.action {
            Action::Reverse { original } => original.draws.as_slice(),
            _ => &[],
        };
        let held = command.action.reservation().and_then(|id| self.reservation(id));
        let held = held.map_or(&[][..], |reservation| &reservation.draws);
        let mut missing: Vec<CreditId> = original.iter().chain(held).map(|draw| draw.credit).collect();
        missing.sort();
        missing.dedup();
        missing.retain(|id| !self.credits.iter().any(|known| known.id == *id));
        missing
    }

    pub fn has_balance(&self, place: &Place) -> bool {
        self.balances.contains(place)
    }

    pub fn reservation(&self, id: ReservationId) -> Option<&Reservation> {
        self.reservations.get(&id).map(Arc::as_ref)
    }

    /// A reservation as it stands, for whoever keeps it beside the book. What becomes of it here is no change to hand over
    /// then.
    pub fn kept_elsewhere(&mut self, id: ReservationId) -> Option<Arc<Reservation>> {
        self.changed_reservations.remove(&id);
        self.reservations.get(&id).cloned()
    }

    pub fn credits(&self) -> &[Credit] {
        &self.credits
    }

    pub fn balances(&self) -> impl Iterator<Item = (&Place, &Balance)> {
        self.balances.iter()
    }

    /// Every balance that judging this command may read or move. The reservation it names must be loaded before.
    pub fn places_of(&self, command: &Command, at: Timestamp) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        self.all_places_of(command, at, |place| {
            if !places.contains(place) {
                places.push(place.clone());
            }
            true
        });
        places
    }

    /// Whether all of [`Book::places_of`] are loaded.
    pub fn has_places_of(&self, command: &Command, at: Timestamp) -> bool {
        self.all_places_of(command, at, |place| self.has_balance(place))
    }

    /// Whether something holds for every place of a command, which may be named more than once. Stops where it does not.
    fn all_places_of(&self, command: &Command, at: Timestamp, mut holds: impl FnMut(&Place) -> bool) -> bool {
        let held = command.action.reservation().and_then(|id| self.reservation(id));
        let original = match &command.action {
            Action::Reverse { original } => original.postings.as_slice(),
            _ => &[],
        };
        let moved = held.into_iter().flat_map(|held| &held.holds).chain(original);
        if !moved.map(|posting| &posting.place).all(&mut holds) {
            return false;
        }
        // What a commit adds to its reservation counts for those it was made for, at the time it was made.
        let (when, scopes) = match held {
            Some(held) => (held.made_at, &held.scopes),
            None if command.records() => (command.occurred_at.unwrap_or(at), &command.scopes),
            None => (at, &command.scopes),
        };
        let granted = match &command.action {
            Action::Grant { credit } => Some(&credit.meter),
            _ => None,
        };
        for name in command.amounts.iter().map(|amount| &amount.meter).chain(granted) {
            let Some(meter) = self.terms.meters.get(name) else { continue };
            for terms in &meter.places {
                if let Some((window, _)) = self.window_for(terms.window, when, at)
                    && let Some(place) = place(name, terms, scopes, window)
                    && !holds(&place)
                {
                    return false;
                }
            }
        }
        true
    }

    /// The account's window of this kind that `at` falls in.
    pub(super) fn window(&self, kind: WindowKind, at: Timestamp) -> Window {
        self.windows.containing(kind, self.terms.anchor, at)
    }

    /// The window that something from `when` counts in, judged at `at`, and whether that makes it late.
    pub(super) fn window_for(&self, kind: WindowKind, when: Timestamp, at: Timestamp) -> Option<(Window, bool)> {
        let open = self.window(kind, at);
        if open.contains(when) {
            return Some((open, false));
        }
        let follows_anchor = matches!(kind, WindowKind::Period | WindowKind::Year);
        if follows_anchor && when < self.terms.periods_since {
            return Some((open, true));
        }
        let own = self.window(kind, when);
        let closes_at = own.end?.plus_micros(CLOSE_AFTER_MICROS);
        Some(if when > at || at < closes_at { (own, false) } else { (open, true) })
    }

    /// A balance that was loaded. `None`: it was not.
    pub fn loaded_balance(&self, place: &Place) -> Option<Balance> {
        self.balances.get(place).copied()
    }

    pub(super) fn balance(&self, place: &Place) -> Result<Balance, NotLoaded> {
        self.balances.get(place).copied().ok_or_else(|| NotLoaded::Balance(place.clone()))
    }

    /// Moves a balance. Returns where it is, for [`Book::balance_at`].
    pub(super) fn post(&mut self, posting: &Posting) -> Result<usize, NotLoaded> {
        self.amend(&posting.place, |balance| *balance = balance.after(posting))
    }

    pub(super) fn amend(&mut self, place: &Place, change: impl FnOnce(&mut Balance)) -> Result<usize, NotLoaded> {
        let (order, balance) = self.balances.change(place).ok_or_else(|| NotLoaded::Balance(place.clone()))?;
        change(balance);
        Ok(order)
    }

    /// Good until another balance is loaded.
    pub(super) fn balance_at(&self, order: usize) -> Balance {
        self.balances.at(order)
    }

    pub(super) fn draw(&mut self, draws: &[Draw]) -> Result<(), NotLoaded> {
        draw_from(&mut self.credits, draws)?;
        self.changed_credits.extend(draws.iter().map(|draw| draw.credit));
        Ok(())
    }

    pub(super) fn add_credit(&mut self, credit: Credit) {
        self.changed_credits.insert(credit.id);
        self.credits.push(credit);
    }

    pub(super) fn put_reservation(&mut self, reservation: Reservation) {
        self.changed_reservations.insert(reservation.id);
        self.load_reservation(reservation);
    }

    /// Notes what has become of a reservation, and by which event.
    pub(super) fn settle_reservation(&mut self, id: ReservationId, state: ReservationState, by: EventId) {
        if let Some(reservation) = self.reservations.get_mut(&id) {
            let reservation = Arc::make_mut(reservation);
            (reservation.state, reservation.settled_by) = (state, Some(by));
            self.changed_reservations.insert(id);
        }
    }

    /// Hands over what has changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        let reservations = std::mem::take(&mut self.changed_reservations);
        let credits = std::mem::take(&mut self.changed_credits);
        Changes {
            balances: self.balances.take_changed(),
            reservations: reservations.iter().filter_map(|id| self.reservation(*id).cloned()).collect(),
            credits: self.credits.iter().filter(|credit| credits.contains(&credit.id)).cloned().collect(),
        }
    }

    /// How the limits on these meters stand for these scopes at `at`. An unlimited meter shows its first place.
    pub fn limits_of<'m>(
        &self,
        meters: impl Iterator<Item = &'m Name>,
        scopes: &Scopes,
        at: Timestamp,
    ) -> Result<Vec<LimitState>, NotLoaded> {
        let mut states = Vec::new();
        for name in meters {
            let Some(meter) = self.terms.meters.get(name) else { continue };
            let limited = meter.places.iter().any(|place| place.limit.is_some());
            let shown = meter.places.iter().filter(|place| place.limit.is_some());
            let first = meter.places.iter().take(if limited { 0 } else { 1 });
            for terms in shown.chain(first) {
                let window = self.window(terms.window, at);
                if let Some(place) = place(name, terms, scopes, window) {
                    states.push(self.limit_state((&place, self.balance(&place)?), terms, window, at));
                }
            }
        }
        Ok(states)
    }

    /// Every balance that [`Book::limits_of`] reads.
    pub fn limit_places<'m>(
        &self,
        meters: impl Iterator<Item = &'m Name>,
        scopes: &Scopes,
        at: Timestamp,
    ) -> Vec<Place> {
        meters
            .filter_map(|name| self.terms.meters.get(name).map(|meter| (name, meter)))
            .flat_map(|(name, meter)| {
                meter.places.iter().filter_map(move |terms| {
                    let window = self.window(terms.window, at);
                    place(name, terms, scopes, window)
                })
            })
            .collect()
    }

    pub(super) fn limit_state(
        &self,
        (place, balance): (&Place, Balance),
        terms: &PlaceTerms,
        window: Window,
        at: Timestamp,
    ) -> LimitState {
        let limit = terms.limit.as_ref();
        let amount = limit.and_then(|limit| limit.amount);
        let draws_credits = terms.scope == crate::catalog::LimitScope::Account;
        LimitState {
            meter: place.meter.clone(),
            scope: place.scope,
            scope_id: place.scope_id.clone(),
            window: window.kind,
            start: window.start,
            resets_at: window.end,
            limit: amount,
            used: balance.used,
            reserved: balance.reserved,
            credited: balance.credited,
            credits_left: if draws_credits { available(&self.credits, &place.meter, at) } else { 0 },
            past: limit.map_or(crate::catalog::Past::Warn, |limit| limit.past.clone()),
            observed_only: limit.is_some_and(super::terms::is_observed),
            denied_status: limit.map_or(429, |limit| limit.denied_status),
            warning_percent: amount.and_then(|amount| reached(&self.terms.warn_at_percent, balance.used, amount)),
        }
    }
}

impl Command {
    /// Whether it tells of work already done, and so goes by its own time.
    pub(super) fn records(&self) -> bool {
        matches!(self.action, Action::Record)
    }
}

pub(super) fn place(meter: &Name, terms: &PlaceTerms, scopes: &Scopes, window: Window) -> Option<Place> {
    let scope_id = scopes.id_of(terms.scope)?;
    Some(Place { scope: terms.scope, scope_id, meter: meter.clone(), window: window.kind, start: window.start })
}

/// Takes draws from credits, or gives them back.
pub(super) fn draw_from(credits: &mut [Credit], draws: &[Draw]) -> Result<(), NotLoaded> {
    for draw in draws {
        let credit = credits.iter_mut().find(|credit| credit.id == draw.credit);
        let credit = credit.ok_or(NotLoaded::Credit(draw.credit))?;
        credit.remaining -= draw.amount;
        let possible = 0..=credit.granted;
        assert!(possible.contains(&credit.remaining), "{} was drawn to {}", credit.id, credit.remaining);
    }
    Ok(())
}

/// The highest of `thresholds` (percent, ascending) that `used` of `limit` has reached.
pub(super) fn reached(thresholds: &[u8], used: i64, limit: i64) -> Option<u8> {
    if limit <= 0 {
        return None;
    }
    thresholds.iter().copied().rfind(|percent| i128::from(used) * 100 >= i128::from(*percent) * i128::from(limit))
}

impl Book {
    /// What credits would have to cover of `amount` more in a place that a reservation held.
    pub(super) fn shortfall_at(&self, place: &Place, balance: Balance, amount: i64) -> i64 {
        let limit = self.terms.meters.get(&place.meter).and_then(|meter| {
            let terms = meter.places.iter().find(|terms| terms.scope == place.scope && terms.window == place.window)?;
            terms.limit.as_ref()?.amount
        });
        let Some(own) = limit.filter(|_| place.scope == crate::catalog::LimitScope::Account) else { return 0 };
        let held = i128::from(balance.used) + i128::from(balance.reserved) + i128::from(amount);
        let over = held - i128::from(own) - i128::from(balance.credited);
        i64::try_from(over.clamp(0, i128::from(amount.max(0)))).unwrap_or(0)
    }
}
