//! The JSON API, one endpoint a file: what it takes, what it answers, how it is described.
//!
//! Handlers parse, call one use case and render. [`shapes`] holds what several answers show.

pub mod accounts;
pub mod auth;
pub mod authorize;
pub mod benchmark;
pub mod billing;
pub mod catalog;
pub mod clock;
pub mod entitlements;
pub mod hand_offs;
pub mod invitations;
pub mod jobs;
pub mod keys;
pub mod mails;
pub mod me;
pub mod noop;
pub mod paging;
pub mod rate_limits;
pub mod shapes;
pub mod subscription;
pub mod usage;
pub mod users;
pub mod webhooks;

use std::sync::Arc;

use axum::extract::State;

use crate::WebState;

/// What every handler is given.
pub type Shared = State<Arc<WebState>>;
