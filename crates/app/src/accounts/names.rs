//! External ids that were looked up before, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use domain::ids::AccountId;
use parking_lot::RwLock;

/// When so many are known, all are let go and looked up again.
const CAPACITY: usize = 524_288;

/// External id to account. Only what exists is remembered; an external id once set stays, so nothing here grows stale
/// but by [`AccountNames::forget`].
#[derive(Debug, Default)]
pub struct AccountNames(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    ids: HashMap<Arc<str>, AccountId>,
    names: HashMap<AccountId, Arc<str>>,
    /// Raised whenever something is forgotten, so that what was read before is not put back after.
    forgotten: u64,
}

impl AccountNames {
    pub fn get(&self, external_id: &str) -> Option<AccountId> {
        self.0.read().ids.get(external_id).copied()
    }

    /// To be taken before the database is read.
    pub(super) fn ticket(&self) -> u64 {
        self.0.read().forgotten
    }

    pub(super) fn put(&self, ticket: u64, external_id: &str, account: AccountId) {
        let mut known = self.0.write();
        if known.forgotten != ticket {
            return;
        }
        if known.ids.len() >= CAPACITY {
            known.ids.clear();
            known.names.clear();
        }
        let name: Arc<str> = Arc::from(external_id);
        known.ids.insert(name.clone(), account);
        known.names.insert(account, name);
    }

    pub fn forget(&self, account: AccountId) {
        let mut known = self.0.write();
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
        let names = AccountNames::default();
        let account = AccountId::from_bits(1);
        let ticket = names.ticket();
        names.put(ticket, "user-1", account);
        assert_eq!(names.get("user-1"), Some(account));
        names.forget(account);
        assert_eq!(names.get("user-1"), None);
        names.put(ticket, "user-1", account);
        assert_eq!(names.get("user-1"), None);
    }
}
