//! How fast one caller may ask: so many requests in any stretch of so many seconds, by scope.
//!
//! Counted in this process: with several nodes each counts its own, so a limit holds for what reaches one of them. What is
//! sold exactly is a quota, and the ledger's. The rate comes from the plan, or the catalog's base rate times the plan's
//! multiplier.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use domain::catalog::RateLimit;
use domain::ids::AccountId;
use domain::name::Name;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use parking_lot::Mutex;

use crate::bounded_map::BoundedMap;
use crate::{App, AppError};

/// Callers that are counted at once. Who has not asked longest is forgotten first, and begins anew.
const CAPACITY: usize = 65_536;
/// Requests that come closer together than this part of the window are counted as one spell.
const SPELLS_IN_A_WINDOW: i64 = 32;

/// What a caller has left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowance {
    pub scope: Name,
    pub requests: u32,
    pub window_seconds: u32,
    pub remaining: u32,
    /// Seconds until everything is free again, rounded up.
    pub reset_seconds: u64,
}

/// Holds one account to its plan's rate for a scope. `Ok(None)`: the scope is not limited.
///
/// # Errors
/// [`AppError::RateLimited`] past the rate. What is refused is not counted.
pub async fn hold_account(app: &App, account: AccountId, scope: &str) -> Result<Option<Allowance>, AppError> {
    let terms = app.ledger.terms(account).await?.ok_or(AppError::AccountUnknown)?;
    let plans = app.plans().await?;
    let base = &plans.catalog.rates;
    let limit = match &terms.plan {
        Some(plan) => plan.rate_limit(scope, base),
        None => base.get(scope).copied(),
    };
    limit.map(|limit| app.rate_limits.take(limit, scope, &account.to_string(), app.now())).transpose()
}

/// Holds whoever asks without an account, such as an address, to the catalog's base rate. `Ok(None)`: the scope is not
/// limited.
///
/// # Errors
/// [`AppError::RateLimited`] past the rate. What is refused is not counted.
pub async fn hold_anyone(app: &App, identity: &str, scope: &str) -> Result<Option<Allowance>, AppError> {
    let plans = app.plans().await?;
    let limit = plans.catalog.rates.get(scope).copied();
    limit.map(|limit| app.rate_limits.take(limit, scope, identity, app.now())).transpose()
}

/// Counts requests in memory.
#[derive(Debug)]
pub struct RateLimiter {
    /// By a hash of scope and identity that nobody outside can foresee.
    counts: Mutex<BoundedMap<u128, Spells>>,
    hashers: (RandomState, RandomState),
}

/// The requests of the last window, oldest first: a spell is a few that came close together, reckoned by its last one.
/// So no stretch of the window's length ever has more than the limit; at worst it has a little less.
#[derive(Debug, Default)]
struct Spells(VecDeque<Spell>);

#[derive(Clone, Copy, Debug)]
struct Spell {
    first: Timestamp,
    last: Timestamp,
    requests: u32,
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self { counts: Mutex::new(BoundedMap::new(CAPACITY)), hashers: (RandomState::new(), RandomState::new()) }
    }
}

impl RateLimiter {
    /// Counts one request, or refuses it.
    pub fn take(&self, limit: RateLimit, scope: &str, identity: &str, now: Timestamp) -> Result<Allowance, AppError> {
        let place = self.place(scope, identity);
        let mut counts = self.counts.lock();
        if counts.get_mut(&place).is_none() {
            counts.insert(place, Spells::default());
        }
        let spells = counts.get_mut(&place).expect("it was just put there");
        let outcome = spells.take(limit, now);
        drop(counts);
        let scope = Name::new(scope);
        let RateLimit { requests, window_seconds } = limit;
        match outcome {
            Ok((remaining, reset_micros)) => {
                let reset_seconds = whole_seconds(reset_micros);
                Ok(Allowance { scope, requests, window_seconds, remaining, reset_seconds })
            }
            Err(wait_micros) => {
                let retry_after_seconds = whole_seconds(wait_micros).max(1);
                Err(AppError::RateLimited { scope, requests, window_seconds, retry_after_seconds })
            }
        }
    }

    fn place(&self, scope: &str, identity: &str) -> u128 {
        let named = (scope, identity);
        (u128::from(self.hashers.0.hash_one(named)) << 64) | u128::from(self.hashers.1.hash_one(named))
    }
}

impl Spells {
    /// What remains and in how many microseconds all is free again; or how long to wait.
    fn take(&mut self, limit: RateLimit, now: Timestamp) -> Result<(u32, i64), i64> {
        let window = i64::from(limit.window_seconds) * MICROS_PER_SECOND;
        while self.0.front().is_some_and(|spell| now.since(spell.last) >= window) {
            self.0.pop_front();
        }
        let used = self.0.iter().fold(0u32, |sum, spell| sum.saturating_add(spell.requests));
        if used >= limit.requests {
            // A plan may have changed to a lower rate: wait until enough is over.
            let excess = used - limit.requests;
            return Err(self.free_after(excess, now, window));
        }
        match self.0.back_mut() {
            Some(spell) if now.since(spell.first) < window / SPELLS_IN_A_WINDOW => {
                spell.last = now;
                spell.requests = spell.requests.saturating_add(1);
            }
            _ => self.0.push_back(Spell { first: now, last: now, requests: 1 }),
        }
        let free_in = self.0.back().map_or(0, |spell| window - now.since(spell.last));
        Ok((limit.requests - used - 1, free_in))
    }

    /// How long until more than `excess` of the counted requests are a window old.
    fn free_after(&self, excess: u32, now: Timestamp, window: i64) -> i64 {
        let mut over = 0u32;
        for spell in &self.0 {
            over = over.saturating_add(spell.requests);
            if over > excess {
                return window - now.since(spell.last);
            }
        }
        window
    }
}

fn whole_seconds(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0).div_ceil(MICROS_PER_SECOND as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { requests: 5, window_seconds: 60 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000 + millis * 1000)
    }

    fn remaining(limiter: &RateLimiter, limit: RateLimit, identity: &str, millis: i64) -> Option<u32> {
        limiter.take(limit, "api", identity, at(millis)).ok().map(|allowance| allowance.remaining)
    }

    #[test]
    fn the_sixth_request_of_five_waits_for_the_first_to_be_over() {
        let limiter = RateLimiter::default();
        for left in (0..5).rev() {
            assert_eq!(remaining(&limiter, LIMIT, "ada", 0), Some(left));
        }
        let refused = limiter.take(LIMIT, "api", "ada", at(10_500));
        assert!(
            matches!(refused, Err(AppError::RateLimited { retry_after_seconds: 50, requests: 5, .. })),
            "{refused:?}"
        );
        assert_eq!(remaining(&limiter, LIMIT, "bob", 10_500), Some(4));
        assert!(limiter.take(LIMIT, "login", "ada", at(10_500)).is_ok());
        assert_eq!(remaining(&limiter, LIMIT, "ada", 59_999), None);
        assert_eq!(remaining(&limiter, LIMIT, "ada", 60_000), Some(4));
    }

    #[test]
    fn a_lower_rate_holds_at_once() {
        let limiter = RateLimiter::default();
        for second in 0..5 {
            assert!(remaining(&limiter, LIMIT, "ada", second * 10_000).is_some());
        }
        let lower = RateLimit { requests: 2, window_seconds: 60 };
        let refused = limiter.take(lower, "api", "ada", at(50_000));
        assert!(matches!(refused, Err(AppError::RateLimited { retry_after_seconds: 40, .. })), "{refused:?}");
        assert_eq!(remaining(&limiter, lower, "ada", 89_999), None);
        assert_eq!(remaining(&limiter, lower, "ada", 90_000), Some(0));
    }

    /// Whatever the pace, no window ever has more than the limit, and a steady caller just below it is never refused.
    #[test]
    fn no_stretch_of_a_window_has_more_than_the_limit() {
        let limit = RateLimit { requests: 100, window_seconds: 10 };
        let limiter = RateLimiter::default();
        let mut accepted: Vec<i64> = Vec::new();
        let mut step = 1;
        let mut millis = 0;
        while millis < 60_000 {
            if remaining(&limiter, limit, "ada", millis).is_some() {
                accepted.push(millis);
            }
            step = (step * 37 + 11) % 83;
            millis += step;
        }
        assert!(accepted.len() > 500, "{}", accepted.len());
        assert!(accepted.windows(101).all(|stretch| stretch[100] - stretch[0] >= 10_000));
        assert!((0..1_000).all(|call| remaining(&limiter, limit, "steady", call * 105).is_some()));
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = RateLimiter::default();
        for caller in 0..CAPACITY * 2 {
            assert!(limiter.take(LIMIT, "api", &caller.to_string(), at(0)).is_ok());
        }
        assert!(limiter.counts.lock().len() <= CAPACITY);
        for _ in 0..100_000 {
            let _ = limiter.take(RateLimit { requests: 1_000_000, window_seconds: 60 }, "api", "busy", at(0));
        }
        let longest = limiter.counts.lock().get_mut(&limiter.place("api", "busy")).map(|spells| spells.0.len());
        assert!(longest.is_some_and(|spells| spells <= 33));
    }
}
