//! Secrets that are good once: in links of mails, and as challenges. What is kept is their hash.

use domain::time::{MICROS_PER_SECOND, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use storage::records::one_time_tokens::{self, OneTimeToken};
use storage::{Entropy, StorageError, Tx};

use crate::{App, AppError};

const RANDOM_BYTES: usize = 32;

/// What a token is good for; one of another purpose opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    VerifyEmail,
    ResetPassword,
    ChangeEmail,
    /// The password was right; the code of the authenticator is still to come.
    SecondFactor,
    HandOff,
    /// A sign-in that goes on at another provider.
    ExternalSignIn,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::VerifyEmail => "verify_email",
            Purpose::ResetPassword => "reset_password",
            Purpose::ChangeEmail => "change_email",
            Purpose::SecondFactor => "second_factor",
            Purpose::HandOff => "hand_off",
            Purpose::ExternalSignIn => "external_sign_in",
        }
    }
}

/// A token that is not in the database yet.
#[derive(Clone)]
pub struct NewToken {
    /// What its holder is given.
    pub secret: String,
    purpose: Purpose,
    token: OneTimeToken,
}

impl NewToken {
    /// `subject` is whom it is about, `content` what its holder need not send again.
    pub fn new(app: &App, purpose: Purpose, subject: String, content: &impl Serialize, lifetime_seconds: i64) -> Self {
        let now = app.now();
        let content = serde_json::to_string(content).expect("contents are maps and text, which JSON can always write");
        let expires_at = now.plus_micros(lifetime_seconds.saturating_mul(MICROS_PER_SECOND));
        let token = OneTimeToken { subject, content, attempts: 0, created_at: now, expires_at };
        Self { secret: secret(&app.entropy), purpose, token }
    }

    pub fn expires_at(&self) -> Timestamp {
        self.token.expires_at
    }

    pub fn insert(&self, tx: &mut Tx<'_>) -> Result<(), StorageError> {
        one_time_tokens::insert(tx, &hash(&self.secret), self.purpose.as_str(), &self.token)
    }
}

/// Takes a token. In a transaction that fails it stays.
///
/// # Errors
/// [`AppError::LinkInvalid`] when there is none of this purpose, or it was used, or its time is over.
pub fn take<T: DeserializeOwned>(
    tx: &mut Tx<'_>,
    purpose: Purpose,
    secret: &str,
    now: Timestamp,
) -> Result<(String, T), AppError> {
    let token = one_time_tokens::take(tx, &hash(secret), purpose.as_str(), now)?.ok_or(AppError::LinkInvalid)?;
    let content = serde_json::from_str(&token.content).map_err(StorageError::unexpected)?;
    Ok((token.subject, content))
}

/// 256 random bits as 43 letters, digits, `-` and `_`.
pub fn secret(entropy: &Entropy) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; RANDOM_BYTES];
    entropy.fill(&mut bytes);
    let mut text = String::with_capacity(43);
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(byte);
        bits += 8;
        while bits >= 6 {
            bits -= 6;
            text.push(char::from(ALPHABET[(held >> bits) as usize & 63]));
        }
    }
    text.push(char::from(ALPHABET[(held << (6 - bits)) as usize & 63]));
    text
}

pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_plain_and_differ() {
        let entropy = Entropy::system();
        let secrets: std::collections::HashSet<String> = (0..100).map(|_| secret(&entropy)).collect();
        assert_eq!(secrets.len(), 100);
        let is_plain = |text: &String| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        assert!(secrets.iter().all(|text| text.len() == 43 && is_plain(text)));
    }
}
