//! Makes somebody who operates the platform. Only a command on the server does this, never a request.

use serde_json::json;
use storage::Tx;
use storage::records::users::{self, User, UserStatus};

use super::passwords::PasswordCost;
use super::register::Newcomer;
use super::sessions::Device;
use crate::accounts::fields;
use crate::audit::{self, Audited};
use crate::{App, AppError};

/// The password of somebody who operates the platform.
#[derive(Clone, Copy)]
pub enum SuperadminPassword<'p> {
    /// Somebody thought of it, so that it may be a weak one.
    Chosen(&'p str),
    /// Made at random. How strong it is need not be judged, which would keep dictionaries in memory for as long as the
    /// server runs.
    Random(&'p str, PasswordCost),
}

/// Makes the user with this address, verified, or raises the one who has it; a password takes the place of theirs.
pub async fn create_superadmin(
    app: &App,
    (email, name): (&str, Option<&str>),
    password: Option<SuperadminPassword<'_>>,
) -> Result<User, AppError> {
    fields::email("email", email)?;
    name.map(fields::name).transpose()?;
    let rules = &app.settings.people.password;
    let hash = match password {
        Some(SuperadminPassword::Chosen(password)) => {
            rules.check("password", password, &[email])?;
            Some(app.passwords.hash(&app.entropy, password).await?)
        }
        Some(SuperadminPassword::Random(password, cost)) => {
            rules.check_but_for_strength("password", password)?;
            Some(app.passwords.hash_at(cost, &app.entropy, password).await?)
        }
        None => None,
    };
    let newcomer = Newcomer::by_provider(email.to_owned(), name.map(str::to_owned), &Device::default());
    // Who operates the platform is no customer of it, and has no account.
    let made = User { superadmin: true, password_hash: hash.clone(), ..newcomer.user(app) };
    let (event, now, email) = (Audited::new(app, "user.made_superadmin", None), app.now(), email.to_owned());
    let write = move |tx: &mut Tx<'_>| -> Result<User, AppError> {
        let user = match users::by_email(tx, &email)? {
            None if users::insert(tx, &made)? => made.clone(),
            None => return Err(AppError::EmailTaken),
            Some(known) => {
                let mut user = users::lock(tx, known.id)?.ok_or(AppError::EmailTaken)?;
                user.superadmin = true;
                user.status = UserStatus::Active;
                user.email_verified_at = user.email_verified_at.or(Some(now));
                user.password_hash = hash.clone().or(user.password_hash);
                user.updated_at = now;
                users::update(tx, &user)?;
                user
            }
        };
        audit::note(tx, &event, None, "server", user.id, json!({}))?;
        Ok(user)
    };
    app.database.write("create_superadmin", write).await
}
