//! A signed token (RFC 7519), taken apart and checked. Start at [`Parsed::read`].
//!
//! Nothing of a token is believed before its signature is verified but two things that are needed for that: who it says
//! issued it, and the name of the key. Both only choose among what the operator has configured.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::time::Timestamp;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::{self, KeySet};

/// The longest token that is looked at.
const LONGEST_BYTES: usize = 16 * 1024;
/// How far an issuer's clock may differ from ours.
const LEEWAY_SECONDS: i64 = 60;
/// What an ordinary token calls itself, if anything. Others, such as `logout+jwt`, are signed by the same keys and mean
/// something else.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// Why a token is not accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is longer than {LONGEST_BYTES} bytes")]
    TooLong,
    #[error("this is no signed token")]
    Malformed,
    #[error("the token is of an issuer that is not configured")]
    UnknownIssuer,
    #[error("the token is signed in a form that is not accepted")]
    Algorithm,
    #[error("the token is of a type that is not accepted")]
    Type,
    #[error("the token is signed by a key that its issuer does not publish")]
    UnknownKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token is meant for somebody else")]
    Audience,
    #[error("the token has expired")]
    Expired,
    #[error("the token does not hold yet")]
    NotYetValid,
    #[error("the token's claim {0} is missing or of no use")]
    Claim(String),
    /// Nothing is wrong with the token as far as is known.
    #[error("the keys of the token's issuer cannot be had: {0}")]
    KeysUnavailable(String),
}

impl TokenError {
    /// Whether the trouble is not the token's: the same one may be accepted later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::KeysUnavailable(_))
    }
}

/// A token whose signature is not verified yet.
#[derive(Debug)]
pub(crate) struct Parsed<'t> {
    signed: &'t str,
    signature: &'t str,
    pub algorithm: Algorithm,
    pub key_name: Option<String>,
    claims: Map<String, Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that must be understood: none is.
    crit: Option<Value>,
}

/// What a token says, its signature being right.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Claims(Map<String, Value>);

impl<'t> Parsed<'t> {
    pub fn read(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > LONGEST_BYTES {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| TokenError::Malformed)?;
        let claims = serde_json::from_slice(&decoded(claims)?).map_err(|_| TokenError::Malformed)?;
        let algorithm = keys::algorithm(&header.alg).ok_or(TokenError::Algorithm)?;
        let kind = header.typ.unwrap_or_else(|| "jwt".into()).to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if header.crit.is_some() || !TYPES.contains(&kind) {
            return Err(TokenError::Type);
        }
        Ok(Self { signed, signature, algorithm, key_name: header.kid, claims })
    }

    /// Who it says issued it.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// Gives the claims out, if one of these keys made the signature.
    ///
    /// # Errors
    /// [`TokenError::UnknownKey`] when none of them could have, [`TokenError::Signature`] when none did.
    pub fn verify(&self, keys: &KeySet) -> Result<Claims, TokenError> {
        let candidates = keys.candidates(self.key_name.as_deref(), self.algorithm);
        if candidates.is_empty() {
            return Err(TokenError::UnknownKey);
        }
        let is_by = |key: &&jsonwebtoken::DecodingKey| {
            let verified = jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, self.algorithm);
            verified.unwrap_or(false)
        };
        candidates.iter().any(is_by).then(|| Claims(self.claims.clone())).ok_or(TokenError::Signature)
    }
}

impl Claims {
    /// Checks issuer, audience and time.
    pub fn check(&self, issuer: &str, audiences: &[String], now: Timestamp) -> Result<(), TokenError> {
        if self.text("iss") != Some(issuer) {
            return Err(TokenError::UnknownIssuer);
        }
        if !self.audiences().iter().any(|named| audiences.iter().any(|audience| audience == named)) {
            return Err(TokenError::Audience);
        }
        let now = now.seconds();
        let expires = self.seconds("exp")?.ok_or_else(|| TokenError::Claim("exp".into()))?;
        if expires <= now - LEEWAY_SECONDS {
            return Err(TokenError::Expired);
        }
        for name in ["nbf", "iat"] {
            if self.seconds(name)?.is_some_and(|from| from > now + LEEWAY_SECONDS) {
                return Err(TokenError::NotYetValid);
            }
        }
        Ok(())
    }

    /// `aud` is one text or a list of them.
    pub fn audiences(&self) -> Vec<&str> {
        match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Seconds since 1970, which some write with decimals.
    fn seconds(&self, name: &str) -> Result<Option<i64>, TokenError> {
        let number = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64)),
        };
        number.map(Some).ok_or_else(|| TokenError::Claim(name.into()))
    }
}
