//! Text that stands for itself wherever it is written, in JSON, in headers and in addresses: ids, times, exact amounts.

use std::fmt;

/// Written with letters, digits and signs that never need an escape. What is shown to people is the same.
pub trait Plain {
    fn write_to(&self, text: &mut impl fmt::Write) -> fmt::Result;
}
