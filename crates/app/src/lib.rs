//! The use cases of Tollway: one folder an area, one file a verb. The file names tell what the product does.
//!
//! A use case takes an [`App`] and values that were parsed at the edge, decides, and answers with domain types or an
//! [`AppError`]. No SQL here, and no HTTP but what the gateway passes on. Start at `metering::consume`.

pub mod accounts;
pub mod audit;
pub mod benchmark;
pub mod billing;
pub mod caller;
pub mod catalog;
pub mod context;
pub mod development_clock;
pub mod error;
pub mod gateway;
pub mod idempotency;
pub mod identity;
pub mod jobs;
mod keyed_hash;
pub mod mail;
pub mod metering;
pub mod rate_limits;
#[cfg(test)]
mod stage;
pub mod teams;
pub mod vault;
pub mod webhooks;

pub use caller::{AccountRef, Caller};
pub use context::{App, Settings};
pub use error::AppError;
