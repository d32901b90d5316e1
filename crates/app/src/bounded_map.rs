//! A map in memory that holds at most so many entries and lets go of those that nobody has asked for longest.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Two halves: when the young one is full it becomes the old one, and what was left in the old one is let go. An entry
/// that is asked for with [`BoundedMap::get_mut`] is young again.
#[derive(Debug)]
pub(crate) struct BoundedMap<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V> BoundedMap<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(1) }
    }

    /// Without making it young again, and so without a lock for writing.
    pub fn peek<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub fn is_young<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.young.contains_key(key)
    }

    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    pub fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut map = BoundedMap::new(10);
        map.insert("kept".to_owned(), 0);
        for number in 0..100 {
            assert_eq!(map.get_mut("kept"), Some(&mut 0), "before {number}");
            map.insert(number.to_string(), number);
            assert!(map.len() <= 10);
        }
        assert_eq!(map.peek("0"), None);
        assert_eq!(map.peek("99"), Some(&99));
    }

    #[test]
    fn an_entry_put_again_is_there_once() {
        let mut map = BoundedMap::new(4);
        for value in 0..10 {
            map.insert(1, value);
            map.insert(value + 100, value);
        }
        assert_eq!(map.peek(&1), Some(&9));
        map.clear();
        assert_eq!(map.len(), 0);
    }
}
