//! Sets a new password: with the old one, or by a link that was mailed.

use domain::ids::UserId;
use serde_json::json;
use storage::Tx;
use storage::records::users::{self, User, UserStatus};
use storage::records::{api_keys, members, one_time_tokens};

use super::by_mail::{self, Wish};
use super::letters::Letter;
use super::links::{self, Purpose};
use super::recent_sign_in::{must_be_recent, verify_own_password};
use super::sessions::{self, Device};
use crate::audit::{self, Audited};
use crate::rate_limits::Identity;
use crate::{App, AppError, Caller, rate_limits};

/// Changes the caller's password and ends all their other sessions. Who has none yet sets one after a recent sign-in.
///
/// # Errors
/// [`AppError::PasswordWrong`] for the old one, [`AppError::Invalid`] when the new one is weak.
pub async fn change_password(
    app: &App,
    caller: &Caller,
    (old, new): (Option<&str>, &str),
    device: &Device,
) -> Result<(), AppError> {
    let person = caller.person()?;
    let user = own_user(app, person.user).await?;
    match (&user.password_hash, old) {
        (Some(_), Some(old)) => verify_own_password(app, person, old).await?,
        (Some(_), None) => return Err(AppError::PasswordWrong),
        (None, _) => must_be_recent(app, caller)?,
    }
    let hash = hash_new(app, &user, "new_password", new).await?;
    let (now, kept) = (app.now(), person.session);
    let (letter, event) =
        (Letter::password_changed(app, &user), Audited::new(app, "user.password_changed", Some(device)));
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let mut user = users::lock(tx, user.id)?.ok_or(AppError::Unauthenticated)?;
        user.password_hash = Some(hash.clone());
        user.updated_at = now;
        users::update(tx, &user)?;
        storage::records::sessions::end_of_user(tx, user.id, Some(kept), now, "password_changed")?;
        one_time_tokens::delete_of(tx, &user.id.to_string(), Purpose::ResetPassword.as_str())?;
        letter.insert(tx)?;
        Ok(audit::note(tx, &event, None, user.id, user.id, json!({}))?)
    };
    app.database.write("change_password", write).await
}

/// Asks for a link to set a new password. Answered the same for every address.
pub async fn forgot_password(app: &App, email: &str) -> Result<(), AppError> {
    rate_limits::hold_anyone(app, "password_reset", &[Identity::SignInName(email.to_string())]).await?;
    by_mail::leave(app, Wish::ResetPassword, email).await
}

/// Sets a new password by a mailed link, which also verifies the address, and ends every session.
///
/// # Errors
/// [`AppError::LinkInvalid`]; after [`AppError::Invalid`] for a weak password the link is still good.
pub async fn reset_password(app: &App, secret: &str, new: &str, device: &Device) -> Result<(), AppError> {
    let now = app.now();
    let user = linked_user(app, secret).await?;
    let hash = hash_new(app, &user, "password", new).await?;
    let (letter, event) =
        (Letter::password_changed(app, &user), Audited::new(app, "user.password_reset", Some(device)));
    let secret = secret.to_owned();
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        let (subject, email): (String, String) = links::take(tx, Purpose::ResetPassword, &secret, now)?;
        let id = UserId::parse(&subject).ok_or(AppError::LinkInvalid)?;
        let mut user = users::lock(tx, id)?.filter(|user| is_of(user, &email)).ok_or(AppError::LinkInvalid)?;
        user.password_hash = Some(hash.clone());
        if user.email_verified_at.is_none() {
            // Whoever registered may have been another than who reads this address's mails.
            for member in members::of_user(tx, id)? {
                api_keys::revoke_of_member(tx, member.account, &id.to_string(), now)?;
            }
            user.email_verified_at = Some(now);
        }
        user.updated_at = now;
        users::update(tx, &user)?;
        sessions::end_all(tx, id, now, "password_reset")?;
        letter.insert(tx)?;
        Ok(audit::note(tx, &event, None, id, id, json!({}))?)
    };
    app.database.write("reset_password", write).await
}

/// Whose link it is, without using it.
async fn linked_user(app: &App, secret: &str) -> Result<User, AppError> {
    let (hash, now) = (links::hash(secret), app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<Option<User>, AppError> {
        let token = one_time_tokens::get(tx, &hash, Purpose::ResetPassword.as_str(), now)?;
        match token.and_then(|token| UserId::parse(&token.subject)) {
            Some(user) => Ok(users::by_id(tx, user)?),
            None => Ok(None),
        }
    };
    app.database.read("find_reset_link", read).await?.ok_or(AppError::LinkInvalid)
}

/// A link to an address that the user has given up resets nothing.
fn is_of(user: &User, email: &str) -> bool {
    user.status == UserStatus::Active && users::key(&user.email) == users::key(email)
}

async fn own_user(app: &App, id: UserId) -> Result<User, AppError> {
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(users::by_id(tx, id)?) };
    app.database.read("read_own_user", read).await?.ok_or(AppError::Unauthenticated)
}

async fn hash_new(app: &App, user: &User, field: &'static str, new: &str) -> Result<String, AppError> {
    app.settings.people.password.check(field, new, &[user.email.as_str(), user.name.as_str()])?;
    app.passwords.hash(&app.entropy, new).await
}
