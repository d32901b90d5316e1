//! Where Stripe is and who asks, as the operator says it.

use std::net::IpAddr;

use url::{Host, Url};

use crate::secret::SecretText;

/// The version of Stripe's API that Tollway is written for. Answers have its shape, whatever the account's own is.
pub const API_VERSION: &str = "2026-10-28.endive";

/// Stripe itself.
pub const DEFAULT_BASE_URL: &str = "https://api.stripe.com";

/// One Stripe account.
#[derive(Clone, Debug)]
pub struct StripeSettings {
    /// `sk_…`, or `rk_…` of a restricted key.
    pub secret_key: SecretText,
    /// Elsewhere than on this machine it is `https`.
    pub base_url: Url,
    /// What is sent as `Stripe-Version`; see [`API_VERSION`].
    pub api_version: String,
}

/// What is wrong with the settings.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("it is no secret key of Stripe: those begin with sk_test_, sk_live_, rk_test_ or rk_live_")]
    Key,
    #[error("{0} cannot be the address of Stripe: it is https://, or http:// on this machine")]
    BaseUrl(Url),
    #[error("{0:?} is no version of Stripe's API")]
    ApiVersion(String),
    #[error("this system trusts no certificate authority, so that Stripe cannot be reached over TLS")]
    NoAuthorities,
}

impl StripeSettings {
    /// Stripe itself with this key, in the version that Tollway is written for.
    pub fn new(secret_key: SecretText) -> Self {
        let base_url = Url::parse(DEFAULT_BASE_URL).expect("the constant is an address");
        Self { secret_key, base_url, api_version: API_VERSION.to_owned() }
    }

    /// Whether real money moves. Whatever is not said to be for tests is taken for real.
    pub fn is_live(&self) -> bool {
        !["sk_test_", "rk_test_"].iter().any(|beginning| self.secret_key.expose().starts_with(beginning))
    }

    /// Whether Stripe is to be found on this machine, as a stand-in is.
    pub fn is_on_this_machine(&self) -> bool {
        match self.base_url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
            None => false,
        }
    }

    /// Judges what can be judged without asking anybody.
    pub fn check(&self) -> Result<(), SettingsError> {
        let key = self.secret_key.expose();
        let is_secret = ["sk_", "rk_"].iter().any(|beginning| key.starts_with(beginning));
        if !is_secret || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsError::Key);
        }
        let is_plain = self.base_url.username().is_empty() && self.base_url.password().is_none();
        let is_protected = match self.base_url.scheme() {
            "https" => true,
            "http" => self.is_on_this_machine(),
            _ => false,
        };
        if !is_plain || !is_protected || self.base_url.query().is_some() || self.base_url.fragment().is_some() {
            return Err(SettingsError::BaseUrl(self.base_url.clone()));
        }
        if self.api_version.is_empty() || !self.api_version.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsError::ApiVersion(self.api_version.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(key: &str, base_url: &str) -> StripeSettings {
        StripeSettings { base_url: Url::parse(base_url).unwrap(), ..StripeSettings::new(SecretText::new(key)) }
    }

    #[test]
    fn only_secret_keys_are_taken() {
        for good in ["sk_test_1", "sk_live_1", "rk_test_1", "rk_live_1"] {
            assert_eq!(settings(good, DEFAULT_BASE_URL).check(), Ok(()), "{good}");
        }
        for bad in ["", "pk_test_1", "whsec_1", "sk_test_1\n", "sk_test_ 1"] {
            assert_eq!(settings(bad, DEFAULT_BASE_URL).check(), Err(SettingsError::Key), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_live_unless_it_says_that_it_is_for_tests() {
        for (key, is_live) in [("sk_test_1", false), ("rk_test_1", false), ("sk_live_1", true), ("sk_1", true)] {
            assert_eq!(settings(key, DEFAULT_BASE_URL).is_live(), is_live, "{key}");
        }
    }

    #[test]
    fn a_key_is_told_in_the_clear_to_this_machine_alone() {
        for good in ["https://api.stripe.com", "http://localhost:4242", "http://127.0.0.1:1/", "http://[::1]:1"] {
            assert_eq!(settings("sk_test_1", good).check(), Ok(()), "{good}");
        }
        for bad in ["http://api.stripe.com", "http://10.0.0.1", "ftp://localhost", "https://me@stripe.com"] {
            assert!(matches!(settings("sk_test_1", bad).check(), Err(SettingsError::BaseUrl(_))), "{bad}");
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        assert!(!format!("{:?}", settings("sk_test_hidden", DEFAULT_BASE_URL)).contains("hidden"));
    }
}
