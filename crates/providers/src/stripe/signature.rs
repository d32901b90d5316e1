//! Whether a webhook is Stripe's. Start at [`verify`].
//!
//! The header is `t=1790000000,v1=…`: when it was sent, and an HMAC-SHA256 of that time, a dot and the body, with the
//! endpoint's whole secret as the key. While a secret is being replaced there are several signatures.

use domain::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::secret::SecretText;

/// How far the time of a webhook may be from now.
pub const TOLERANCE_SECONDS: i64 = 300;

/// No honest header has more.
const MOST_SIGNATURES: usize = 16;
const DIGEST_BYTES: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature header cannot be read")]
    Malformed,
    #[error("the signature is not made with the webhook secret")]
    Mismatch,
    #[error("the signature is too old, or the clock of this machine is wrong")]
    TooOld,
    #[error("the signature is from the future, or the clock of this machine is wrong")]
    FromTheFuture,
}

/// Judges the bytes of the body as they came. How long it takes tells nothing of a secret.
pub fn verify(
    header: &str,
    body: &[u8],
    secrets: &[SecretText],
    now: Timestamp,
    tolerance_seconds: i64,
) -> Result<(), SignatureError> {
    let (written, signatures) = parts(header).ok_or(SignatureError::Malformed)?;
    let sent: i64 = written.parse().map_err(|_| SignatureError::Malformed)?;
    let mut is_good = Choice::from(0);
    for secret in secrets.iter().filter(|secret| !secret.expose().is_empty()) {
        let expected = digest(secret, written, body);
        for signature in &signatures {
            is_good |= signature.ct_eq(&expected);
        }
    }
    if !bool::from(is_good) {
        return Err(SignatureError::Mismatch);
    }
    match now.seconds().saturating_sub(sent) {
        age if age > tolerance_seconds => Err(SignatureError::TooOld),
        age if age < -tolerance_seconds => Err(SignatureError::FromTheFuture),
        _ => Ok(()),
    }
}

fn digest(secret: &SecretText, written: &str, body: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("a key of any length is taken");
    mac.update(written.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// The time as it is written, and the signatures of the scheme `v1`; others are passed over.
fn parts(header: &str) -> Option<(&str, Vec<[u8; DIGEST_BYTES]>)> {
    let mut written = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", time) if written.is_none() && is_digits(time) => written = Some(time),
            ("t", _) => return None,
            ("v1", hex) if signatures.len() < MOST_SIGNATURES => signatures.extend(bytes(hex)),
            _ => {}
        }
    }
    Some((written?, signatures)).filter(|(_, signatures)| !signatures.is_empty())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn bytes(hex: &str) -> Option<[u8; DIGEST_BYTES]> {
    let digits: Vec<u8> =
        hex.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    if digits.len() == 2 * DIGEST_BYTES { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests;
