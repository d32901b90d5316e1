//! Maps by ids that this server made. Their bits are random and nobody chooses them, so a quick hash is as good as one that
//! withstands chosen keys. Not for texts of callers.

use std::collections::{HashMap, HashSet};

pub(crate) type IdHasher = foldhash::fast::RandomState;
pub(crate) type IdMap<I, V> = HashMap<I, V, IdHasher>;
pub(crate) type IdSet<I> = HashSet<I, IdHasher>;
