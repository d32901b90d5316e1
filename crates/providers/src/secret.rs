//! Text that no log shows: keys for the outside world.

use std::fmt;

/// A secret as the operator wrote it. Printing it shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, to send it where it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_a_secret_shows_nothing_of_it() {
        let secret = SecretText::new("sk-very-secret");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(secret.expose(), "sk-very-secret");
    }
}
