//! The mails about people: which goes to whom, and where its link leads. Links begin with the public URL that is
//! configured, whatever address a request came by.

use domain::ids::AccountId;
use storage::records::invitations::Invitation;
use storage::records::users::User;
use storage::{StorageError, Tx};

use crate::App;
use crate::identity::links::NewToken;
use crate::mail::{self, Link, Mail, NewMail};

/// A mail that is written in a transaction; its id is made before.
#[derive(Clone)]
pub struct Letter(NewMail);

impl Letter {
    fn new(app: &App, to: &str, account: Option<AccountId>, content: Mail) -> Self {
        let (id, now) = (app.new_id(), app.now());
        Self(NewMail { id, to: to.to_owned(), account, content, once: None, now })
    }

    pub fn insert(&self, tx: &mut Tx<'_>) -> Result<(), StorageError> {
        mail::write(tx, &self.0)
    }

    pub fn verify_email(app: &App, user: &User, token: &NewToken) -> Self {
        let link = link(app, "verify-email", token);
        Self::new(app, &user.email, None, Mail::VerifyEmail { name: user.name.clone(), link })
    }

    pub fn reset_password(app: &App, user: &User, token: &NewToken) -> Self {
        let link = link(app, "reset-password", token);
        Self::new(app, &user.email, None, Mail::ResetPassword { name: user.name.clone(), link })
    }

    /// To the owner of an address that somebody wanted to register again.
    pub fn registration_attempt(app: &App, user: &User) -> Self {
        let link = Link { url: app.settings.page("forgot-password"), good_until: None };
        Self::new(app, &user.email, None, Mail::RegistrationAttempt { name: user.name.clone(), link })
    }

    pub fn password_changed(app: &App, user: &User) -> Self {
        Self::new(app, &user.email, None, Mail::PasswordChanged { name: user.name.clone() })
    }

    /// To the new address.
    pub fn confirm_new_email(app: &App, user: &User, to: &str, token: &NewToken) -> Self {
        let link = link(app, "confirm-email", token);
        Self::new(app, to, None, Mail::ConfirmNewEmail { name: user.name.clone(), link })
    }

    /// To the old address.
    pub fn email_changed(app: &App, name: &str, old: &str, new: &str) -> Self {
        let new_email_masked = masked(new);
        Self::new(app, old, None, Mail::EmailChanged { name: name.to_owned(), new_email_masked })
    }

    pub fn two_factor(app: &App, user: &User, is_on: bool) -> Self {
        let name = user.name.clone();
        let content = if is_on { Mail::TwoFactorEnabled { name } } else { Mail::TwoFactorDisabled { name } };
        Self::new(app, &user.email, None, content)
    }

    pub fn recovery_code_used(app: &App, user: &User, left: u32) -> Self {
        Self::new(app, &user.email, None, Mail::RecoveryCodeUsed { name: user.name.clone(), left })
    }

    pub fn account_deleted(app: &App, name: &str, to: &str) -> Self {
        Self::new(app, to, None, Mail::AccountDeleted { name: name.to_owned() })
    }
}

impl Letter {
    /// To whoever is invited; the account's name is put in by [`Letter::about`].
    pub fn invitation(app: &App, invitation: &Invitation, inviter: String, secret: &str) -> Self {
        let link = Link { url: app.settings.link("invitation", secret), good_until: Some(invitation.expires_at) };
        let role = invitation.role.to_string();
        let content = Mail::Invitation { account_name: String::new(), inviter, role, link };
        Self::new(app, &invitation.email, Some(invitation.account), content)
    }

    /// The same with the name that the account has in this transaction.
    #[must_use]
    pub fn about(&self, name: &str) -> Self {
        let mut letter = self.clone();
        if let Mail::Invitation { account_name, .. } = &mut letter.0.content {
            name.clone_into(account_name);
        }
        letter
    }
}

fn link(app: &App, page: &str, token: &NewToken) -> Link {
    Link { url: app.settings.link(page, &token.secret), good_until: Some(token.expires_at()) }
}

/// Enough of an address to know one's own.
fn masked(email: &str) -> String {
    match email.split_once('@') {
        Some((user, host)) => format!("{}…@{host}", user.chars().take(1).collect::<String>()),
        None => "…".to_owned(),
    }
}
