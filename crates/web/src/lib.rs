//! HTTP: parses, authorises, calls a use case of `app`, renders. No SQL and no rules of the product here.
//!
//! [`router`] shows every URL on one screen; [`api`] has one endpoint a file. What a request may carry is read by
//! [`extract`] into types, what goes wrong is told by one table in [`problem`]. [`operations`] wraps every request once:
//! its id, time limit, log line and counters. [`server`] owns the connections.

use std::pin::Pin;

mod answer;
pub mod api;
mod canonical;
mod docs_page;
pub mod extract;
mod gateway;
mod headers;
mod health;
mod idempotency;
pub mod measurements;
mod operations;
mod pages;
pub mod problem;
pub mod router;
pub mod server;
mod state;

pub use measurements::Measurements;
pub use router::{openapi, router};
pub use server::serve;
pub use state::{Readiness, WebState};

/// A future on the heap, made where it is to stand: one that is made first and boxed then is moved with all the room that
/// it may ever need.
fn boxed<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}
