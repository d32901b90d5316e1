//! The public keys of an issuer, read from the set that it publishes, and what one of them may verify.
//!
//! A key stands for one form of signature, by its own type: what a token says of itself never chooses another. Keys that
//! are shared secrets, for encryption, too short, or of forms that are not known here are left out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The most keys of a set that are kept.
const MOST_KEYS: usize = 64;
const LONGEST_NAME: usize = 512;
/// Moduli of RSA, in bytes: 2048 to 8192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1_024;
const LONGEST_EXPONENT_BYTES: usize = 8;

#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    name: Option<String>,
    /// The one form that the key is published for, if it says.
    only: Option<Algorithm>,
    kind: KeyKind,
    key: DecodingKey,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JSON Web Key Set (RFC 7517). `None`: it is none.
    pub fn read(json: &[u8]) -> Option<Self> {
        let published: Published = serde_json::from_slice(json).ok()?;
        let written = published.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        Some(Self(written.filter_map(read).take(MOST_KEYS).collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that a token signed in this form may have been signed with: those of its key's name, and those without
    /// names. A token that names no key may have been signed with any.
    pub fn candidates<'k>(&'k self, name: Option<&str>, algorithm: Algorithm) -> Vec<&'k DecodingKey> {
        let is_named = |key: &&Key| name.is_none() || key.name.is_none() || key.name.as_deref() == name;
        let fits = |key: &&Key| key.kind.verifies(algorithm) && key.only.is_none_or(|only| only == algorithm);
        self.0.iter().filter(is_named).filter(fits).map(|key| &key.key).collect()
    }
}

impl KeyKind {
    fn verifies(self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Rsa => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
            Self::P256 => algorithm == ES256,
            Self::P384 => algorithm == ES384,
            Self::Ed25519 => algorithm == EdDSA,
        }
    }
}

/// The form of a signature by its name. Forms with a shared secret, and no signature at all, are none.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    let algorithm = if name == "Ed25519" { Algorithm::EdDSA } else { name.parse().ok()? };
    (algorithm.family() != jsonwebtoken::AlgorithmFamily::Hmac).then_some(algorithm)
}

fn read(written: Written) -> Option<Key> {
    let Written { kty, kid, used_for, key_ops, alg, crv, n, e, x, y } = written;
    if used_for.is_some_and(|use_| use_ != "sig") || key_ops.is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
        return None;
    }
    let only = match &alg {
        Some(name) => Some(algorithm(name)?),
        None => None,
    };
    let is_long = |text: &Option<String>, bytes: usize| text.as_ref().is_some_and(|text| length(text) == Some(bytes));
    let (kind, key) = match (kty.as_str(), crv.as_deref()) {
        ("RSA", _) => {
            let (n, e) = (n?, e?);
            if !MODULUS_BYTES.contains(&length(&n)?) || length(&e)? > LONGEST_EXPONENT_BYTES {
                return None;
            }
            (KeyKind::Rsa, DecodingKey::from_rsa_components(&n, &e).ok()?)
        }
        ("EC", Some("P-256")) if is_long(&x, 32) && is_long(&y, 32) => {
            (KeyKind::P256, DecodingKey::from_ec_components(&x?, &y?).ok()?)
        }
        ("EC", Some("P-384")) if is_long(&x, 48) && is_long(&y, 48) => {
            (KeyKind::P384, DecodingKey::from_ec_components(&x?, &y?).ok()?)
        }
        ("OKP", Some("Ed25519")) if is_long(&x, 32) => (KeyKind::Ed25519, DecodingKey::from_ed_components(&x?).ok()?),
        _ => return None,
    };
    let name_fits = kid.as_ref().is_none_or(|name| name.len() <= LONGEST_NAME);
    let form_fits = only.is_none_or(|only| kind.verifies(only));
    (name_fits && form_fits).then_some(Key { name: kid, only, kind, key })
}

/// Of what base64 stands for, in bytes.
fn length(base64: &str) -> Option<usize> {
    URL_SAFE_NO_PAD.decode(base64).ok().map(|bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(keys: &Value) -> KeySet {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).expect("a key set")
    }

    fn text(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![7; bytes])
    }

    #[test]
    fn a_key_verifies_what_its_type_says_and_nothing_else() {
        let rsa = of(&json!([{ "kty": "RSA", "kid": "a", "n": text(256), "e": "AQAB" }]));
        assert_eq!(rsa.candidates(Some("a"), Algorithm::RS256).len(), 1);
        assert_eq!(rsa.candidates(Some("a"), Algorithm::PS512).len(), 1);
        assert_eq!(rsa.candidates(Some("b"), Algorithm::RS256).len(), 0);
        assert_eq!(rsa.candidates(None, Algorithm::RS256).len(), 1);
        for other in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
            assert_eq!(rsa.candidates(None, other).len(), 0, "{other:?}");
        }
        let only = of(&json!([{ "kty": "RSA", "n": text(256), "e": "AQAB", "alg": "RS256" }]));
        assert_eq!(only.candidates(Some("whatever"), Algorithm::RS256).len(), 1);
        assert_eq!(only.candidates(None, Algorithm::RS512).len(), 0);
        let curve = of(&json!([{ "kty": "EC", "crv": "P-256", "x": text(32), "y": text(32) }]));
        assert_eq!(curve.candidates(None, Algorithm::ES256).len(), 1);
        assert_eq!(curve.candidates(None, Algorithm::ES384).len(), 0);
    }

    #[test]
    fn keys_that_may_not_be_trusted_are_left_out() {
        for key in [
            json!({ "kty": "oct", "k": text(32) }),
            json!({ "kty": "oct", "k": text(32), "alg": "HS256" }),
            json!({ "kty": "RSA", "n": text(255), "e": "AQAB" }),
            json!({ "kty": "RSA", "n": text(1_025), "e": "AQAB" }),
            json!({ "kty": "RSA", "n": text(256), "e": text(9) }),
            json!({ "kty": "RSA", "n": text(256), "e": "AQAB", "use": "enc" }),
            json!({ "kty": "RSA", "n": text(256), "e": "AQAB", "key_ops": ["encrypt"] }),
            json!({ "kty": "RSA", "n": text(256), "e": "AQAB", "alg": "HS256" }),
            json!({ "kty": "RSA", "n": text(256), "e": "AQAB", "alg": "ES256" }),
            json!({ "kty": "RSA", "n": text(256), "e": "AQAB", "alg": "none" }),
            json!({ "kty": "RSA", "n": "not base64!", "e": "AQAB" }),
            json!({ "kty": "EC", "crv": "P-256", "x": text(31), "y": text(33) }),
            json!({ "kty": "EC", "crv": "P-521", "x": text(66), "y": text(66) }),
            json!({ "kty": "OKP", "crv": "X25519", "x": text(32) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": text(31) }),
            json!({ "kid": "a" }),
            json!("nonsense"),
        ] {
            assert!(of(&json!([key])).is_empty(), "{key}");
        }
        let many = vec![json!({ "kty": "OKP", "crv": "Ed25519", "x": text(32) }); 1_000];
        assert_eq!(of(&json!(many)).0.len(), MOST_KEYS);
        assert!(KeySet::read(b"{}").is_none() && KeySet::read(b"<html>").is_none());
    }

    #[test]
    fn shared_secrets_and_no_signature_are_no_forms() {
        for name in ["HS256", "HS384", "HS512", "none", "None", "", "rs256"] {
            assert_eq!(algorithm(name), None, "{name}");
        }
        assert_eq!(algorithm("Ed25519"), Some(Algorithm::EdDSA));
        assert_eq!(algorithm("RS256"), Some(Algorithm::RS256));
    }
}
