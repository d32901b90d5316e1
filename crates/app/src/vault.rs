//! Secrets that must be read again, such as those of authenticator apps, are kept sealed with the server's own key.
//!
//! XChaCha20-Poly1305: a random nonce, then the sealed bytes. What a secret is for is part of the seal, so that one cannot
//! be put in another's place. A key that replaces another seals from then on, and the older one still opens.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use storage::{Entropy, StorageError};

const NONCE_BYTES: usize = 24;
/// Of the text that keys are made of.
pub const SHORTEST_KEY: usize = 32;

/// Seals and opens. One a process.
pub struct Vault {
    current: XChaCha20Poly1305,
    former: Option<XChaCha20Poly1305>,
}

impl Vault {
    /// Keys are texts of any form, as random as can be; at least 32 characters.
    pub fn new(key: &str, former: Option<&str>) -> Self {
        let cipher = |key: &str| XChaCha20Poly1305::new(&Sha256::digest(key.as_bytes()));
        Self { current: cipher(key), former: former.map(cipher) }
    }

    /// `purpose` says whose and what for, such as `authenticator usr_…`.
    pub fn seal(&self, entropy: &Entropy, purpose: &str, secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: secret, aad: purpose.as_bytes() };
        let sealed = self.current.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("only messages of many gigabytes cannot be sealed");
        [nonce.as_slice(), &sealed].concat()
    }

    /// # Errors
    /// When the key is another than the one it was sealed with, or the bytes were changed or moved.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, StorageError> {
        let unreadable = || {
            StorageError::Unexpected(format!(
                "the secret of {purpose} cannot be opened: `encryption_key` is not the one it was sealed with"
            ))
        };
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(unreadable)?;
        let nonce = XNonce::from(*nonce);
        let with =
            |cipher: &XChaCha20Poly1305| cipher.decrypt(&nonce, Payload { msg: sealed, aad: purpose.as_bytes() }).ok();
        with(&self.current).or_else(|| self.former.as_ref().and_then(with)).ok_or_else(unreadable)
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_with_its_key_and_purpose_alone() {
        let entropy = Entropy::system();
        let vault = Vault::new("first", None);
        let sealed = vault.seal(&entropy, "authenticator usr_1", b"secret");
        assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
        assert_eq!(vault.open("authenticator usr_1", &sealed).unwrap(), b"secret");
        assert!(vault.open("authenticator usr_2", &sealed).is_err());
        assert!(Vault::new("second", None).open("authenticator usr_1", &sealed).is_err());
        assert_eq!(Vault::new("second", Some("first")).open("authenticator usr_1", &sealed).unwrap(), b"secret");
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(vault.open("authenticator usr_1", &changed).is_err());
        assert!(vault.open("authenticator usr_1", &sealed[..10]).is_err());
        assert_ne!(vault.seal(&entropy, "a", b"same"), vault.seal(&entropy, "a", b"same"));
    }
}
