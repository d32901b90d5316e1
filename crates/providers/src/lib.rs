//! The outside world, one folder each: thin, typed, no business rules and no ledger.
//!
//! - [`model_api`]: the providers of models, and what Tollway reads from requests to them and answers of theirs
//! - [`addresses`]: which addresses may be called, checked where a connection is made
//! - [`shared_limits`]: requests counted for all nodes at once, in Redis
//! - [`secret`]: text that no log shows

pub mod addresses;
mod connections;
pub mod model_api;
pub mod secret;
pub mod shared_limits;
