//! Texts in 128 bits, as keys of maps in memory.

use std::hash::{BuildHasher, Hash, RandomState};

/// Two hashes under secrets of this process, so that nobody outside can make two texts come out alike; by chance two of
/// a million million do with a probability of 10⁻¹⁵.
#[derive(Debug, Default)]
pub(crate) struct KeyedHash(RandomState, RandomState);

impl KeyedHash {
    pub fn of(&self, what: impl Hash + Copy) -> u128 {
        (u128::from(self.0.hash_one(what)) << 64) | u128::from(self.1.hash_one(what))
    }
}
