//! Rows of many accounts in the order of their keys, the account first: a tree of accounts, each with its few rows.
//!
//! One tree of whole keys would be slower by far: a key is long and partly text, and with many accounts every step down
//! the tree is a wait for memory. Here a step compares numbers that lie side by side.

use std::collections::BTreeMap;

use domain::ids::AccountId;
use smallvec::SmallVec;

/// Most accounts have one row, which needs no memory of its own.
type Rows<K, V> = SmallVec<[(K, V); 1]>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AccountRows<K, V> {
    accounts: BTreeMap<AccountId, Rows<K, V>>,
    length: usize,
}

impl<K, V> Default for AccountRows<K, V> {
    fn default() -> Self {
        Self { accounts: BTreeMap::new(), length: 0 }
    }
}

impl<K: Ord, V> AccountRows<K, V> {
    /// Rows of all accounts.
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub fn has(&self, account: AccountId) -> bool {
        self.accounts.contains_key(&account)
    }

    pub fn get(&self, account: AccountId, key: &K) -> Option<&V> {
        let rows = self.accounts.get(&account)?;
        find(rows, key).ok().map(|found| &rows[found].1)
    }

    /// The value of a row, put there when it is missing.
    pub fn entry(&mut self, (account, key): (AccountId, K)) -> &mut V
    where
        V: Default,
    {
        let rows = self.accounts.entry(account).or_default();
        let at = find(rows, &key).unwrap_or_else(|free| {
            rows.insert(free, (key, V::default()));
            self.length += 1;
            free
        });
        &mut rows[at].1
    }

    /// Removes the rows from one to another, both included.
    pub fn remove(&mut self, (first, first_key): &(AccountId, K), (last, last_key): &(AccountId, K)) {
        if first > last {
            return;
        }
        let mut emptied = Vec::new();
        for (account, rows) in self.accounts.range_mut(first..=last) {
            let before = rows.len();
            rows.retain(|row| (account == first && row.0 < *first_key) || (account == last && row.0 > *last_key));
            self.length -= before - rows.len();
            if rows.is_empty() {
                emptied.push(*account);
            }
        }
        for account in emptied {
            self.accounts.remove(&account);
        }
    }

    /// The rows after this one, or all.
    pub fn after<'r>(&'r self, row: Option<&'r (AccountId, K)>) -> impl Iterator<Item = (AccountId, &'r K, &'r V)> {
        let from = row.map(|(account, _)| *account);
        let accounts = match from {
            Some(from) => self.accounts.range(from..),
            None => self.accounts.range(..),
        };
        let is_after = move |account: AccountId, key: &K| row.is_none_or(|(of, last)| account != *of || key > last);
        each(accounts).filter(move |(account, key, _)| is_after(*account, key))
    }

    /// The rows of these accounts, both included.
    pub fn of(&self, first: AccountId, last: AccountId) -> impl Iterator<Item = (AccountId, &K, &V)> {
        each(self.accounts.range(first..=last))
    }
}

fn find<K: Ord, V>(rows: &[(K, V)], key: &K) -> Result<usize, usize> {
    rows.binary_search_by(|(kept, _)| kept.cmp(key))
}

fn each<'r, K, V>(
    accounts: impl Iterator<Item = (&'r AccountId, &'r Rows<K, V>)>,
) -> impl Iterator<Item = (AccountId, &'r K, &'r V)>
where
    K: 'r,
    V: 'r,
{
    accounts.flat_map(|(account, rows)| rows.iter().map(|(key, value)| (*account, key, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (AccountId, u8);

    fn row(account: u128, key: u8) -> Row {
        (AccountId::from_bits(account), key)
    }

    /// Compared with one map of whole keys, over many operations that look random and are the same every time.
    #[test]
    fn it_is_a_map_in_the_order_of_its_keys() {
        let (mut rows, mut map) = (AccountRows::default(), BTreeMap::<Row, u64>::new());
        let mut state = 1_u64;
        for turn in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = |bits: u32, below: u64| (state >> bits) % below;
            let one = row(drawn(20, 9).into(), drawn(30, 5) as u8);
            let other = row(drawn(40, 9).into(), drawn(50, 5) as u8);
            if drawn(55, 4) == 0 {
                rows.remove(&one, &other);
                map.retain(|key, _| *key < one || *key > other);
            } else {
                *rows.entry(one) += turn;
                *map.entry(one).or_default() += turn;
            }
            let whole = |found: (AccountId, &u8, &u64)| ((found.0, *found.1), *found.2);
            assert!(rows.after(None).map(whole).eq(map.iter().map(|(key, value)| (*key, *value))));
            let rest = map.iter().filter(|(key, _)| **key > other).map(|(key, value)| (*key, *value));
            assert!(rows.after(Some(&other)).map(whole).eq(rest));
            let own = map.iter().filter(|(key, _)| (one.0..=other.0).contains(&key.0) && one.0 <= other.0);
            if one.0 <= other.0 {
                assert!(rows.of(one.0, other.0).map(whole).eq(own.map(|(key, value)| (*key, *value))));
            }
            assert_eq!((rows.len(), rows.is_empty()), (map.len(), map.is_empty()));
            assert_eq!(rows.get(other.0, &other.1), map.get(&other));
            assert_eq!(rows.has(one.0), map.keys().any(|(account, _)| *account == one.0));
        }
    }
}
