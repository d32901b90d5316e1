//! Callers that were found before, in memory: a call that comes with a known key asks no database.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use domain::ids::KeyId;
use domain::time::{MICROS_PER_MINUTE, Timestamp};
use parking_lot::{Mutex, RwLock};
use storage::bounded_map::BoundedMap;
use storage::records::api_keys::{ApiKey, KeyOwner};
use subtle::ConstantTimeEq;

use crate::{AppError, Caller};

const CAPACITY: usize = 65_536;
/// How long a key is good without another look where other nodes may have revoked it.
const FRESH_FOR: Duration = Duration::from_millis(500);
/// A key's last use is kept no finer than this.
const LAST_USE_MICROS: i64 = MICROS_PER_MINUTE;

/// Keys by their hash. A revoked key is forgotten before its revocation is answered, by [`KeyCache::forget_all`]; where
/// several nodes share the database, what another node has revoked is found within half a second.
#[derive(Debug)]
pub struct KeyCache {
    /// Whether other nodes may change keys.
    shared: bool,
    known: RwLock<Known>,
    /// Uses that are not in the database yet.
    used: Mutex<HashMap<KeyId, Timestamp>>,
}

#[derive(Debug)]
struct Known {
    /// By the first half of the hash; the whole of it is compared in constant time.
    keys: BoundedMap<u128, Arc<KnownKey>>,
    /// Raised whenever all is forgotten, so that what was read before is not put back after.
    forgotten: u64,
}

#[derive(Debug)]
struct KnownKey {
    id: KeyId,
    hash: [u8; 32],
    caller: Caller,
    expires_at: Option<Timestamp>,
    read_at: Instant,
    /// The last use that was noted, in microseconds.
    noted_at: AtomicI64,
}

impl KeyCache {
    /// `shared`: other nodes use the same database.
    pub fn new(shared: bool) -> Self {
        let known = Known { keys: BoundedMap::new(CAPACITY), forgotten: 0 };
        Self { shared, known: RwLock::new(known), used: Mutex::default() }
    }

    pub fn forget_all(&self) {
        let mut known = self.known.write();
        known.keys.clear();
        known.forgotten += 1;
    }

    /// The caller of a key that is known and fresh. `None`: the database must be asked.
    pub(super) fn get(&self, hash: &[u8; 32], now: Timestamp) -> Option<Result<Caller, AppError>> {
        let key = self.find(hash)?;
        if self.shared && key.read_at.elapsed() >= FRESH_FOR {
            return None;
        }
        if key.expires_at.is_some_and(|expiry| expiry <= now) {
            return Some(Err(AppError::Unauthenticated));
        }
        self.note_use(&key, now);
        Some(Ok(key.caller.clone()))
    }

    fn find(&self, hash: &[u8; 32]) -> Option<Arc<KnownKey>> {
        let key = self.known.read().keys.get(&place(hash))?.clone();
        bool::from(key.hash.ct_eq(hash)).then_some(key)
    }

    /// To be taken before the database is read.
    pub(super) fn ticket(&self) -> u64 {
        self.known.read().forgotten
    }

    /// Remembers a key that is good, unless all was forgotten since the ticket was taken, and notes its use.
    #[expect(clippy::disallowed_methods, reason = "how old an entry is, is a duration of this process")]
    pub(super) fn put(&self, ticket: u64, key: &ApiKey, now: Timestamp) -> Caller {
        let caller = caller(key);
        let known_key = Arc::new(KnownKey {
            id: key.id,
            hash: key.hash,
            caller: caller.clone(),
            expires_at: key.expires_at,
            read_at: Instant::now(),
            noted_at: AtomicI64::new(key.last_used_at.map_or(0, Timestamp::micros)),
        });
        self.note_use(&known_key, now);
        let mut known = self.known.write();
        if known.forgotten == ticket {
            known.keys.insert(place(&key.hash), known_key);
        }
        caller
    }

    fn note_use(&self, key: &KnownKey, now: Timestamp) {
        let noted = key.noted_at.load(Ordering::Relaxed);
        if now.micros() - noted >= LAST_USE_MICROS {
            key.noted_at.store(now.micros(), Ordering::Relaxed);
            self.used.lock().insert(key.id, now);
        }
    }

    /// Uses noted since this was last called, in the order of ids.
    pub(super) fn take_used(&self) -> Vec<(KeyId, Timestamp)> {
        let mut used: Vec<(KeyId, Timestamp)> = std::mem::take(&mut *self.used.lock()).into_iter().collect();
        used.sort_unstable();
        used
    }

    /// Puts back what could not be written, but for keys that were used again meanwhile.
    pub(super) fn put_back_used(&self, used: Vec<(KeyId, Timestamp)>) {
        let mut waiting = self.used.lock();
        for (key, at) in used {
            waiting.entry(key).or_insert(at);
        }
    }
}

fn place(hash: &[u8; 32]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(half)
}

fn caller(key: &ApiKey) -> Caller {
    let (scopes, member) = (key.scopes.clone(), key.member.clone());
    match key.owner {
        KeyOwner::Service => Caller::Service { key: key.id, scopes },
        KeyOwner::Account(account) => Caller::Account { key: key.id, account, scopes, member },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hash: u8, expires_at: Option<Timestamp>) -> ApiKey {
        ApiKey {
            id: KeyId::from_bits(u128::from(hash)),
            owner: KeyOwner::Service,
            name: "Test".into(),
            prefix: "tw_service_abcd".into(),
            hash: [hash; 32],
            scopes: Vec::new(),
            member: None,
            created_at: Timestamp::EPOCH,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn a_key_read_before_a_revocation_is_not_remembered_after_it() {
        let cache = KeyCache::new(false);
        let ticket = cache.ticket();
        cache.put(ticket, &key(1, None), at(0));
        assert!(matches!(cache.get(&[1; 32], at(0)), Some(Ok(Caller::Service { .. }))));
        cache.forget_all();
        assert!(cache.get(&[1; 32], at(0)).is_none());
        cache.put(ticket, &key(1, None), at(0));
        assert!(cache.get(&[1; 32], at(0)).is_none());
    }

    #[test]
    fn a_known_key_expires_on_time() {
        let cache = KeyCache::new(false);
        cache.put(cache.ticket(), &key(1, Some(at(10))), at(0));
        assert!(matches!(cache.get(&[1; 32], at(9)), Some(Ok(_))));
        assert!(matches!(cache.get(&[1; 32], at(10)), Some(Err(AppError::Unauthenticated))));
    }

    #[test]
    fn half_a_hash_opens_nothing() {
        let cache = KeyCache::new(false);
        cache.put(cache.ticket(), &key(1, None), at(0));
        let mut other = [1; 32];
        other[31] = 2;
        assert!(cache.get(&other, at(0)).is_none());
    }

    #[test]
    fn the_last_use_is_noted_once_a_minute() {
        let cache = KeyCache::new(false);
        cache.put(cache.ticket(), &key(1, None), at(0));
        assert_eq!(cache.take_used(), [(KeyId::from_bits(1), at(0))]);
        for second in [1, 30, 59] {
            cache.get(&[1; 32], at(second));
        }
        assert_eq!(cache.take_used(), []);
        cache.get(&[1; 32], at(60));
        let used = cache.take_used();
        assert_eq!(used, [(KeyId::from_bits(1), at(60))]);
        cache.put_back_used(used);
        assert_eq!(cache.take_used().len(), 1);
    }
}
