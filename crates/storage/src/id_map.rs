//! Maps by ids that this server made. Their bits are random and nobody chooses them, so a quick hash is as good as one that
//! withstands chosen keys. Not for texts of callers.

use std::collections::{HashMap, HashSet};

pub type IdHasher = foldhash::fast::RandomState;
pub type IdMap<I, V> = HashMap<I, V, IdHasher>;
pub type IdSet<I> = HashSet<I, IdHasher>;
