//! Text that stands for itself wherever it is written, in JSON, in headers and in addresses: ids, times, exact amounts.

use std::fmt;

/// As long as most: an id with its account's.
const USUAL_BYTES: usize = 64;

/// Written with letters, digits and signs that never need an escape. What is shown to people is the same.
pub trait Plain {
    fn write_to(&self, text: &mut impl fmt::Write) -> fmt::Result;

    /// As `to_string`, for what is written with every command.
    fn to_text(&self) -> String {
        let mut text = String::with_capacity(USUAL_BYTES);
        self.write_to(&mut text).expect("there is always more memory");
        text
    }
}
