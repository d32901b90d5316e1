//! Signs somebody in by an OpenID Connect provider: sends the browser there, and takes it back.
//!
//! Somebody is known by the provider's issuer and subject, which never change. A user who is here already is found by
//! email only where both sides have verified it; anything else would let whoever registers an address first keep a door
//! to what its owner does later. And one user is one subject of an issuer: an address that is given to the next person there
//! does not give them the user.

use providers::oidc::{Identity as Claimed, Provider, SignInError, Started};
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::Tx;
use storage::records::identities::{self, Identity};
use storage::records::users::{self, User};

use super::authenticate::may_be_signed_in;
use super::links::{self, NewToken, Purpose};
use super::login::{LoggedIn, begin_session, challenge};
use super::register::{Newcomer, Prepared};
use super::sessions::{Device, Keep};
use super::settings::Registration;
use super::totp;
use crate::audit::{self, Audited};
use crate::{App, AppError};

/// How long somebody may take at the provider.
const SECONDS: i64 = 900;

/// What is remembered of a sign-in that has begun. The browser has the secret that it is found by.
#[derive(Serialize, Deserialize)]
struct Begun {
    provider: String,
    started: Started,
    return_to: String,
}

/// Where the browser goes, and what it must bring back.
pub struct Redirect {
    pub url: String,
    /// For a cookie: it binds the sign-in to this browser.
    pub secret: String,
}

/// Somebody who is back.
pub struct Returned {
    pub logged_in: LoggedIn,
    pub return_to: String,
}

/// Begins. `return_to` is a page of this server.
///
/// # Errors
/// [`AppError::NotFound`] for a provider that is not configured, [`AppError::SignInProviderUnavailable`].
pub async fn begin(app: &App, provider: &str, return_to: String) -> Result<Redirect, AppError> {
    super::hand_off::must_be_a_page("return_to", &return_to)?;
    let provider = find(app, provider)?;
    let mut random = [0; 96];
    app.entropy.fill(&mut random);
    let started = provider.start(&redirect_uri(app, provider), random, app.now()).await;
    let started = started.map_err(|error| refused(provider, &error))?;
    let url = started.url.clone();
    let begun = Begun { provider: provider.name().to_owned(), started, return_to };
    let token = NewToken::new(app, Purpose::ExternalSignIn, provider.name().to_owned(), &begun, SECONDS);
    let secret = token.secret.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(token.insert(tx)?) };
    app.database.write("begin_external_sign_in", write).await?;
    Ok(Redirect { url, secret })
}

/// What the browser came back with.
pub struct Answered {
    /// From the cookie.
    pub secret: String,
    pub state: String,
    pub code: String,
}

/// Goes on when the browser is back, once.
///
/// # Errors
/// [`AppError::LinkInvalid`] for another browser, another state or a second time;
/// [`AppError::ProviderRefused`] when the provider's word is not good.
pub async fn finish(app: &App, provider: &str, answered: Answered, device: &Device) -> Result<Returned, AppError> {
    let provider = find(app, provider)?;
    let now = app.now();
    let secret = answered.secret.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<Begun, AppError> {
        let (_, begun): (String, Begun) = links::take(tx, Purpose::ExternalSignIn, &secret, now)?;
        Ok(begun)
    };
    let begun = app.database.write("take_external_sign_in", write).await?;
    if begun.provider != provider.name() || !begun.started.is_answered_by(&answered.state) {
        return Err(AppError::LinkInvalid);
    }
    let claimed = provider.finish(&answered.code, &begun.started, &redirect_uri(app, provider), now).await;
    let claimed = claimed.map_err(|error| refused(provider, &error))?;
    let user = user_of(app, provider, claimed, device).await?;
    if !may_be_signed_in(&user, app.settings.people.unverified) {
        return Err(AppError::SignInFailed);
    }
    let logged_in = if totp::is_enabled(app, user.id).await? {
        challenge(app, &user, Keep::Cookie).await?
    } else {
        let method = format!("oidc:{}", provider.name());
        LoggedIn::SignedIn(Box::new(begin_session(app, user, method, Keep::Cookie, device).await?))
    };
    Ok(Returned { logged_in, return_to: begun.return_to })
}

/// Why nobody signs in who came back without a code: the person said no, or another browser began.
pub fn without_code(app: &App, provider: &str, was_refused: bool) -> AppError {
    match find(app, provider) {
        Ok(provider) if was_refused => AppError::ProviderRefused { name: provider.display_name().to_owned() },
        Ok(_) => AppError::LinkInvalid,
        Err(unknown) => unknown,
    }
}

/// The user that somebody is here: known before, found by a verified address, or new.
async fn user_of(app: &App, provider: &Provider, claimed: Claimed, device: &Device) -> Result<User, AppError> {
    let email = claimed.email.clone().filter(|_| claimed.email_verified);
    let prepared = match &email {
        Some(email) => {
            Some(Prepared::new(app, &Newcomer::by_provider(email.clone(), claimed.name.clone(), device)).await?)
        }
        None => None,
    };
    let (name, now) = (provider.name().to_owned(), app.now());
    let event = Audited::new(app, "user.identity_linked", Some(device));
    let is_closed = app.settings.people.registration == Registration::Closed;
    let write = move |tx: &mut Tx<'_>| -> Result<User, AppError> {
        if let Some(known) = identities::get(tx, &claimed.issuer, &claimed.subject)? {
            return users::by_id(tx, known.user)?.ok_or(AppError::SignInFailed);
        }
        let (Some(email), Some(prepared)) = (&email, &prepared) else { return Err(AppError::EmailNotVerifiedThere) };
        let user = match users::by_email(tx, email)? {
            Some(user) if may_be_linked(tx, &user, &claimed.issuer)? => user,
            Some(_) => return Err(AppError::EmailTaken),
            None if is_closed => return Err(AppError::RegistrationClosed),
            None if prepared.insert(tx)? => prepared.user.clone(),
            None => return Err(AppError::EmailTaken),
        };
        let identity = Identity {
            issuer: claimed.issuer.clone(),
            subject: claimed.subject.clone(),
            user: user.id,
            provider: name.clone(),
            email: Some(email.clone()),
            created_at: now,
        };
        identities::insert(tx, &identity)?;
        audit::note(tx, &event, None, user.id, user.id, json!({ "provider": name }))?;
        Ok(user)
    };
    app.database.write("find_user_of_provider", write).await
}

/// Whether somebody new to an issuer may be this user. Whoever signs in by that issuer already is another person there, and
/// the address was theirs before.
fn may_be_linked(tx: &mut Tx<'_>, user: &User, issuer: &str) -> Result<bool, AppError> {
    let is_known_there = identities::of_user(tx, user.id)?.iter().any(|identity| identity.issuer == issuer);
    Ok(user.email_verified_at.is_some() && !is_known_there)
}

fn find<'a>(app: &'a App, name: &str) -> Result<&'a Provider, AppError> {
    let unknown = || AppError::NotFound { what: "sign-in provider", name: name.to_owned() };
    app.sign_in_providers.get(name).ok_or_else(unknown)
}

fn redirect_uri(app: &App, provider: &Provider) -> String {
    app.settings.page(&format!("api/v1/auth/oidc/{}/callback", provider.name()))
}

/// The provider's own words are for the log.
fn refused(provider: &Provider, error: &SignInError) -> AppError {
    let name = provider.display_name().to_owned();
    if error.is_passing() {
        tracing::warn!(provider = provider.name(), %error, "a sign-in provider cannot be reached");
        return AppError::SignInProviderUnavailable;
    }
    tracing::info!(provider = provider.name(), %error, "a sign-in by a provider was refused");
    AppError::ProviderRefused { name }
}
