//! The usage ledger as a state machine: commands against one account's balances, applied one after another.
//!
//! What lives here: what a balance is ([`balance`]), what judges it ([`terms`]), what can be asked ([`command`]), what is
//! answered ([`outcome`]) and the rules between them ([`apply`]). What must not: SQL, queues, clocks. A store loads a
//! [`Book`] with what a command needs, calls [`apply::apply`], and writes what the book says has changed.
//!
//! Two promises hold whatever the order, the load or the crash: Consume and Reserve never pass a blocking limit, and every
//! balance equals the sum of the postings of the events that touched it.

pub mod apply;
pub mod balance;
pub mod balances;
pub mod book;
pub mod command;
pub mod credit;
mod judge;
pub mod outcome;
pub mod reservation;
mod settle;
pub mod terms;
#[cfg(test)]
mod tests;

pub use apply::apply;
pub use balance::{Balance, Place, Posting, Scopes};
pub use balances::Balances;
pub use book::Book;
pub use command::{Action, Amount, Command, Original};
pub use credit::{Credit, Draw};
pub use outcome::{Accepted, Crossing, Denial, DenialReason, Event, EventAction, LimitState, Outcome, Refusal};
pub use reservation::{OnExpiry, Reservation, ReservationState};
pub use terms::{Counting, MeterTerms, PlaceTerms, Standing, Terms};

/// How long after its end a window still takes events that occurred in it. Later ones count in the open window, marked
/// late.
pub const CLOSE_AFTER_MICROS: i64 = crate::time::MICROS_PER_HOUR;
/// The oldest `occurred_at` a record may name.
pub const OLDEST_RECORD_MICROS: i64 = 35 * crate::time::MICROS_PER_DAY;
/// How far in the future an `occurred_at` may lie, for clocks that run ahead.
pub const FUTURE_RECORD_MICROS: i64 = 5 * crate::time::MICROS_PER_MINUTE;
