//! What the ledger answers.

use crate::catalog::{LimitScope, Past};
use crate::ids::{EventId, ReservationId};
use crate::name::Name;
use crate::time::Timestamp;
use crate::windows::WindowKind;

use super::balance::Posting;
use super::command::Amount;
use super::credit::Draw;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Accepted(Box<Accepted>),
    /// The same reservation was settled the same way before, by this event.
    Settled(EventId),
    Denied(Box<Denial>),
    Refused(Refusal),
}

/// A command that counts. It leaves exactly one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    pub event: Event,
    /// The limits on the meters it moved, as they stand after it.
    pub limits: Vec<LimitState>,
    pub crossed: Vec<Crossing>,
    /// The limit that this went past though nothing held it back: one that observes, warns or charges, or that work done
    /// before could not be held to.
    pub would_deny: Option<Denial>,
}

/// What the ledger keeps of an accepted command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub id: EventId,
    pub action: EventAction,
    /// Server time it was judged at.
    pub at: Timestamp,
    pub occurred_at: Timestamp,
    /// It came after its own window was closed and counts in the open one.
    pub late: bool,
    /// Its counts are an estimate nobody confirmed.
    pub estimated: bool,
    /// A level reading older than the last one: kept, but moves nothing.
    pub ignored: bool,
    pub amounts: Vec<Amount>,
    pub postings: Vec<Posting>,
    pub draws: Vec<Draw>,
    pub reservation: Option<ReservationId>,
    pub reverses: Option<EventId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventAction {
    Consume,
    Reserve,
    Commit,
    Release,
    Expire,
    Record,
    SetLevel,
    Grant,
    Adjust,
    Reverse,
}

impl EventAction {
    const ALL: [EventAction; 10] = [
        EventAction::Consume,
        EventAction::Reserve,
        EventAction::Commit,
        EventAction::Release,
        EventAction::Expire,
        EventAction::Record,
        EventAction::SetLevel,
        EventAction::Grant,
        EventAction::Adjust,
        EventAction::Reverse,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            EventAction::Consume => "consume",
            EventAction::Reserve => "reserve",
            EventAction::Commit => "commit",
            EventAction::Release => "release",
            EventAction::Expire => "expire",
            EventAction::Record => "record",
            EventAction::SetLevel => "set_level",
            EventAction::Grant => "grant",
            EventAction::Adjust => "adjust",
            EventAction::Reverse => "reverse",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    /// Whether it is usage that can be voided or corrected.
    pub fn is_usage(self) -> bool {
        matches!(self, EventAction::Consume | EventAction::Commit | EventAction::Record | EventAction::Adjust)
    }
}

/// One limit as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitState {
    pub meter: Name,
    pub scope: LimitScope,
    pub scope_id: Option<Name>,
    pub window: WindowKind,
    pub start: Timestamp,
    pub resets_at: Option<Timestamp>,
    /// `None`: unlimited.
    pub limit: Option<i64>,
    pub used: i64,
    pub reserved: i64,
    /// What credits have added in this window.
    pub credited: i64,
    /// What credits could still add.
    pub credits_left: i64,
    pub past: Past,
    pub observed_only: bool,
    /// HTTP status of a denial here.
    pub denied_status: u16,
    /// The highest warning threshold reached, in percent.
    pub warning_percent: Option<u8>,
}

impl LimitState {
    /// What is left of the plan's amount and credits; never negative. `None`: unlimited.
    pub fn remaining(&self) -> Option<i64> {
        let limit = self.limit?;
        let held = i128::from(self.used) + i128::from(self.reserved);
        let left = (i128::from(limit) + i128::from(self.credited) - held).max(0) + i128::from(self.credits_left);
        Some(i64::try_from(left).unwrap_or(i64::MAX))
    }
}

/// A warning threshold passed by this command, for the first time in its window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crossing {
    pub meter: Name,
    pub scope: LimitScope,
    pub scope_id: Option<Name>,
    pub window: WindowKind,
    pub start: Timestamp,
    pub percent: u8,
    pub used: i64,
    pub limit: i64,
}

/// A command that was not counted. It leaves nothing behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denial {
    pub reason: DenialReason,
    pub requested: i64,
    /// The limit that stands in the way longest.
    pub limit: Option<LimitState>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DenialReason {
    QuotaExceeded,
    AccountSuspended,
    SubscriptionRequired,
}

/// A command that makes no sense here.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("no meter is called {0}")]
    MeterUnknown(Name),
    #[error("{0} is a sum: usage is given back by an adjustment or a reversal, not by a negative quantity")]
    NegativeQuantity(Name),
    #[error("{0} is a sum: levels are set on meters of kind level")]
    NotALevel(Name),
    #[error("{0} would fall below zero")]
    LevelBelowZero(Name),
    #[error("the total of {0} would be too large to count")]
    TooLarge(Name),
    #[error("no such reservation")]
    ReservationUnknown,
    #[error("the reservation was released")]
    ReservationReleased,
    #[error("the reservation was committed")]
    ReservationCommitted,
    #[error("the event was reversed before, by {0}")]
    AlreadyReversed(EventId),
    #[error("only usage can be reversed; a reservation is released instead")]
    NotReversible,
    #[error("the time is more than 35 days ago")]
    TooOld,
    #[error("the time is more than 5 minutes in the future")]
    InTheFuture,
}
