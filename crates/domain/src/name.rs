//! Short names given by a catalog or a caller (plans, meters, features, models), shared cheaply between threads.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name as the catalog writes it: `requests`, `pro`, `gpt-4o-mini`. Cloning copies a pointer.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(Arc<str>);

impl Name {
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    /// In the order of the texts. Names that are compared are mostly copies of one, which needs no look at the text.
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(Arc::from(text))
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_their_texts_whether_they_share_one_or_not() {
        let names: Vec<Name> = ["", "a", "ab", "b", "b", "é"].into_iter().map(Name::new).collect();
        for one in &names {
            for other in names.iter().chain([&one.clone()]) {
                assert_eq!(one.cmp(other), one.as_str().cmp(other.as_str()), "{one} and {other}");
                assert_eq!(one == other, one.as_str() == other.as_str(), "{one} and {other}");
            }
        }
    }
}
