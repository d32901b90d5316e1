//! The rules of the ledger, told as stories about one account, and held for random sequences of commands.
//!
//! [`account`] is the account that the stories are about; [`random`] makes the commands of [`properties`].

mod account;
mod changes;
mod consume;
mod corrections;
mod credits;
mod levels;
mod past;
mod properties;
mod random;
mod records;
mod reservations;
mod settlements;
mod thresholds;
mod windows;
