//! Tokens that others have signed, for apps that have a sign-in of their own: Clerk, Auth0, Supabase, Auth.js with
//! asymmetric keys, and whoever publishes keys. Start at [`Issuers::verify`].
//!
//! [`token`] takes a token apart and checks it, [`keys`] says what a published key may verify, [`published`] asks for the
//! keys and keeps them. What an accepted token may do is the caller's to decide.

mod keys;
pub(crate) mod published;
pub(crate) mod token;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::time::Timestamp;
use jsonwebtoken::Algorithm;
use serde_json::Value;
use url::Url;

use crate::fetch::{self, FetchError, may_be_asked};
use published::{Published, Source};
use token::{Claims, Parsed};

pub use published::PublishedError;
pub use token::TokenError;

/// How often an issuer is asked at most, whatever keys tokens name.
const LEAST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_ID: usize = 255;
const LONGEST_TEXT: usize = 320;

/// An issuer as the operator configured it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssuerSettings {
    pub name: String,
    /// Exactly what its tokens carry as `iss`.
    pub issuer: String,
    /// Empty: its discovery document says.
    pub jwks_url: String,
    /// One of these must be among those that a token is meant for.
    pub audiences: Vec<String>,
    /// The claim that is the app's own id of a customer.
    pub external_id_claim: String,
    pub email_claim: String,
    pub name_claim: String,
    /// Names of forms of signatures, such as `RS256`.
    pub algorithms: Vec<String>,
    /// Whether it may be in a private network, and go without TLS there.
    pub allow_private: bool,
}

/// Why an issuer cannot be used, as a sentence's second half.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("issuer is missing; write exactly what its tokens carry as `iss`")]
    NoIssuer,
    #[error("{field} cannot be asked: {reason}")]
    Address { field: &'static str, reason: FetchError },
    #[error("audience is missing; write what its tokens carry as `aud` when they are meant for you")]
    NoAudience,
    #[error("{0} is no form of signature with a public key; write some of RS256, ES256, EdDSA")]
    Algorithm(String),
    #[error("the issuer {0} is configured twice; give one of them both audiences")]
    Twice(String),
    #[error("this system has no certificate authorities to check it by; install ca-certificates")]
    NoAuthorities,
}

/// Who a token is about, by an issuer's word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExternalIdentity {
    /// The name under which the issuer is configured.
    pub issuer_name: String,
    pub external_id: String,
    /// As the issuer says, and no proof that the address is this person's.
    pub email: Option<String>,
    pub name: Option<String>,
}

/// The configured issuers with their keys; one a process.
#[derive(Debug, Default)]
pub struct Issuers(BTreeMap<String, Issuer>);

#[derive(Debug)]
struct Issuer {
    settings: IssuerSettings,
    algorithms: Vec<Algorithm>,
    published: Arc<Published>,
}

impl Issuers {
    /// Reads the settings; connects to nothing yet.
    ///
    /// # Errors
    /// The name of the issuer that cannot be used, and why.
    pub fn new(settings: Vec<IssuerSettings>) -> Result<Self, (String, IssuerError)> {
        let mut issuers = BTreeMap::new();
        for settings in settings {
            let (name, iss) = (settings.name.clone(), settings.issuer.clone());
            let issuer = Issuer::new(settings).map_err(|error| (name.clone(), error))?;
            if issuers.insert(iss.clone(), issuer).is_some() {
                return Err((name, IssuerError::Twice(iss)));
            }
        }
        Ok(Self(issuers))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a secret has the form of a token, so that it is to be judged here and nowhere else. No API key has.
    pub fn is_token(secret: &str) -> bool {
        secret.split('.').count() == 3 && secret.starts_with("ey")
    }

    /// Verifies a token and says whom it is about.
    ///
    /// # Errors
    /// Why it is not accepted; [`TokenError::is_passing`] when that may change by itself.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<ExternalIdentity, TokenError> {
        let parsed = Parsed::read(token)?;
        let issuer = parsed.issuer().and_then(|iss| self.0.get(iss)).ok_or(TokenError::UnknownIssuer)?;
        if !issuer.algorithms.contains(&parsed.algorithm) {
            return Err(TokenError::Algorithm);
        }
        let claims = issuer.published.verify(&parsed, now).await?;
        claims.check(&issuer.settings.issuer, &issuer.settings.audiences, now)?;
        issuer.identity(&claims)
    }
}

impl Issuer {
    fn new(settings: IssuerSettings) -> Result<Self, IssuerError> {
        if settings.issuer.is_empty() {
            return Err(IssuerError::NoIssuer);
        }
        if settings.audiences.is_empty() {
            return Err(IssuerError::NoAudience);
        }
        let of_name = |name: &String| keys::algorithm(name).ok_or_else(|| IssuerError::Algorithm(name.clone()));
        let algorithms = settings.algorithms.iter().map(of_name).collect::<Result<_, _>>()?;
        let allow_private = settings.allow_private;
        let keys_url = match settings.jwks_url.as_str() {
            // An issuer without discovery may be called anything.
            "" => address("issuer", &settings.issuer, allow_private).map(|_| None)?,
            url => Some(address("jwks_url", url, allow_private)?),
        };
        let (issuer, patience) = (settings.issuer.clone(), fetch::PATIENCE);
        let source = Source { issuer, keys_url, allow_private, least_pause: LEAST_PAUSE, patience };
        let published = Published::new(source).map_err(|_| IssuerError::NoAuthorities)?;
        Ok(Self { settings, algorithms, published: Arc::new(published) })
    }

    fn identity(&self, claims: &Claims) -> Result<ExternalIdentity, TokenError> {
        let IssuerSettings { name, external_id_claim, email_claim, name_claim, .. } = &self.settings;
        let external_id = match claims.value(external_id_claim) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
            _ => String::new(),
        };
        let is_usable = !external_id.is_empty() && external_id.chars().count() <= LONGEST_ID;
        if !is_usable || external_id.contains('\0') {
            return Err(TokenError::Claim(external_id_claim.clone()));
        }
        let text = |claim: &str| claims.text(claim).filter(|text| is_plain(text)).map(str::to_owned);
        Ok(ExternalIdentity {
            issuer_name: name.clone(),
            external_id,
            email: text(email_claim),
            name: text(name_claim),
        })
    }
}

/// Text that may be shown and kept.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST_TEXT && !text.chars().any(char::is_control)
}

fn address(field: &'static str, text: &str, allow_private: bool) -> Result<Url, IssuerError> {
    let url = Url::parse(text).map_err(|_| IssuerError::Address { field, reason: FetchError::NotEncrypted })?;
    may_be_asked(&url, allow_private).map_err(|reason| IssuerError::Address { field, reason })?;
    Ok(url)
}

#[cfg(test)]
mod tests;
