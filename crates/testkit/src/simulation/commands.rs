//! Random commands, and what the simulation remembers of those it has sent.

use std::sync::Arc;

use domain::ids::{AccountId, EventId, ReservationId};
use domain::ledger::{Action, Amount, Command, Credit, OnExpiry, Original, Scopes};
use domain::name::Name;
use domain::time::MICROS_PER_SECOND;
use storage::ledger::{CallerKey, Durability, Request, rows};

use super::engine::Engine;
use super::plans::UNIT;
use crate::auditor::Asked;
use crate::random::Random;

/// A request that was sent under a caller's key, and its event once it was accepted.
#[derive(Clone)]
pub struct Sent {
    pub request: Request,
    pub accepted: Option<EventId>,
}

/// What there is to name in an account's commands.
#[derive(Clone, Default)]
pub struct Known {
    pub reservations: Vec<ReservationId>,
    pub events: Vec<EventId>,
}

pub struct Maker<'a> {
    pub engine: &'a Engine,
    pub random: &'a mut Random,
    pub account: AccountId,
}

impl Maker<'_> {
    pub fn request(&mut self, action: Action, amounts: Vec<Amount>) -> Request {
        let now = self.engine.clock.now();
        let member = self.random.chance(40).then(|| Name::new(["ann", "bob"][self.random.below(2)]));
        let is_light = matches!(action, Action::Reserve { .. }) && self.random.chance(50);
        let takes_members = matches!(action, Action::Consume | Action::Reserve { .. } | Action::Record);
        Request {
            command: Command {
                event: EventId::new(self.account, now, self.engine.entropy.bits()),
                action,
                scopes: Scopes { member: member.filter(|_| takes_members), ..Scopes::default() },
                amounts,
                occurred_at: None,
            },
            key: self.random.chance(50).then(|| self.key()),
            model: Name::new(["", "small"][self.random.below(2)]),
            details: Arc::from("{}"),
            epoch: None,
            durability: if is_light { Durability::Ordered } else { Durability::Synced },
        }
    }

    fn key(&mut self) -> CallerKey {
        CallerKey { hash: self.engine.entropy.bits().to_be_bytes(), content: [1; 16] }
    }

    fn amounts(&mut self) -> Vec<Amount> {
        let mut amounts = vec![self.amount()];
        if self.random.chance(25) {
            amounts.push(self.amount());
        }
        amounts
    }

    fn amount(&mut self) -> Amount {
        let (meter, units) = match self.random.below(10) {
            0..=5 => ("requests", self.random.between(0, 9)),
            6..=8 => ("tokens", self.random.between(0, 120)),
            _ => ("seats", self.random.between(0, 4)),
        };
        // Now and then the smallest part of a unit more or less.
        let part = if self.random.chance(15) { self.random.between(-1, 1) } else { 0 };
        Amount { meter: meter.into(), amount: (units * UNIT + part).max(0) }
    }

    /// A release of what is held, for bursts that make room and take it at once.
    pub fn releasing(&mut self, known: &Known) -> Option<Request> {
        let reservation = *self.recent(&known.reservations)?;
        Some(self.request(Action::Release { reservation }, Vec::new()))
    }

    /// Mostly one of the last few, which are the ones that still matter.
    fn recent<'k, T>(&mut self, known: &'k [T]) -> Option<&'k T> {
        let from = if self.random.chance(80) { known.len().saturating_sub(4) } else { 0 };
        self.random.pick(&known[from..])
    }

    /// A Consume or a Reserve.
    pub fn taking(&mut self) -> Request {
        let amounts = self.amounts();
        if self.random.chance(70) {
            return self.request(Action::Consume, amounts);
        }
        let reservation = ReservationId::new(self.account, self.engine.clock.now(), self.engine.entropy.bits());
        let seconds = [1, 600, 86_400, 200_000][self.random.below(4)];
        let on_expiry = [OnExpiry::Release, OnExpiry::Commit][self.random.below(2)];
        let action = Action::Reserve { reservation, ttl_micros: seconds * MICROS_PER_SECOND, on_expiry };
        self.request(action, amounts)
    }

    /// Any command.
    pub async fn any(&mut self, known: &Known) -> Request {
        match self.random.below(100) {
            0..=44 => self.taking(),
            45..=49 => {
                let amount = Amount { meter: "seats".into(), amount: self.random.between(-4, 4) * UNIT };
                self.request(Action::Consume, vec![amount])
            }
            50..=64 => self.settling(known),
            65..=74 => self.recording(),
            75..=79 => {
                let level = Amount { meter: "seats".into(), amount: self.random.between(0, 12) * UNIT };
                let ago = self.random.between(-200, 3_000) * MICROS_PER_SECOND;
                let occurred_at = Some(self.engine.clock.now().minus_micros(ago));
                let request = self.request(Action::SetLevel, vec![level]);
                Request { command: Command { occurred_at, ..request.command }, ..request }
            }
            80..=84 => self.granting(),
            85..=90 => {
                let mut amounts = self.amounts();
                amounts.truncate(1);
                amounts[0].amount = -amounts[0].amount / if self.random.chance(70) { 1 } else { -3 };
                self.request(Action::Adjust, amounts)
            }
            _ => self.reversing(known).await,
        }
    }

    fn settling(&mut self, known: &Known) -> Request {
        let Some(reservation) = self.recent(&known.reservations).copied() else { return self.taking() };
        if self.random.chance(30) {
            return self.request(Action::Release { reservation }, Vec::new());
        }
        let amounts = if self.random.chance(30) { Vec::new() } else { self.amounts() };
        self.request(Action::Commit { reservation }, amounts)
    }

    fn recording(&mut self) -> Request {
        let ago = match self.random.below(4) {
            0 => self.random.between(-310, 0),
            1 => self.random.between(0, 7_200),
            2 => self.random.between(0, 100_000),
            _ => self.random.between(0, 3_100_000),
        };
        let occurred_at = Some(self.engine.clock.now().minus_micros(ago * MICROS_PER_SECOND));
        let amounts = self.amounts();
        let request = self.request(Action::Record, amounts);
        Request { command: Command { occurred_at, ..request.command }, ..request }
    }

    fn granting(&mut self) -> Request {
        let now = self.engine.clock.now();
        let (meter, most) = [("requests", 8), ("tokens", 90)][self.random.below(2)];
        let (meter, granted) = (Name::new(meter), self.random.between(1, most) * UNIT);
        let expires_at = self.random.chance(50).then(|| self.random.between(1, 400_000) * MICROS_PER_SECOND);
        let credit = Credit {
            id: self.engine.id(now),
            meter: meter.clone(),
            granted,
            remaining: granted,
            priority: i32::try_from(self.random.below(3)).unwrap_or(0),
            expires_at: expires_at.map(|micros| now.plus_micros(micros)),
        };
        self.request(Action::Grant { credit }, vec![Amount { meter, amount: granted }])
    }

    async fn reversing(&mut self, known: &Known) -> Request {
        let Some(event) = self.recent(&known.events).copied() else { return self.taking() };
        let found = self.engine.nodes[0].ledger.event(event).await.ok().flatten();
        let Some(row) = found else { return self.taking() };
        let is_usage = matches!(row.text("action"), Ok("consume" | "commit" | "record" | "adjust"));
        let reservation = |text: &str| ReservationId::from_own_text(event.account, text);
        let original = Original {
            event,
            reservation: row.parsed_or_null("reservation_id", reservation).expect("a reservation's id"),
            postings: rows::decode_postings(row.text("postings").expect("postings")).expect("postings"),
            draws: rows::decode_draws(row.text("draws").expect("draws")).expect("draws"),
            // Left for the ledger to find out.
            reversed_by: None,
            is_usage,
        };
        let amounts = if self.random.chance(60) { Vec::new() } else { self.amounts() };
        self.request(Action::Reverse { original: Box::new(original) }, amounts)
    }
}

/// What the auditor is asked about a Consume or Reserve.
pub fn asked(command: &Command) -> Option<Asked> {
    let is_hold = match command.action {
        Action::Consume => false,
        Action::Reserve { .. } => true,
        _ => return None,
    };
    let amounts = command.amounts.iter().map(|amount| (amount.meter.to_string(), amount.amount)).collect();
    Some(Asked { amounts, member: command.scopes.member.as_ref().map(Name::to_string), is_hold })
}
