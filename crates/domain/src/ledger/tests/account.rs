//! An account for stories: it keeps what a database would, and gives each command no more than the store is told to load.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::catalog::{Enforce, Limit, LimitScope, MeterKind, Past};
use crate::ids::{AccountId, CreditId, EventId, Id, ReservationId};
use crate::ledger::{
    Accepted, Action, Amount, Balance, Book, Command, Credit, Denial, DenialReason, Event, MeterTerms, OnExpiry,
    Original, Outcome, Place, PlaceTerms, Refusal, Reservation, Scopes, Standing, Terms, apply,
};
use crate::name::Name;
use crate::time::{MICROS_PER_SECOND, Timestamp};
use crate::windows::{Window, WindowKind};

/// 15 March 2026, noon: the middle of a month, of a day, and of a period that began on the 10th.
pub const NOON: &str = "2026-03-15T12:00:00Z";
const ANCHOR: &str = "2026-01-10T00:00:00Z";

pub struct Account {
    pub terms: Terms,
    pub now: Timestamp,
    pub balances: BTreeMap<Place, Balance>,
    pub reservations: BTreeMap<ReservationId, Reservation>,
    pub credits: BTreeMap<CreditId, Credit>,
    pub events: Vec<Event>,
    reversed: HashMap<EventId, EventId>,
    made: u128,
}

/// A limit a period that blocks, for the whole account; the methods change that.
pub fn limit(meter: &str, amount: i64) -> Limit {
    Limit {
        meter: meter.into(),
        amount: Some(amount),
        per: WindowKind::Period,
        each: LimitScope::Account,
        past: Past::Block,
        enforce: Enforce::Enforce,
        denied_status: 429,
    }
}

pub fn unlimited(meter: &str) -> Limit {
    Limit { amount: None, ..limit(meter, 0) }
}

impl Limit {
    pub fn per(self, per: WindowKind) -> Self {
        Self { per, ..self }
    }
    pub fn each(self, each: LimitScope) -> Self {
        Self { each, ..self }
    }
    pub fn warns(self) -> Self {
        Self { past: Past::Warn, ..self }
    }
    pub fn charges(self, charge_nano: i64, each: i64, up_to_minor: Option<i64>) -> Self {
        Self { past: Past::charge(charge_nano, each, up_to_minor), ..self }
    }
    pub fn observed(self) -> Self {
        Self { enforce: Enforce::Observe, ..self }
    }
}

pub fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a valid time")
}

pub fn amounts(named: &[(&str, i64)]) -> Vec<Amount> {
    named.iter().map(|(meter, amount)| Amount { meter: (*meter).into(), amount: *amount }).collect()
}

pub fn member(name: &str) -> Scopes {
    Scopes { member: Some(name.into()), ..Scopes::default() }
}

/// Counts each meter where these limits say and in its period, levels for a lifetime.
pub fn meters(limits: &[Limit], levels: &[&str]) -> BTreeMap<Name, MeterTerms> {
    let mut meters: BTreeMap<Name, BTreeSet<(LimitScope, WindowKind)>> = BTreeMap::new();
    for limit in limits {
        let is_level = levels.contains(&limit.meter.as_str());
        let usual = if is_level { WindowKind::Lifetime } else { WindowKind::Period };
        let places = meters.entry(limit.meter.clone()).or_default();
        places.extend([(LimitScope::Account, usual), (limit.each, if is_level { usual } else { limit.per })]);
    }
    let limit_on = |meter: &Name, scope, window| {
        let same = |limit: &&Limit| limit.meter == *meter && limit.each == scope;
        let in_window = |limit: &&Limit| {
            limit.per == window || (window == WindowKind::Lifetime && levels.contains(&meter.as_str()))
        };
        limits.iter().filter(same).find(in_window).cloned()
    };
    let of_meter = |(meter, places): (Name, BTreeSet<(LimitScope, WindowKind)>)| {
        let kind = if levels.contains(&meter.as_str()) { MeterKind::Level } else { MeterKind::Sum };
        let place = |(scope, window)| PlaceTerms::new(scope, window, limit_on(&meter, scope, window), 2);
        let places = places.into_iter().map(place).collect();
        (meter, MeterTerms { kind, places })
    };
    meters.into_iter().map(of_meter).collect()
}

impl Account {
    /// An account at [`NOON`] whose periods begin on the 10th.
    pub fn with(limits: &[Limit]) -> Self {
        Self::with_levels(limits, &[])
    }

    pub fn with_levels(limits: &[Limit], levels: &[&str]) -> Self {
        let terms = Terms {
            epoch: 1,
            standing: Standing::Open,
            plan: None,
            anchor: time(ANCHOR),
            periods_since: Timestamp::EPOCH,
            meters: Arc::new(meters(limits, levels)),
            warn_at_percent: Arc::from([80, 90, 100]),
            valid_until: None,
        };
        Self {
            terms,
            now: time(NOON),
            balances: BTreeMap::new(),
            reservations: BTreeMap::new(),
            credits: BTreeMap::new(),
            events: Vec::new(),
            reversed: HashMap::new(),
            made: 0,
        }
    }

    /// Other limits on the same meters, as after a change of plan. Where meters are counted does not change.
    pub fn moves_to(&mut self, limits: &[Limit]) {
        let mut changed = (*self.terms.meters).clone();
        for (name, meter) in &mut changed {
            for place in &mut meter.places {
                let same = |limit: &&Limit| limit.is_on(name.as_str(), place.window, place.scope);
                *place = PlaceTerms::new(place.scope, place.window, limits.iter().find(same).cloned(), 2);
            }
        }
        self.terms = Terms { epoch: self.terms.epoch + 1, meters: Arc::new(changed), ..self.terms.clone() };
    }

    pub fn at(&mut self, text: &str) -> &mut Self {
        self.now = time(text);
        self
    }

    pub fn wait_seconds(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.plus_micros(seconds * MICROS_PER_SECOND);
        self
    }

    pub fn id(&self) -> AccountId {
        AccountId::from_bits(7)
    }

    pub fn next_event(&mut self) -> EventId {
        self.made += 1;
        EventId::new(self.id(), self.now, self.made)
    }

    pub fn command(&mut self, action: Action, amounts: Vec<Amount>, scopes: Scopes) -> Command {
        Command { event: self.next_event(), action, scopes, amounts, occurred_at: None }
    }

    /// The book a store would load for this command: nothing more.
    pub fn book_for(&self, command: &Command) -> Book {
        let mut book = Book::new(self.id(), Arc::new(self.terms.clone()));
        book.load_credits(self.credits.values().filter(|credit| credit.remaining > 0).cloned().collect());
        if let Some(found) = command.action.reservation().and_then(|id| self.reservations.get(&id)) {
            book.load_reservation(found.clone());
        }
        for credit in book.missing_credits(command) {
            book.load_credit(self.credits[&credit].clone());
        }
        for place in book.places_of(command, self.now) {
            let balance = self.balances.get(&place).copied().unwrap_or_default();
            book.load_balance(place, balance);
        }
        book
    }

    /// Judges one command and keeps what it changed. What was not accepted must have changed nothing.
    pub fn run(&mut self, command: &Command) -> Outcome {
        let mut book = self.book_for(command);
        let before = book.clone();
        let outcome = apply(&mut book, command, self.now).expect("everything was loaded");
        let changes = book.take_changes();
        let Outcome::Accepted(accepted) = &outcome else {
            assert!(changes.balances.is_empty() && changes.credits.is_empty() && changes.reservations.is_empty());
            assert_eq!(format!("{book:?}"), format!("{before:?}"), "{command:?} was not accepted and left a trace");
            return outcome;
        };
        self.balances.extend(changes.balances);
        self.credits.extend(changes.credits.into_iter().map(|credit| (credit.id, credit)));
        self.reservations.extend(changes.reservations.into_iter().map(|held| (held.id, held)));
        if let Some(original) = accepted.event.reverses {
            self.reversed.insert(original, accepted.event.id);
        }
        self.events.push(accepted.event.clone());
        outcome
    }

    pub fn asks(&mut self, action: Action, named: &[(&str, i64)]) -> Outcome {
        self.asks_for(Scopes::default(), action, named)
    }

    pub fn asks_for(&mut self, scopes: Scopes, action: Action, named: &[(&str, i64)]) -> Outcome {
        let command = self.command(action, amounts(named), scopes);
        self.run(&command)
    }

    pub fn consumes(&mut self, named: &[(&str, i64)]) -> Outcome {
        self.asks(Action::Consume, named)
    }

    pub fn records_at(&mut self, when: &str, named: &[(&str, i64)]) -> Outcome {
        let command = self.command(Action::Record, amounts(named), Scopes::default());
        self.run(&Command { occurred_at: Some(time(when)), ..command })
    }

    /// Holds these amounts for ten minutes.
    pub fn reserves(&mut self, named: &[(&str, i64)], on_expiry: OnExpiry) -> ReservationId {
        let (id, outcome) = self.tries_to_reserve(named, on_expiry);
        outcome.accepted();
        id
    }

    pub fn tries_to_reserve(&mut self, named: &[(&str, i64)], on_expiry: OnExpiry) -> (ReservationId, Outcome) {
        self.made += 1;
        let reservation = ReservationId::new(self.id(), self.now, self.made);
        let action = Action::Reserve { reservation, ttl_micros: 600 * MICROS_PER_SECOND, on_expiry };
        (reservation, self.asks(action, named))
    }

    pub fn commits(&mut self, reservation: ReservationId, named: &[(&str, i64)]) -> Outcome {
        self.asks(Action::Commit { reservation }, named)
    }

    pub fn releases(&mut self, reservation: ReservationId) -> Outcome {
        self.asks(Action::Release { reservation }, &[])
    }

    pub fn expires(&mut self, reservation: ReservationId) -> Outcome {
        self.asks(Action::Expire { reservation }, &[])
    }

    pub fn is_granted(&mut self, meter: &str, amount: i64, priority: i32, expires_at: Option<&str>) -> CreditId {
        self.made += 1;
        let id = Id::new(self.now, self.made);
        let expires_at = expires_at.map(time);
        let credit = Credit { id, meter: meter.into(), granted: amount, remaining: amount, priority, expires_at };
        self.asks(Action::Grant { credit }, &[(meter, amount)]).accepted();
        id
    }

    /// The reversal of an event, as a store would put it together.
    pub fn reversal_of(&self, event: EventId) -> Action {
        let found = self.events.iter().find(|other| other.id == event).expect("an event of this account");
        Action::Reverse {
            original: Box::new(Original {
                event,
                reservation: found.reservation,
                postings: found.postings.clone(),
                draws: found.draws.clone(),
                reversed_by: self.reversed.get(&event).copied(),
                is_usage: found.action.is_usage(),
            }),
        }
    }

    pub fn voids(&mut self, event: EventId) -> Outcome {
        self.asks(self.reversal_of(event), &[])
    }

    pub fn corrects(&mut self, event: EventId, named: &[(&str, i64)]) -> Outcome {
        self.asks(self.reversal_of(event), named)
    }

    /// What is used in the account's current window of this kind.
    pub fn balance(&self, meter: &str, window: WindowKind) -> Balance {
        let start = Window::containing(window, self.terms.anchor, self.now).start;
        self.balance_from(meter, window, start)
    }

    pub fn balance_from(&self, meter: &str, window: WindowKind, start: Timestamp) -> Balance {
        let place = Place { scope: LimitScope::Account, scope_id: None, meter: meter.into(), window, start };
        self.balances.get(&place).copied().unwrap_or_default()
    }

    /// Used and reserved in the account's current period.
    pub fn usage(&self, meter: &str) -> (i64, i64) {
        let balance = self.balance(meter, WindowKind::Period);
        (balance.used, balance.reserved)
    }

    pub fn credit_left(&self, credit: CreditId) -> i64 {
        self.credits[&credit].remaining
    }
}

impl Outcome {
    #[track_caller]
    pub fn accepted(self) -> Accepted {
        match self {
            Outcome::Accepted(accepted) => *accepted,
            other => panic!("this should have been accepted: {other:?}"),
        }
    }

    #[track_caller]
    pub fn denied(self) -> Denial {
        match self {
            Outcome::Denied(denial) => *denial,
            other => panic!("this should have been denied: {other:?}"),
        }
    }

    /// Denied for quota; the meter, the window and what is left.
    #[track_caller]
    pub fn over_quota(self) -> (String, WindowKind, Option<i64>) {
        let denial = self.denied();
        assert_eq!(denial.reason, DenialReason::QuotaExceeded);
        let limit = denial.limit.expect("a quota denial names its limit");
        (limit.meter.to_string(), limit.window, limit.remaining())
    }

    #[track_caller]
    pub fn refused(self) -> Refusal {
        match self {
            Outcome::Refused(refusal) => refusal,
            other => panic!("this should have been refused: {other:?}"),
        }
    }

    #[track_caller]
    pub fn settled_by(self) -> EventId {
        match self {
            Outcome::Settled(event) => event,
            other => panic!("this should have been settled before: {other:?}"),
        }
    }
}
