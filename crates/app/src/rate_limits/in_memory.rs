//! Requests counted in this process, a few numbers a caller.

use std::collections::VecDeque;

use domain::catalog::RateLimit;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use parking_lot::Mutex;
use storage::bounded_map::BoundedMap;

use super::Counted;
use crate::keyed_hash::KeyedHash;

/// Callers that are counted at once. Who has not asked longest is forgotten first, and begins anew.
const CAPACITY: usize = 65_536;
/// Requests that come closer together than this part of the window are counted as one spell.
const SPELLS_IN_A_WINDOW: i64 = 32;

/// A rate's window, in microseconds.
pub(super) fn window_of(limit: RateLimit) -> i64 {
    i64::from(limit.window_seconds) * MICROS_PER_SECOND
}

/// The width of a spell, in microseconds.
pub(super) fn spell_of(limit: RateLimit) -> i64 {
    window_of(limit) / SPELLS_IN_A_WINDOW
}

/// Counts requests in memory.
#[derive(Debug)]
pub(super) struct InMemory {
    /// By a hash of scope and identity that nobody outside can foresee.
    counts: Mutex<BoundedMap<u128, Spells>>,
    hash: KeyedHash,
}

/// The requests of the last window, oldest first: a spell is a few that came close together, reckoned by its last one.
/// So no stretch of the window's length ever has more than the limit; at worst it has a little less.
#[derive(Debug, Default)]
pub(super) struct Spells(VecDeque<Spell>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Spell {
    pub first: Timestamp,
    pub last: Timestamp,
    pub requests: u32,
}

impl Default for InMemory {
    fn default() -> Self {
        Self { counts: Mutex::new(BoundedMap::new(CAPACITY)), hash: KeyedHash::default() }
    }
}

impl InMemory {
    /// Counts one request for each of these, or refuses it and counts it for none.
    pub fn take(&self, limit: RateLimit, scope: &str, identities: &[&str], now: Timestamp) -> Counted {
        let places: Vec<u128> = identities.iter().map(|identity| self.place(scope, identity)).collect();
        let mut counts = self.counts.lock();
        let refused = places.iter().filter_map(|place| spells(&mut counts, *place).wait(limit, now)).max();
        if let Some(wait_micros) = refused {
            return Counted::Refused { wait_micros };
        }
        let counted = places.iter().map(|place| spells(&mut counts, *place).count(limit, now));
        Counted::Counted { remaining: counted.min().unwrap_or(limit.requests) }
    }

    /// How many requests of the last window are counted, and in how many microseconds all of them are over.
    pub fn standing(&self, limit: RateLimit, scope: &str, identity: &str, now: Timestamp) -> (u32, i64) {
        let mut counts = self.counts.lock();
        match counts.get_mut(&self.place(scope, identity)) {
            Some(spells) => spells.standing(limit, now),
            None => (0, 0),
        }
    }

    /// Forgets what was counted.
    pub fn clear(&self, scope: &str, identity: &str) {
        if let Some(spells) = self.counts.lock().get_mut(&self.place(scope, identity)) {
            spells.0.clear();
        }
    }

    fn place(&self, scope: &str, identity: &str) -> u128 {
        self.hash.of((scope, identity))
    }
}

fn spells(counts: &mut BoundedMap<u128, Spells>, place: u128) -> &mut Spells {
    if counts.get_mut(&place).is_none() {
        counts.insert(place, Spells::default());
    }
    counts.get_mut(&place).expect("it was just put there")
}

impl Spells {
    pub(super) fn of(spells: impl Iterator<Item = Spell>) -> Self {
        Self(spells.collect())
    }

    pub(super) fn standing(&mut self, limit: RateLimit, now: Timestamp) -> (u32, i64) {
        let used = self.used(limit, now);
        (used, self.0.back().map_or(0, |spell| window_of(limit) - now.since(spell.last)))
    }

    /// How long to wait for room, in microseconds. `None`: there is room.
    fn wait(&mut self, limit: RateLimit, now: Timestamp) -> Option<i64> {
        let used = self.used(limit, now);
        // A plan may have changed to a lower rate: wait until enough is over.
        let excess = used.checked_sub(limit.requests)?;
        Some(self.free_after(excess, now, window_of(limit)))
    }

    /// Counts one request for which there is room; what remains.
    fn count(&mut self, limit: RateLimit, now: Timestamp) -> u32 {
        match self.0.back_mut() {
            Some(spell) if now.since(spell.first) < spell_of(limit) => {
                spell.last = now;
                spell.requests = spell.requests.saturating_add(1);
            }
            _ => self.0.push_back(Spell { first: now, last: now, requests: 1 }),
        }
        limit.requests.saturating_sub(self.used(limit, now))
    }

    /// Drops what is over and adds up the rest.
    fn used(&mut self, limit: RateLimit, now: Timestamp) -> u32 {
        while self.0.front().is_some_and(|spell| now.since(spell.last) >= window_of(limit)) {
            self.0.pop_front();
        }
        self.0.iter().fold(0, |sum, spell| sum.saturating_add(spell.requests))
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { requests: 5, window_seconds: 60 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000 + millis * 1000)
    }

    fn remaining(limiter: &InMemory, limit: RateLimit, identity: &str, millis: i64) -> Option<u32> {
        match limiter.take(limit, "api", &[identity], at(millis)) {
            Counted::Counted { remaining } => Some(remaining),
            Counted::Refused { .. } => None,
        }
    }

    #[test]
    fn the_sixth_request_of_five_waits_for_the_first_to_be_over() {
        let limiter = InMemory::default();
        for left in (0..5).rev() {
            assert_eq!(remaining(&limiter, LIMIT, "ada", 0), Some(left));
        }
        let refused = limiter.take(LIMIT, "api", &["ada"], at(10_500));
        assert_eq!(refused, Counted::Refused { wait_micros: 49_500_000 });
        assert_eq!(remaining(&limiter, LIMIT, "bob", 10_500), Some(4));
        assert_eq!(limiter.take(LIMIT, "login", &["ada"], at(10_500)), Counted::Counted { remaining: 4 });
        assert_eq!(remaining(&limiter, LIMIT, "ada", 59_999), None);
        assert_eq!(remaining(&limiter, LIMIT, "ada", 60_000), Some(4));
    }

    #[test]
    fn a_lower_rate_holds_at_once() {
        let limiter = InMemory::default();
        for second in 0..5 {
            assert!(remaining(&limiter, LIMIT, "ada", second * 10_000).is_some());
        }
        let lower = RateLimit { requests: 2, window_seconds: 60 };
        let refused = limiter.take(lower, "api", &["ada"], at(50_000));
        assert_eq!(refused, Counted::Refused { wait_micros: 40_000_000 });
        assert_eq!(remaining(&limiter, lower, "ada", 89_999), None);
        assert_eq!(remaining(&limiter, lower, "ada", 90_000), Some(0));
    }

    #[test]
    fn who_is_past_the_rate_makes_the_others_wait_and_count_nothing() {
        let limiter = InMemory::default();
        for attempt in 0..5 {
            let named = ["ada", &format!("address {attempt}")];
            assert_eq!(limiter.take(LIMIT, "login", &named, at(0)), Counted::Counted { remaining: 4 - attempt });
        }
        let refused = limiter.take(LIMIT, "login", &["address 0", "ada"], at(1_000));
        assert_eq!(refused, Counted::Refused { wait_micros: 59_000_000 });
        assert_eq!(limiter.standing(LIMIT, "login", "address 0", at(1_000)), (1, 59_000_000));
        limiter.clear("login", "ada");
        let counted = limiter.take(LIMIT, "login", &["address 0", "ada"], at(1_000));
        assert_eq!(counted, Counted::Counted { remaining: 3 });
    }

    /// Whatever the pace, no window ever has more than the limit, and a steady caller just below it is never refused.
    #[test]
    fn no_stretch_of_a_window_has_more_than_the_limit() {
        let limit = RateLimit { requests: 100, window_seconds: 10 };
        let limiter = InMemory::default();
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
        let limiter = InMemory::default();
        for caller in 0..CAPACITY * 2 {
            assert!(remaining(&limiter, LIMIT, &caller.to_string(), 0).is_some());
        }
        assert!(limiter.counts.lock().len() <= CAPACITY);
        for _ in 0..100_000 {
            let _ = remaining(&limiter, RateLimit { requests: 1_000_000, window_seconds: 60 }, "busy", 0);
        }
        let longest = limiter.counts.lock().get_mut(&limiter.place("api", "busy")).map(|spells| spells.0.len());
        assert!(longest.is_some_and(|spells| spells <= 33));
    }
}
