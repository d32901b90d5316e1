//! Counting usage and holding customers to their plans.

mod callers;
mod changes;
mod concurrency;
mod consume;
mod corrections;
mod edges;
mod events;
mod idempotency;
mod levels;
mod models;
mod observe;
mod rates;
mod reservations;
mod scopes;
mod windows;
