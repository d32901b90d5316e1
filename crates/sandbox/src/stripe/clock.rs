//! The stand-in's time: the real one and how far it was moved ahead.
//!
//! It is the one place that reads the real clock; Stripe has one of its own too.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, by the real clock.
#[expect(clippy::disallowed_methods, reason = "Stripe's clock is its own, and no test of the product moves it")]
pub fn real_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub fn real_seconds() -> i64 {
    real_ms() / 1000
}
