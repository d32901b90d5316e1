//! External ids that were looked up before, in memory.

use std::collections::HashMap;

use domain::ids::AccountId;
use parking_lot::RwLock;
use storage::bounded_map::BoundedMap;

use crate::keyed_hash::KeyedHash;

/// External id to account. Only what exists is remembered; an external id once set stays, so nothing here grows stale
/// but by [`AccountNames::forget`].
#[derive(Debug)]
pub struct AccountNames {
    /// External ids stand here as hashes: a million of them are a third of the memory, and near each other.
    hash: KeyedHash,
    known: RwLock<Known>,
}

#[derive(Debug)]
struct Known {
    ids: BoundedMap<u128, AccountId>,
    /// The same the other way round.
    names: HashMap<AccountId, u128>,
    /// Raised whenever something is forgotten, so that what was read before is not put back after.
    forgotten: u64,
}

impl AccountNames {
    /// Remembers so many at most.
    pub fn new(capacity: usize) -> Self {
        let known = Known { ids: BoundedMap::new(capacity), names: HashMap::new(), forgotten: 0 };
        Self { hash: KeyedHash::default(), known: RwLock::new(known) }
    }

    pub fn get(&self, external_id: &str) -> Option<AccountId> {
        let name = self.hash.of(external_id);
        self.known.read().ids.get(&name).copied()
    }

    /// To be taken before the database is read.
    pub(super) fn ticket(&self) -> u64 {
        self.known.read().forgotten
    }

    pub(super) fn put(&self, ticket: u64, external_id: &str, account: AccountId) {
        let name = self.hash.of(external_id);
        let mut known = self.known.write();
        if known.forgotten != ticket {
            return;
        }
        if let Some((_, gone)) = known.ids.insert(name, account) {
            known.names.remove(&gone);
        }
        known.names.insert(account, name);
    }

    pub fn forget(&self, account: AccountId) {
        let mut known = self.known.write();
        known.forgotten += 1;
        if let Some(name) = known.names.remove(&account) {
            known.ids.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let names = AccountNames::new(10);
        let account = AccountId::from_bits(1);
        let ticket = names.ticket();
        names.put(ticket, "user-1", account);
        assert_eq!(names.get("user-1"), Some(account));
        names.forget(account);
        assert_eq!(names.get("user-1"), None);
        names.put(ticket, "user-1", account);
        assert_eq!(names.get("user-1"), None);
    }

    #[test]
    fn what_had_to_go_is_known_neither_way() {
        let names = AccountNames::new(10);
        for number in 0..100_u32 {
            names.put(names.ticket(), &format!("user-{number}"), AccountId::from_bits(number.into()));
        }
        let known = names.known.read();
        assert_eq!((known.ids.len(), known.names.len()), (10, 10));
        assert!(known.names.iter().all(|(account, name)| known.ids.get(name) == Some(account)));
    }
}
