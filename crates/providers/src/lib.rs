//! The outside world, one folder each: thin, typed, no business rules and no ledger.
//!
//! - [`model_api`]: the providers of models, and what Tollway reads from requests to them and answers of theirs
//! - [`mail`]: hands mails to an SMTP server
//! - [`oidc`]: signing in by OpenID Connect
//! - [`issuers`]: tokens that others have signed, and the keys they publish
//! - [`webhooks`]: tells other servers what happened, signed
//! - [`addresses`]: which addresses may be called, checked where a connection is made
//! - [`stripe`]: what is sold, and who has paid
//! - [`shared_limits`]: requests counted for all nodes at once, in Redis
//! - [`secret`]: text that no log shows

pub mod addresses;
mod connections;
mod fetch;
pub mod issuers;
pub mod mail;
pub mod model_api;
pub mod oidc;
pub mod secret;
pub mod shared_limits;
pub mod stripe;
pub mod webhooks;
