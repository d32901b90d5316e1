//! Held estimates, and what became of them.

use crate::ids::{EventId, ReservationId};
use crate::time::Timestamp;

use super::balance::{Posting, Scopes};
use super::command::Amount;
use super::credit::Draw;

/// What happens to a reservation that nobody settles.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnExpiry {
    /// The hold is given back.
    #[default]
    Release,
    /// The estimate is booked, so that a crash is never free.
    Commit,
}

impl OnExpiry {
    pub fn as_str(self) -> &'static str {
        match self {
            OnExpiry::Release => "release",
            OnExpiry::Commit => "commit",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [OnExpiry::Release, OnExpiry::Commit].into_iter().find(|rule| rule.as_str() == text)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReservationState {
    Open,
    Committed,
    Released,
    /// Expired and given back.
    Lapsed,
    /// Expired and booked as estimated.
    Booked,
}

impl ReservationState {
    const ALL: [ReservationState; 5] = [
        ReservationState::Open,
        ReservationState::Committed,
        ReservationState::Released,
        ReservationState::Lapsed,
        ReservationState::Booked,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ReservationState::Open => "open",
            ReservationState::Committed => "committed",
            ReservationState::Released => "released",
            ReservationState::Lapsed => "lapsed",
            ReservationState::Booked => "booked",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A hold on an account's balances. It belongs to the windows it was made in, whenever it is settled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reservation {
    pub id: ReservationId,
    pub state: ReservationState,
    pub made_at: Timestamp,
    pub expires_at: Timestamp,
    pub on_expiry: OnExpiry,
    pub scopes: Scopes,
    /// What was asked for, meter by meter.
    pub amounts: Vec<Amount>,
    /// The holds: `reserved` and `credited` by place.
    pub holds: Vec<Posting>,
    pub draws: Vec<Draw>,
    /// The event that settled it last.
    pub settled_by: Option<EventId>,
}

impl Reservation {
    pub fn is_expired(&self, at: Timestamp) -> bool {
        self.state == ReservationState::Open && self.expires_at <= at
    }
}
