//! A map in memory that holds at most so many entries and lets go of those that nobody has asked for lately.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;

/// Entries that are passed over, each because it was asked for, before one is let go all the same: so an insertion never
/// looks through the whole map.
const PASSED_OVER: usize = 32;

/// A full map lets go of an entry for each new one, going round: an entry that was asked for since the last round is passed
/// over (the clock algorithm). Room is taken as it is needed.
#[derive(Debug)]
pub struct BoundedMap<K, V, S = RandomState> {
    slots: IndexMap<K, Slot<V>, S>,
    capacity: usize,
    hand: usize,
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    was_asked_for: AtomicBool,
}

impl<V> Slot<V> {
    fn new(value: V) -> Self {
        Self { value, was_asked_for: AtomicBool::new(false) }
    }

    fn ask(&self) {
        // Read first: most are marked already, and what is only read can be read by all processors at once.
        if !self.was_asked_for.load(Ordering::Relaxed) {
            self.was_asked_for.store(true, Ordering::Relaxed);
        }
    }
}

impl<K: Hash + Eq, V> BoundedMap<K, V> {
    /// Of one entry at least.
    pub fn new(capacity: usize) -> Self {
        Self::with_hasher(capacity, RandomState::new())
    }
}

impl<K: Hash + Eq, V, S: BuildHasher + Clone> BoundedMap<K, V, S> {
    /// Of one entry at least.
    pub fn with_hasher(capacity: usize, hasher: S) -> Self {
        Self { slots: IndexMap::with_hasher(hasher), capacity: capacity.max(1), hand: 0 }
    }

    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let slot = self.slots.get(key)?;
        slot.ask();
        Some(&slot.value)
    }

    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let slot = self.slots.get_mut(key)?;
        slot.ask();
        Some(&mut slot.value)
    }

    /// Returns the entry that had to go for it.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        let is_new = self.slots.insert(key, Slot::new(value)).is_none();
        (is_new && self.slots.len() > self.capacity).then(|| self.let_go()).flatten()
    }

    /// Of those before the last one, which takes the place.
    fn let_go(&mut self) -> Option<(K, V)> {
        let candidates = self.slots.len() - 1;
        for _ in 0..PASSED_OVER.min(candidates) {
            let slot = &self.slots[self.hand % candidates];
            if !slot.was_asked_for.swap(false, Ordering::Relaxed) {
                break;
            }
            self.hand = (self.hand + 1) % candidates;
        }
        let (key, slot) = self.slots.swap_remove_index(self.hand % candidates)?;
        self.hand = (self.hand + 1) % candidates;
        Some((key, slot.value))
    }

    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.slots.swap_remove(key).map(|slot| slot.value)
    }

    /// Gives its room back.
    pub fn clear(&mut self) {
        self.slots = IndexMap::with_hasher(self.slots.hasher().clone());
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
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
            assert_eq!(map.get("kept"), Some(&0), "before {number}");
            let gone = map.insert(number.to_string(), number);
            assert_eq!(gone.is_some(), number >= 9, "at {number}");
            assert!(map.len() <= 10);
        }
        assert_eq!(map.get("0"), None);
        assert_eq!(map.get("99"), Some(&99));
    }

    #[test]
    fn everything_but_what_went_is_there() {
        let mut map = BoundedMap::new(50);
        let mut there: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
        let mut number = 1_u32;
        for turn in 0..10_000 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (number >> 16) % 90;
            match number >> 30 {
                0 => assert_eq!(map.remove(&key), there.remove(&key)),
                1 => assert_eq!(map.get(&key), there.get(&key)),
                _ => {
                    there.insert(key, turn);
                    if let Some((gone, value)) = map.insert(key, turn) {
                        assert!(gone != key && there.remove(&gone) == Some(value));
                    }
                }
            }
            assert!(map.len() == there.len() && map.len() <= 50);
        }
        assert!(there.iter().all(|(key, value)| map.get(key) == Some(value)));
    }

    #[test]
    fn where_everything_is_asked_for_something_goes_all_the_same() {
        let mut map = BoundedMap::new(200);
        for key in 0..600 {
            map.insert(key, ());
            let kept = (0..600).filter(|key| map.get(key).is_some()).count();
            assert_eq!(kept, 200.min(key + 1));
        }
        let mut one = BoundedMap::new(0);
        assert_eq!(one.insert("a", 1), None);
        assert_eq!(one.insert("b", 2), Some(("a", 1)));
        assert_eq!(one.insert("b", 3), None);
        assert_eq!((one.get("b"), one.len()), (Some(&3), 1));
    }
}
