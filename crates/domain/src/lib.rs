//! The rules of Tollway, pure: no input or output, no async, no clock, no randomness.
//!
//! What time it is and which ids are free is told from outside, so every rule here can be replayed and tested with
//! figures alone. Start at [`ledger`] for how usage is counted and held to limits, at [`catalog`] for what a plan is.

pub mod billing;
pub mod catalog;
mod civil;
pub mod entitlements;
pub mod ids;
pub mod json;
pub mod ledger;
pub mod money;
pub mod name;
pub mod permissions;
pub mod plain;
pub mod pricing;
pub mod quantity;
pub mod suggestion;
pub mod time;
pub mod windows;
