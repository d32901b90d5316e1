//! What can be asked of the ledger.

use crate::ids::{EventId, ReservationId};
use crate::name::Name;
use crate::time::Timestamp;

use super::balance::{Posting, Scopes};
use super::credit::{Credit, Draw};
use super::reservation::OnExpiry;

/// So much of a meter, in the meter's integer unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amount {
    pub meter: Name,
    pub amount: i64,
}

/// One command against one account: all of its amounts or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Made before the first attempt, so that an attempt whose answer was lost can be recognised.
    pub event: EventId,
    pub action: Action,
    pub scopes: Scopes,
    pub amounts: Vec<Amount>,
    /// When the work was done, where the caller says so. Only Record and SetLevel go by it.
    pub occurred_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Check and count in one step.
    Consume,
    /// Check and hold, to be settled later.
    Reserve { reservation: ReservationId, ttl_micros: i64, on_expiry: OnExpiry },
    /// Settle a reservation with what was really used: the command's amounts.
    Commit { reservation: ReservationId },
    /// Give a reservation back.
    Release { reservation: ReservationId },
    /// Settle a reservation whose time is over by its own rule.
    Expire { reservation: ReservationId },
    /// Count work already done; never denied.
    Record,
    /// Set levels to the amounts; never denied.
    SetLevel,
    /// Give extra quantity or money.
    Grant { credit: Credit },
    /// Add or give back (negative) by hand.
    Adjust,
    /// Void an event, or correct it to the command's amounts.
    Reverse { original: Box<Original> },
}

impl Action {
    /// The reservation that must be loaded before this is judged.
    pub fn reservation(&self) -> Option<ReservationId> {
        match self {
            Action::Commit { reservation } | Action::Release { reservation } | Action::Expire { reservation } => {
                Some(*reservation)
            }
            Action::Reverse { original } => original.reservation,
            _ => None,
        }
    }
}

/// The event a reversal is about, as the store found it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Original {
    pub event: EventId,
    /// The reservation it settled; what that had moved before is part of what is reversed.
    pub reservation: Option<ReservationId>,
    pub postings: Vec<Posting>,
    pub draws: Vec<Draw>,
    pub reversed_by: Option<EventId>,
    /// Consumed, recorded and committed usage can be reversed; holds are released instead.
    pub is_usage: bool,
}
