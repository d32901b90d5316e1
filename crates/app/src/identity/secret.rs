//! Secrets of API keys: how they are made, recognised and hashed.
//!
//! `tw_live_` (an account's) or `tw_service_` (the platform's), 43 random letters and digits (256 bits), and six more
//! that are a checksum of all before: a mistyped key, or text that only looks like one, is told apart without a look
//! into the database, by scanners for leaked keys too. The checksum is no protection; the randomness is.

use std::fmt;

use sha2::{Digest, Sha256};
use storage::Entropy;

use super::KeyOwner;

const ACCOUNT_PREFIX: &str = "tw_live_";
const SERVICE_PREFIX: &str = "tw_service_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^43 is just above 2^256.
const RANDOM_LETTERS: usize = 43;
const CHECKSUM_LETTERS: usize = 6;
/// How much of the random part stays visible, to recognise a key by.
const VISIBLE_LETTERS: usize = 4;
/// The largest multiple of 62 in a byte; bytes from here on would make some letters likelier than others.
const FAIR_BYTES: u8 = 248;

/// A secret in the open. Shown once to whoever made the key, and never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn generate(entropy: &Entropy, owner: KeyOwner) -> Self {
        let mut text = String::from(match owner {
            KeyOwner::Service => SERVICE_PREFIX,
            KeyOwner::Account(_) => ACCOUNT_PREFIX,
        });
        let full = text.len() + RANDOM_LETTERS;
        while text.len() < full {
            let mut bytes = [0; RANDOM_LETTERS];
            entropy.fill(&mut bytes);
            let fair = bytes.iter().filter(|byte| **byte < FAIR_BYTES);
            let missing = full - text.len();
            text.extend(fair.take(missing).map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self(text)
    }

    /// The whole secret, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What stays visible of it: `tw_live_x7Yq`.
    pub(super) fn visible_prefix(&self) -> &str {
        let random = self.0.len() - RANDOM_LETTERS - CHECKSUM_LETTERS;
        &self.0[..random + VISIBLE_LETTERS]
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.visible_prefix())
    }
}

pub(super) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Whether a text means to be an API key.
pub(super) fn has_prefix(secret: &str) -> bool {
    secret.starts_with(ACCOUNT_PREFIX) || secret.starts_with(SERVICE_PREFIX)
}

/// Whether a text is a secret that this server may have made.
pub(super) fn is_well_formed(secret: &str) -> bool {
    let rest = secret.strip_prefix(ACCOUNT_PREFIX).or_else(|| secret.strip_prefix(SERVICE_PREFIX));
    let is_of_letters = rest.is_some_and(|rest| {
        rest.len() == RANDOM_LETTERS + CHECKSUM_LETTERS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    is_of_letters && {
        let (body, given) = secret.split_at(secret.len() - CHECKSUM_LETTERS);
        checksum(body) == given
    }
}

fn checksum(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    let mut number = u64::from_be_bytes([0, 0, 0, digest[0], digest[1], digest[2], digest[3], digest[4]]);
    let mut letters = String::with_capacity(CHECKSUM_LETTERS);
    for _ in 0..CHECKSUM_LETTERS {
        letters.push(char::from(ALPHABET[(number % 62) as usize]));
        number /= 62;
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::AccountId;

    #[test]
    fn a_secret_is_recognised_and_a_mistyped_one_is_not() {
        let entropy = Entropy::system();
        for (owner, prefix, length) in
            [(KeyOwner::Service, "tw_service_", 60), (KeyOwner::Account(AccountId::from_bits(1)), "tw_live_", 57)]
        {
            let secret = Secret::generate(&entropy, owner);
            let text = secret.reveal();
            assert!(text.starts_with(prefix) && text.len() == length, "{text}");
            assert!(is_well_formed(text));
            assert_eq!(secret.visible_prefix().len(), prefix.len() + 4);
            assert!(!format!("{secret:?}").contains(&text[prefix.len() + 4..]));
            let mut mistyped = text.to_owned();
            let last_random = if mistyped.as_bytes()[20] == b'x' { "y" } else { "x" };
            mistyped.replace_range(20..21, last_random);
            assert!(!is_well_formed(&mistyped));
            assert!(!is_well_formed(&text[..text.len() - 1]));
        }
        for text in ["", "tw_live_", "sk-1234", "tw_live_ééééééééééééééééééééééééé"] {
            assert!(!is_well_formed(text), "{text}");
        }
    }

    #[test]
    fn two_secrets_differ() {
        let entropy = Entropy::system();
        let secrets: std::collections::HashSet<String> =
            (0..100).map(|_| Secret::generate(&entropy, KeyOwner::Service).reveal().to_owned()).collect();
        assert_eq!(secrets.len(), 100);
    }
}
