//! Signing in by an OpenID Connect provider, with the authorization code flow and PKCE. Start at [`Provider::start`].
//!
//! The tokens and keys are those of [`crate::issuers`], and so are the checks: one way to verify a token for both. The
//! provider's answers are believed as far as its signature goes. Whether an email that it calls verified opens an account
//! is the caller's to decide.

mod settings;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::time::Timestamp;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::fetch::FetchError;
use crate::issuers::published::{Known, Metadata, Published};
use crate::issuers::token::{Claims, Parsed};
use crate::issuers::{PublishedError, TokenError, is_plain};

pub use settings::{ProviderError, ProviderSettings, Providers};

/// How often a provider's documents are asked for at most.
const LEAST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_SUBJECT: usize = 255;

/// One provider, ready to be used. Clones share what is known of it.
#[derive(Clone, Debug)]
pub struct Provider {
    settings: Arc<ProviderSettings>,
    published: Arc<Published>,
}

/// A sign-in that has begun. All but the address is kept until the person comes back, where nobody else can read it: it
/// belongs to one browser, and `state` to one use.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Where the person is sent.
    pub url: String,
    /// Comes back with the person, and must be what it was.
    pub state: String,
    pub nonce: String,
    pub pkce_verifier: String,
}

/// Random bytes for one sign-in.
pub type Random = [u8; 96];

/// Who has signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub issuer: String,
    /// Never changes and is never given to another; an email may be.
    pub subject: String,
    pub email: Option<String>,
    /// Whether the provider says that the email is this person's.
    pub email_verified: bool,
    pub name: Option<String>,
}

/// Why nobody was signed in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignInError {
    #[error("nothing is known of the provider: {0}")]
    Published(#[from] PublishedError),
    #[error("the provider names no {0} in its discovery document")]
    Endpoint(&'static str),
    #[error("the provider could not be asked: {0}")]
    Fetch(#[from] FetchError),
    /// The code is used, expired or made up, or the client's secret is wrong. With the provider's word for it.
    #[error("the provider does not accept the code: {0}")]
    Code(String),
    #[error("the provider's token is not accepted: {0}")]
    Token(#[from] TokenError),
    #[error("the provider's token belongs to another sign-in")]
    Nonce,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
}

impl SignInError {
    /// Whether the trouble is the provider's, and trying again later may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Published(_) | Self::Endpoint(_) | Self::Fetch(_) => true,
            Self::Token(error) => error.is_passing(),
            Self::Code(_) | Self::Nonce => false,
        }
    }
}

impl Started {
    /// Whether a state that came back is this one's.
    pub fn is_answered_by(&self, state: &str) -> bool {
        self.state.as_bytes().ct_eq(state.as_bytes()).into()
    }
}

impl Provider {
    /// The name under which it is configured.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What people call it.
    pub fn display_name(&self) -> &str {
        &self.settings.display_name
    }

    /// Begins a sign-in that comes back to `redirect_uri`, an address of this provider's own, so that no other provider
    /// can answer in its place.
    pub async fn start(&self, redirect_uri: &str, random: Random, now: Timestamp) -> Result<Started, SignInError> {
        let known = self.published.known(now).await?;
        let mut url =
            metadata(&known)?.authorization_endpoint.clone().ok_or(SignInError::Endpoint("authorization_endpoint"))?;
        let (state, rest) = random.split_at(32);
        let (nonce, verifier) = rest.split_at(32);
        let [state, nonce, pkce_verifier] = [state, nonce, verifier].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&pkce_verifier));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Started { url: url.into(), state, nonce, pkce_verifier })
    }

    /// Ends a sign-in with the code that the person came back with. The caller has compared the state before, by
    /// [`Started::is_answered_by`].
    pub async fn finish(
        &self,
        code: &str,
        started: &Started,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<Identity, SignInError> {
        let known = self.published.known(now).await?;
        let metadata = metadata(&known)?;
        let answer = self.exchange(metadata, code, started, redirect_uri).await?;
        let token = Parsed::read(&answer.id_token)?;
        let claims = self.published.verify(&token, now).await?;
        self.check(&claims, &started.nonce, now)?;
        let subject = claims.text("sub").filter(|subject| (1..=LONGEST_SUBJECT).contains(&subject.len()));
        let subject = subject.ok_or_else(|| TokenError::Claim("sub".into()))?.to_owned();
        let mut person =
            Identity { issuer: self.settings.issuer.clone(), subject, email: None, email_verified: false, name: None };
        person.learn(|claim| claims.value(claim));
        // Many providers keep the rest for those who ask for it.
        if let (None, Some(url), Some(access)) = (&person.email, &metadata.userinfo_endpoint, &answer.access_token) {
            self.ask_for_more(&mut person, url, access).await?;
        }
        Ok(person)
    }

    /// Exchanges the code for tokens.
    async fn exchange(
        &self,
        metadata: &Metadata,
        code: &str,
        started: &Started,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, SignInError> {
        let url = metadata.token_endpoint.as_ref().ok_or(SignInError::Endpoint("token_endpoint"))?;
        let (authorization, form) = self.code_request(metadata, code, started, redirect_uri);
        let (status, body) = self.published.fetcher().post_form(url, authorization, form).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map_err(|_| FetchError::Unreadable.into()),
            _ if status.is_client_error() => Err(SignInError::Code(refusal(&body))),
            _ => Err(FetchError::Status(status.as_u16()).into()),
        }
    }

    /// What the token endpoint is sent: who asks, and for what.
    fn code_request(
        &self,
        metadata: &Metadata,
        code: &str,
        started: &Started,
        redirect_uri: &str,
    ) -> (Option<HeaderValue>, String) {
        let ProviderSettings { client_id, client_secret, .. } = &*self.settings;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("code_verifier", &started.pkce_verifier);
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        // Basic is what a provider takes that does not say (OpenID Connect Discovery 1.0, section 3).
        let takes_basic = methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        if takes_basic {
            return (Some(basic(client_id, client_secret.expose())), form.finish());
        }
        form.append_pair("client_id", client_id).append_pair("client_secret", client_secret.expose());
        (None, form.finish())
    }

    /// The checks of OpenID Connect Core 1.0, section 3.1.3.7, that are not of every token.
    fn check(&self, claims: &Claims, nonce: &str, now: Timestamp) -> Result<(), SignInError> {
        let client_id = &self.settings.client_id;
        claims.check(&self.settings.issuer, std::slice::from_ref(client_id), now)?;
        let issued_to = claims.value("azp");
        let is_ours = issued_to.is_some_and(|azp| azp == client_id.as_str());
        if (issued_to.is_some() || claims.audiences().len() > 1) && !is_ours {
            return Err(TokenError::Audience.into());
        }
        let told = claims.text("nonce").unwrap_or_default();
        if told.as_bytes().ct_eq(nonce.as_bytes()).into() { Ok(()) } else { Err(SignInError::Nonce) }
    }

    /// Asks what the token did not tell. An answer about somebody else is not heeded.
    async fn ask_for_more(&self, person: &mut Identity, url: &Url, access: &str) -> Result<(), SignInError> {
        let Ok(authorization) = HeaderValue::from_str(&format!("Bearer {access}")) else { return Ok(()) };
        let body = self.published.fetcher().get(url, Some(authorization)).await?;
        // Some sign this answer too; what was asked for over TLS from the issuer needs no signature.
        let told: Value = serde_json::from_slice(&body).map_err(|_| FetchError::Unreadable)?;
        if told["sub"] == person.subject.as_str() {
            person.learn(|claim| told.get(claim));
        }
        Ok(())
    }
}

impl Identity {
    /// Takes up what is told. An email and its verification belong together.
    fn learn<'v>(&mut self, told: impl Fn(&str) -> Option<&'v Value>) {
        let text = |claim| told(claim)?.as_str().filter(|text| is_plain(text)).map(str::to_owned);
        if let Some(email) = text("email") {
            // Some write it as text.
            self.email_verified = told("email_verified").is_some_and(|value| *value == true || *value == "true");
            self.email = Some(email);
        }
        self.name = text("name").or(self.name.take());
    }
}

fn metadata(known: &Known) -> Result<&Metadata, SignInError> {
    known.metadata.as_ref().ok_or(SignInError::Endpoint("discovery document"))
}

/// Name and secret are written as in a form first (RFC 6749, section 2.3.1).
fn basic(client_id: &str, secret: &str) -> HeaderValue {
    let in_form = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", in_form(client_id), in_form(secret));
    HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(both))).expect("base64 is plain text")
}

/// The word for it, if the provider has one: letters and lines underneath.
fn refusal(body: &[u8]) -> String {
    let told = serde_json::from_slice::<TokenRefusal>(body).map(|refusal| refusal.error).unwrap_or_default();
    let is_word = (1..=64).contains(&told.len()) && told.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { told } else { "no reason given".into() }
}

/// Shows nothing of what only the browser's own sign-in may know.
impl std::fmt::Debug for Started {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Started").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
