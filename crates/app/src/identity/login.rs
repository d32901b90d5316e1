//! Signs somebody in by email or username and password. Whoever fails is told nothing but that, and in the same time.

use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::Tx;
use storage::records::members;
use storage::records::sessions::SessionOf;
use storage::records::users::{self, User, UserStatus};

use super::links::{NewToken, Purpose};
use super::passwords::Verified;
use super::sessions::{Device, Keep, NewSession, SignedIn, chosen_account, signed_in};
use super::settings::Unverified;
use crate::audit::{self, Audited};
use crate::rate_limits::Identity;
use crate::{App, AppError, rate_limits};

/// How long the second step of a sign-in may take.
const CHALLENGE_SECONDS: i64 = 300;

/// What is known of somebody who signs in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// An email or a username.
    pub login: String,
    pub password: String,
}

/// What came of a sign-in.
pub enum LoggedIn {
    SignedIn(Box<SignedIn>),
    /// The password was right; a code is still asked for.
    SecondFactor {
        challenge: String,
        expires_at: domain::time::Timestamp,
    },
}

/// What a challenge for the second step remembers.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Challenge {
    pub cookie: bool,
}

/// Signs in.
///
/// # Errors
/// [`AppError::SignInFailed`] whatever was wrong: no such user, another password, suspended, deleted.
/// [`AppError::EmailUnverified`] only after the right password. [`AppError::RateLimited`] by address and by login.
pub async fn log_in(app: &App, credentials: Credentials, keep: Keep, device: &Device) -> Result<LoggedIn, AppError> {
    let login = users::key(credentials.login.trim());
    rate_limits::hold_anyone(app, "login", &[Identity::SignInName(login.clone())]).await?;
    let user = find(app, login).await?;
    let may_sign_in = user.as_ref().filter(|user| user.status == UserStatus::Active);
    let hash = may_sign_in.and_then(|user| user.password_hash.as_deref());
    let verified = app.passwords.verify(&app.entropy, &credentials.password, hash).await?;
    let (Some(user), true) = (user, verified != Verified::No) else { return Err(AppError::SignInFailed) };
    if user.email_verified_at.is_none() && app.settings.people.unverified == Unverified::MayNothing {
        return Err(AppError::EmailUnverified);
    }
    if verified == Verified::YesOutdated {
        hash_again(app, &user, &credentials.password).await?;
    }
    if super::totp::is_enabled(app, user.id).await? {
        return challenge(app, &user, keep).await;
    }
    let signed_in = begin_session(app, user, "password".into(), keep, device).await?;
    Ok(LoggedIn::SignedIn(Box::new(signed_in)))
}

async fn find(app: &App, login: String) -> Result<Option<User>, AppError> {
    if login.contains('\0') {
        return Ok(None);
    }
    let read = move |tx: &mut Tx<'_>| -> Result<Option<User>, AppError> {
        if login.contains('@') { Ok(users::by_email(tx, &login)?) } else { Ok(users::by_username(tx, &login)?) }
    };
    app.database.read("find_user_to_sign_in", read).await
}

/// The parameters have changed since the password was set.
async fn hash_again(app: &App, user: &User, password: &str) -> Result<(), AppError> {
    let newer = app.passwords.hash(&app.entropy, password).await?;
    let (id, verified) = (user.id, user.password_hash.clone().unwrap_or_default());
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(users::rehash(tx, id, &verified, &newer)?) };
    app.database.write("hash_password_again", write).await
}

pub(super) async fn challenge(app: &App, user: &User, keep: Keep) -> Result<LoggedIn, AppError> {
    let content = Challenge { cookie: keep == Keep::Cookie };
    let token = NewToken::new(app, Purpose::SecondFactor, user.id.to_string(), &content, CHALLENGE_SECONDS);
    let (challenge, expires_at) = (token.secret.clone(), token.expires_at());
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(token.insert(tx)?) };
    app.database.write("ask_for_second_factor", write).await?;
    Ok(LoggedIn::SecondFactor { challenge, expires_at })
}

/// Begins a session for a user who has proved who they are.
pub(super) async fn begin_session(
    app: &App,
    user: User,
    method: String,
    keep: Keep,
    device: &Device,
) -> Result<SignedIn, AppError> {
    let session = NewSession::new(app, SessionOf::User(user.id), method.clone(), device, keep);
    let event = Audited::new(app, "user.signed_in", Some(device));
    let (begun, id) = (session.clone(), user.id);
    let write = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        begun.insert(tx)?;
        audit::note(tx, &event, None, id, begun.session.id, json!({ "method": method }))?;
        Ok(members::of_user(tx, id)?)
    };
    let memberships = app.database.write("begin_session", write).await?;
    let account = chosen_account(&memberships, &user);
    signed_in(app, user, account, session).await
}
