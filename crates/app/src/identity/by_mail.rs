//! What anybody may ask for an address, known or not: a link to set a new password, or to verify the address.
//!
//! Whether somebody has the address is not looked up before the answer: the same row is written either way, and a job does
//! the rest. So neither the answer nor its time tells.

use serde::{Deserialize, Serialize};
use storage::records::jobs::{self, NewJob};
use storage::records::one_time_tokens;
use storage::records::users::{self, User, UserStatus};
use storage::{StorageError, Tx};

use super::letters::Letter;
use super::links::{NewToken, Purpose};
use super::verify_email;
use crate::{App, AppError};

/// The job that is left behind.
pub const MAIL_LINK: &str = "mail_link";

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wish {
    ResetPassword,
    VerifyEmail,
}

#[derive(Serialize, Deserialize)]
struct Asked {
    wish: Wish,
    email: String,
}

pub(super) async fn leave(app: &App, wish: Wish, email: &str) -> Result<(), AppError> {
    let asked = Asked { wish, email: email.to_owned() };
    let payload = serde_json::to_string(&asked).map_err(StorageError::unexpected)?;
    let now = app.now();
    let job = NewJob { id: app.new_id(), kind: MAIL_LINK, account: None, payload, run_at: now };
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(jobs::insert(tx, &job, now)?) };
    app.database.write("leave_wish_for_mail", write).await
}

/// The job. Nobody has the address: nothing is mailed.
pub(crate) async fn mail_link(app: &App, payload: &str) -> Result<(), AppError> {
    let Asked { wish, email } = serde_json::from_str(payload).map_err(StorageError::unexpected)?;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(users::by_email(tx, &email)?) };
    let found = app.database.read("find_user_to_mail", read).await?;
    match (found.filter(|user| user.status == UserStatus::Active), wish) {
        (Some(user), Wish::ResetPassword) => mail_reset(app, user).await,
        (Some(user), Wish::VerifyEmail) => verify_email::send_again(app, user).await,
        (None, _) => Ok(()),
    }
}

async fn mail_reset(app: &App, user: User) -> Result<(), AppError> {
    let lifetime = app.settings.people.reset_link_seconds;
    let token = NewToken::new(app, Purpose::ResetPassword, user.id.to_string(), &user.email, lifetime);
    let letter = Letter::reset_password(app, &user, &token);
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        one_time_tokens::delete_of(tx, &user.id.to_string(), Purpose::ResetPassword.as_str())?;
        token.insert(tx)?;
        Ok(letter.insert(tx)?)
    };
    app.database.write("mail_reset_link", write).await
}
