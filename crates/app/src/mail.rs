//! Stand-in until the mail area is merged.
use domain::ids::{AccountId, MailId};
use domain::time::Timestamp;
use storage::{StorageError, Tx};
#[derive(Clone)]
pub struct NewMail {
    pub id: MailId,
    pub to: String,
    pub account: Option<AccountId>,
    pub content: Mail,
    pub once: Option<String>,
    pub now: Timestamp,
}
#[derive(Clone)]
pub struct Link {
    pub url: String,
    pub good_until: Option<Timestamp>,
}
#[derive(Clone)]
pub enum Mail {
    VerifyEmail { name: String, link: Link },
    ResetPassword { name: String, link: Link },
    RegistrationAttempt { name: String, link: Link },
    PasswordChanged { name: String },
    ConfirmNewEmail { name: String, link: Link },
    EmailChanged { name: String, new_email_masked: String },
    Invitation { account_name: String, inviter: String, role: String, link: Link },
    TwoFactorEnabled { name: String },
    TwoFactorDisabled { name: String },
    RecoveryCodeUsed { name: String, left: u32 },
    AccountDeleted { name: String },
}
pub fn write(_tx: &mut Tx<'_>, _mail: &NewMail) -> Result<(), StorageError> {
    Ok(())
}
