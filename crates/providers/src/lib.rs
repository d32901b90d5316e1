//! The outside world, one folder each: thin, typed, no business rules and no ledger.
//!
//! - [`model_api`]: the providers of models, and what Tollway reads from requests to them and answers of theirs
//! - [`mail`]: hands mails to an SMTP server
//! - [`addresses`]: which addresses may be called, checked where a connection is made
//! - [`secret`]: text that no log shows

pub mod addresses;
mod connections;
pub mod mail;
pub mod model_api;
pub mod secret;
