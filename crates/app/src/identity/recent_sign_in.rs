//! Changes that matter (password, address, second factor, keys, deletion) ask that whoever is signed in has proved it
//! lately, so that an open browser is not enough.

use domain::time::{MICROS_PER_SECOND, Timestamp};
use serde_json::json;
use storage::Tx;
use storage::records::{sessions, users};

use super::passwords::Verified;
use super::sessions::Device;
use crate::audit::{self, Audited};
use crate::caller::Person;
use crate::rate_limits::Identity;
use crate::{App, AppError, Caller, rate_limits};

/// # Errors
/// [`AppError::RecentSignInRequired`] when it is too long ago. Keys need none.
pub fn must_be_recent(app: &App, caller: &Caller) -> Result<(), AppError> {
    let signed_in_at: Option<Timestamp> = match caller {
        Caller::Service { .. } | Caller::Account { .. } => return Ok(()),
        Caller::Person(person) => Some(person.signed_in_at),
        Caller::Visitor(visiting) => visiting.signed_in_at,
    };
    let within = app.settings.people.recent_sign_in_seconds.saturating_mul(MICROS_PER_SECOND);
    match signed_in_at {
        Some(at) if app.now().since(at) <= within => Ok(()),
        _ => Err(AppError::RecentSignInRequired),
    }
}

/// Proves again who is signed in, by the password.
///
/// # Errors
/// [`AppError::PasswordWrong`], and [`AppError::RateLimited`] after too many attempts.
pub async fn confirm_password(app: &App, caller: &Caller, password: &str, device: &Device) -> Result<(), AppError> {
    let person = caller.person()?;
    verify_own_password(app, person, password).await?;
    let (user, session, now) = (person.user, person.session, app.now());
    let event = Audited::new(app, "session.confirmed", Some(device));
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        sessions::sign_in_again(tx, session, now)?;
        Ok(audit::note(tx, &event, None, user, session, json!({}))?)
    };
    app.database.write("confirm_sign_in", write).await
}

/// # Errors
/// [`AppError::PasswordWrong`] also where the user has none.
pub(super) async fn verify_own_password(app: &App, person: &Person, password: &str) -> Result<(), AppError> {
    rate_limits::hold_anyone(app, "login", &[Identity::SignInName(person.user.to_string())]).await?;
    let user = person.user;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(users::by_id(tx, user)?) };
    let user = app.database.read("read_own_user", read).await?.ok_or(AppError::Unauthenticated)?;
    match app.passwords.verify(&app.entropy, password, user.password_hash.as_deref()).await? {
        Verified::No => Err(AppError::PasswordWrong),
        Verified::Yes | Verified::YesOutdated => Ok(()),
    }
}
