//! Verifies addresses, by a link that is mailed to them.

use domain::ids::UserId;
use serde_json::json;
use storage::Tx;
use storage::records::one_time_tokens;
use storage::records::users::{self, User, UserStatus};

use super::letters::Letter;
use super::links::{self, NewToken, Purpose};
use super::sessions::Device;
use crate::audit::{self, Audited};
use crate::rate_limits::Identity;
use crate::{App, AppError, Caller, rate_limits};

/// A new link for a user's address, and the mail that it is in. The address stands in it: a link to an address that the
/// user has given up verifies nothing.
pub(super) fn verification(app: &App, user: &User) -> (NewToken, Letter) {
    let lifetime = app.settings.people.verify_link_seconds;
    let token = NewToken::new(app, Purpose::VerifyEmail, user.id.to_string(), &user.email, lifetime);
    let letter = Letter::verify_email(app, user, &token);
    (token, letter)
}

/// Verifies the address that a link was mailed to.
///
/// # Errors
/// [`AppError::LinkInvalid`] when it is none of ours, was used, or is over.
pub async fn verify_email(app: &App, secret: &str, device: &Device) -> Result<User, AppError> {
    let (secret, now) = (secret.to_owned(), app.now());
    let event = Audited::new(app, "user.email_verified", Some(device));
    let write = move |tx: &mut Tx<'_>| -> Result<User, AppError> {
        let (subject, email): (String, String) = links::take(tx, Purpose::VerifyEmail, &secret, now)?;
        let user = UserId::parse(&subject).ok_or(AppError::LinkInvalid)?;
        let mut user = users::lock(tx, user)?.ok_or(AppError::LinkInvalid)?;
        if users::key(&user.email) != users::key(&email) || user.status == UserStatus::Deleted {
            return Err(AppError::LinkInvalid);
        }
        if user.email_verified_at.is_none() {
            user.email_verified_at = Some(now);
            user.updated_at = now;
            users::update(tx, &user)?;
            audit::note(tx, &event, None, user.id, user.id, json!({}))?;
        }
        Ok(user)
    };
    app.database.write("verify_email", write).await
}

/// Mails the caller a new link; those mailed before are useless from now on. Nothing to do for a verified address.
pub async fn resend_verification(app: &App, caller: &Caller) -> Result<(), AppError> {
    let user = caller.person()?.user;
    rate_limits::hold_anyone(app, "register", &[Identity::SignInName(user.to_string())]).await?;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(users::by_id(tx, user)?) };
    let user = app.database.read("read_own_user", read).await?.ok_or(AppError::Unauthenticated)?;
    send_again(app, user).await
}

/// As [`resend_verification`], for somebody who cannot sign in before: by address, and answered the same for all.
pub async fn resend_verification_to(app: &App, email: &str) -> Result<(), AppError> {
    rate_limits::hold_anyone(app, "register", &[Identity::SignInName(email.to_string())]).await?;
    super::by_mail::leave(app, super::by_mail::Wish::VerifyEmail, email).await
}

pub(super) async fn send_again(app: &App, user: User) -> Result<(), AppError> {
    if user.email_verified_at.is_some() || user.status != UserStatus::Active {
        return Ok(());
    }
    let (token, letter) = verification(app, &user);
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        one_time_tokens::delete_of(tx, &user.id.to_string(), Purpose::VerifyEmail.as_str())?;
        token.insert(tx)?;
        Ok(letter.insert(tx)?)
    };
    app.database.write("resend_verification", write).await
}
