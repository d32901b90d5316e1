//! Providers as the operator configured them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{LEAST_PAUSE, Provider};
use crate::fetch::{FetchError, may_be_asked};
use crate::issuers::published::{Published, Source};
use crate::secret::SecretText;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderSettings {
    /// What addresses call it: letters, digits and lines.
    pub name: String,
    /// What people call it.
    pub display_name: String,
    /// Exactly what it calls itself.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: SecretText,
    /// With `openid` among them.
    pub scopes: Vec<String>,
    /// Whether it may be in a private network, and go without TLS there.
    pub allow_private: bool,
    /// How long one question to it may take.
    pub patience: Duration,
}

/// Why a provider cannot be used, as a sentence's second half.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("its name stands in addresses; take small letters, digits, - and _")]
    Name,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("issuer cannot be asked: {0}")]
    Address(FetchError),
    #[error("issuer has a question mark or a fragment; write exactly what the provider calls itself")]
    Query,
    #[error("scopes must name openid")]
    Scopes,
    #[error("this system has no certificate authorities to check it by; install ca-certificates")]
    NoAuthorities,
}

/// The configured providers by name; one a process.
#[derive(Debug, Default)]
pub struct Providers(BTreeMap<String, Provider>);

impl Providers {
    /// Reads the settings; connects to nothing yet.
    ///
    /// # Errors
    /// The name of the provider that cannot be used, and why.
    pub fn new(settings: Vec<ProviderSettings>) -> Result<Self, (String, ProviderError)> {
        let providers = settings.into_iter().map(|settings| {
            let name = settings.name.clone();
            let provider = Provider::new(settings).map_err(|error| (name.clone(), error))?;
            Ok((name, provider))
        });
        Ok(Self(providers.collect::<Result<_, _>>()?))
    }

    pub fn get(&self, name: &str) -> Option<&Provider> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Provider> {
        self.0.values()
    }
}

impl Provider {
    /// Reads the settings; connects to nothing yet.
    pub fn new(settings: ProviderSettings) -> Result<Self, ProviderError> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if settings.name.is_empty() || !settings.name.bytes().all(is_plain) {
            return Err(ProviderError::Name);
        }
        let needed = [
            ("issuer", settings.issuer.as_str()),
            ("client_id", &settings.client_id),
            ("client_secret", settings.client_secret.expose()),
        ];
        if let Some((missing, _)) = needed.into_iter().find(|(_, text)| text.is_empty()) {
            return Err(ProviderError::Missing(missing));
        }
        let url = Url::parse(&settings.issuer).map_err(|_| ProviderError::Address(FetchError::NotEncrypted))?;
        may_be_asked(&url, settings.allow_private).map_err(ProviderError::Address)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(ProviderError::Query);
        }
        if !settings.scopes.iter().any(|scope| scope == "openid") {
            return Err(ProviderError::Scopes);
        }
        let source = Source {
            issuer: settings.issuer.clone(),
            keys_url: None,
            allow_private: settings.allow_private,
            least_pause: LEAST_PAUSE,
            patience: settings.patience,
        };
        let published = Published::new(source).map_err(|_| ProviderError::NoAuthorities)?;
        Ok(Self { settings: Arc::new(settings), published: Arc::new(published) })
    }
}
