//! Being written.
pub(crate) const STATEMENTS: &[&str] = &[];
