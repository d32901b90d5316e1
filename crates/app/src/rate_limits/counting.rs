//! Where requests are counted: in Redis for all nodes, or in this process where none is configured or it is away.
//!
//! What Redis counts is counted here too, so that a caller who was past the rate is not free at once when Redis goes. When
//! it comes back, what this process counted meanwhile is not told to it.

use std::sync::Arc;
use std::time::Duration;

use domain::catalog::RateLimit;
use domain::time::Timestamp;
use providers::shared_limits::{NoAnswer, Outcome, Rate, SharedLimits};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::Counted;
use super::in_memory::{InMemory, Spell, Spells, spell_of, window_of};

/// How long after a failure, and after each further one, Redis is asked again.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Everything that is counted; one a process.
#[derive(Debug, Default)]
pub struct RateLimits {
    in_memory: InMemory,
    shared: Option<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Arc<SharedLimits>,
    /// Told why an answer failed.
    lost: mpsc::Sender<NoAnswer>,
}

impl RateLimits {
    /// Counts in Redis, and keeps the connection to it for as long as the runtime lives.
    pub fn shared(limits: SharedLimits) -> Self {
        let (limits, (lost, told)) = (Arc::new(limits), mpsc::channel(1));
        tokio::spawn(keep_connected(limits.clone(), told));
        Self { in_memory: InMemory::default(), shared: Some(Shared { limits, lost }) }
    }

    /// Counts one request for each of these, or refuses it and counts it for none.
    pub(super) async fn take(&self, limit: RateLimit, scope: &str, identities: &[&str], now: Timestamp) -> Counted {
        let Some(shared) = &self.shared else { return self.in_memory.take(limit, scope, identities, now) };
        let keys: Vec<String> = identities.iter().map(|identity| key(scope, identity)).collect();
        let rate = Rate { requests: limit.requests, window_micros: window_of(limit), spell_micros: spell_of(limit) };
        match shared.limits.take(&keys, rate, now.micros()).await {
            Ok(Outcome::Counted { remaining }) => {
                self.in_memory.take(limit, scope, identities, now);
                Counted::Counted { remaining }
            }
            Ok(Outcome::Refused { wait_micros }) => Counted::Refused { wait_micros },
            Err(error) => {
                shared.note(error);
                self.in_memory.take(limit, scope, identities, now)
            }
        }
    }

    /// For each scope, how many requests of the last window are counted, and in how many microseconds all are over.
    pub(super) async fn standing(
        &self,
        limits: &[(&str, RateLimit)],
        identity: &str,
        now: Timestamp,
    ) -> Vec<(u32, i64)> {
        if let Some(shared) = self.shared.as_ref().filter(|_| !limits.is_empty()) {
            let keys: Vec<String> = limits.iter().map(|(scope, _)| key(scope, identity)).collect();
            match shared.limits.counted(&keys).await {
                Ok(counted) => {
                    let both = limits.iter().zip(counted);
                    return both.map(|((_, limit), spells)| spells_of(spells).standing(*limit, now)).collect();
                }
                Err(error) => shared.note(error),
            }
        }
        limits.iter().map(|(scope, limit)| self.in_memory.standing(*limit, scope, identity, now)).collect()
    }

    /// Forgets what was counted, here and in Redis.
    pub(super) async fn clear(&self, scopes: &[&str], identity: &str) {
        scopes.iter().for_each(|scope| self.in_memory.clear(scope, identity));
        if let Some(shared) = self.shared.as_ref().filter(|_| !scopes.is_empty()) {
            let keys: Vec<String> = scopes.iter().map(|scope| key(scope, identity)).collect();
            if let Err(error) = shared.limits.clear(&keys).await {
                shared.note(error);
            }
        }
    }
}

impl Shared {
    /// The keeper of the connection tells it once; whoever asks meanwhile is not heard of.
    fn note(&self, error: NoAnswer) {
        if error != NoAnswer::NotConnected {
            self.lost.try_send(error).ok();
        }
    }
}

/// Connects, waits until the connection fails, and connects again. What was lost is told once, and that it is back.
async fn keep_connected(limits: Arc<SharedLimits>, mut lost: mpsc::Receiver<NoAnswer>) {
    let mut away = false;
    loop {
        let error = match limits.connect().await {
            Ok(()) => {
                if away {
                    tracing::info!("Redis is back; rate limits are shared by all nodes again");
                }
                away = false;
                // An answer that the connection before this one failed to give says nothing of this one.
                while lost.try_recv().is_ok() {}
                let Some(error) = lost.recv().await else { return };
                error
            }
            Err(error) => error,
        };
        if !away {
            tracing::warn!(%error, "Redis is away; until it is back each node counts rate limits by itself");
        }
        away = true;
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// Of one length, and without names and addresses in it.
fn key(scope: &str, identity: &str) -> String {
    let hash = Sha256::new().chain_update(scope).chain_update([0]).chain_update(identity).finalize();
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("tollway:rate:{digits}")
}

fn spells_of(spells: Vec<providers::shared_limits::Spell>) -> Spells {
    Spells::of(spells.into_iter().map(|spell| Spell {
        first: Timestamp::from_micros(spell.first_micros),
        last: Timestamp::from_micros(spell.last_micros),
        requests: spell.requests,
    }))
}

#[cfg(test)]
mod tests;
