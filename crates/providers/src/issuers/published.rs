//! What an issuer publishes about itself: its addresses and its keys, asked for when needed and kept.
//!
//! Whoever sends tokens with made-up key names cannot make the issuer be asked more often than a set time allows, and an
//! issuer that is away leaves the keys that were known before.

use std::sync::Arc;
use std::time::Duration;

use domain::time::{MICROS_PER_HOUR, Timestamp};
use parking_lot::RwLock;
use serde::Deserialize;
use url::Url;

use super::keys::KeySet;
use super::token::{Claims, Parsed, TokenError};
use crate::connections::NoAuthorities;
use crate::fetch::{FetchError, Fetcher, may_be_asked};

/// After this time keys are asked for again while the old ones are still used, so that a withdrawn one does not hold for
/// ever.
const FRESH_MICROS: i64 = MICROS_PER_HOUR;
/// How soon an issuer that could not be reached, and of which nothing is known yet, is asked again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Why nothing is known of an issuer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PublishedError {
    #[error("{0} could not be read: {1}")]
    Fetch(String, FetchError),
    #[error("it calls itself {0:?}; write exactly that as its issuer")]
    OtherIssuer(String),
    #[error("it publishes no key that could verify a token")]
    NoKeys,
}

/// Where an issuer says what it is.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub issuer: String,
    /// `None`: its discovery document says.
    pub keys_url: Option<Url>,
    pub allow_private: bool,
    /// The shortest time between two questions.
    pub least_pause: Duration,
    pub patience: Duration,
}

/// The part of a discovery document that is used (OpenID Connect Discovery 1.0, section 3).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    pub issuer: String,
    pub jwks_uri: Url,
    pub authorization_endpoint: Option<Url>,
    pub token_endpoint: Option<Url>,
    pub userinfo_endpoint: Option<Url>,
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What is known of an issuer at one time.
#[derive(Debug)]
pub(crate) struct Known {
    /// `None` where the address of the keys was configured.
    pub metadata: Option<Metadata>,
    pub keys: KeySet,
    at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Published {
    source: Source,
    fetcher: Fetcher,
    known: RwLock<Option<Arc<Known>>>,
    /// Held by whoever asks, so that all others wait for that answer.
    asking: tokio::sync::Mutex<LastAsked>,
}

#[derive(Debug, Default)]
struct LastAsked {
    at: Option<Timestamp>,
    failure: Option<PublishedError>,
}

impl LastAsked {
    fn is_within(&self, pause: Duration, now: Timestamp) -> bool {
        let pause_micros = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        self.at.is_some_and(|at| now.since(at) < pause_micros)
    }
}

impl Published {
    pub fn new(source: Source) -> Result<Self, NoAuthorities> {
        let fetcher = Fetcher::new(source.allow_private, source.patience)?;
        Ok(Self { source, fetcher, known: RwLock::default(), asking: tokio::sync::Mutex::default() })
    }

    pub fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// What is known; asked for the first time, and again in the background when it has grown old.
    pub async fn known(self: &Arc<Self>, now: Timestamp) -> Result<Arc<Known>, PublishedError> {
        let known = self.known.read().clone();
        match known {
            None => self.ask(None, now).await,
            Some(known) => {
                if now.since(known.at) >= FRESH_MICROS && self.may_ask(now) {
                    let (this, seen) = (self.clone(), known.clone());
                    tokio::spawn(async move { this.ask(Some(seen), now).await });
                }
                Ok(known)
            }
        }
    }

    /// Verifies a token by the known keys; when they do not have the one that it needs, by those that are published now.
    pub async fn verify(self: &Arc<Self>, token: &Parsed<'_>, now: Timestamp) -> Result<Claims, TokenError> {
        let unavailable = |error: PublishedError| TokenError::KeysUnavailable(error.to_string());
        let known = self.known(now).await.map_err(unavailable)?;
        match token.verify(&known.keys) {
            // A token that does not name its key may be signed by a new one.
            Err(error @ (TokenError::UnknownKey | TokenError::Signature))
                if error == TokenError::UnknownKey || token.key_name.is_none() =>
            {
                let newer = self.ask(Some(known.clone()), now).await.map_err(unavailable)?;
                if Arc::ptr_eq(&known, &newer) { Err(error) } else { token.verify(&newer.keys) }
            }
            verified => verified,
        }
    }

    /// Whether nobody asks right now, and nobody has just done so.
    fn may_ask(&self, now: Timestamp) -> bool {
        self.asking.try_lock().is_ok_and(|last| !last.is_within(self.source.least_pause, now))
    }

    /// Asks for something newer than what was seen. Gives the same back when it is too early to ask again, or asking
    /// failed.
    async fn ask(&self, seen: Option<Arc<Known>>, now: Timestamp) -> Result<Arc<Known>, PublishedError> {
        let mut last = self.asking.lock().await;
        let known = self.known.read().clone();
        if let Some(known) = &known
            && seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, known))
        {
            // Somebody else has just asked.
            return Ok(known.clone());
        }
        let pause = if known.is_some() { self.source.least_pause } else { TRY_AGAIN_AFTER };
        if last.is_within(pause, now) {
            let failure = last.failure.clone().unwrap_or(PublishedError::NoKeys);
            return known.ok_or(failure);
        }
        last.at = Some(now);
        let loaded = self.load(now).await;
        last.failure = loaded.as_ref().err().cloned();
        match loaded {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                *self.known.write() = Some(loaded.clone());
                Ok(loaded)
            }
            Err(error) => known.ok_or(error),
        }
    }

    async fn load(&self, now: Timestamp) -> Result<Known, PublishedError> {
        let metadata = match &self.source.keys_url {
            Some(_) => None,
            None => Some(self.discover().await?),
        };
        let from_metadata = metadata.as_ref().map(|metadata| &metadata.jwks_uri);
        let url = self.source.keys_url.as_ref().or(from_metadata).expect("one of the two says where the keys are");
        let failed = |error| PublishedError::Fetch(url.to_string(), error);
        let body = self.fetcher.get(url, None).await.map_err(failed)?;
        let keys = KeySet::read(&body).ok_or_else(|| failed(FetchError::Unreadable))?;
        if keys.is_empty() { Err(PublishedError::NoKeys) } else { Ok(Known { metadata, keys, at: now }) }
    }

    async fn discover(&self) -> Result<Metadata, PublishedError> {
        let address = format!("{}/.well-known/openid-configuration", self.source.issuer.trim_end_matches('/'));
        let failed = |error| PublishedError::Fetch(address.clone(), error);
        let url = Url::parse(&address).map_err(|_| failed(FetchError::Connect))?;
        let body = self.fetcher.get(&url, None).await.map_err(failed)?;
        let metadata: Metadata = serde_json::from_slice(&body).map_err(|_| failed(FetchError::Unreadable))?;
        if metadata.issuer != self.source.issuer {
            return Err(PublishedError::OtherIssuer(metadata.issuer.chars().take(200).collect()));
        }
        // People are sent to the one, secrets to the other.
        for endpoint in [&metadata.authorization_endpoint, &metadata.token_endpoint].into_iter().flatten() {
            may_be_asked(endpoint, self.source.allow_private)
                .map_err(|error| PublishedError::Fetch(endpoint.to_string(), error))?;
        }
        Ok(metadata)
    }
}
