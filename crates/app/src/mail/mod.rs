//! Mails to customers: written into an outbox by the transaction that has something to tell, sent by a job.
//!
//! A use case calls [`write()`] in its own transaction, so that a mail is told of exactly what was committed, and no mail
//! server can hold a request up. [`content`] has one variant a mail, [`letter`] the words of each, [`stored`] what the
//! outbox keeps of it, [`send_mail`] the job. Without a mail server mails wait; operators see them by [`list_mails`].

mod billing_letter;
mod content;
mod delete_old;
mod letter;
mod list_mails;
mod recipients;
mod retry_mail;
pub(crate) mod send_mail;
mod send_test_mail;
mod show_mail;
mod stored;
mod written;

pub use content::{Link, Mail};
pub(crate) use delete_old::delete_old;
pub use list_mails::{MailPage, list_mails};
pub(crate) use recipients::recipients;
pub use retry_mail::retry_mail;
pub use send_test_mail::{TestMail, send_test_mail};
pub use show_mail::{ListedMail, ShownMail, show_mail};
pub use storage::records::mails::{MailFilter, MailRow, MailState};
pub use written::WrittenMails;

use domain::ids::{AccountId, JobId, MailId};
use domain::time::Timestamp;
use storage::records::jobs::{self, NewJob};
use storage::records::mails::{self, NewMailRow};
use storage::{StorageError, Tx};

use crate::{App, AppError};

/// A mail to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMail {
    /// Made before the transaction, by [`App::new_id`].
    pub id: MailId,
    pub to: String,
    /// The account it is about, if it is about one.
    pub account: Option<AccountId>,
    pub content: Mail,
    /// What it must not be told twice of: a mail whose key another mail has is not written. `None`: it is always told.
    pub once: Option<String>,
    pub now: Timestamp,
}

/// Puts a mail into the outbox, with the job that sends it, in the caller's transaction.
pub fn write(tx: &mut Tx<'_>, mail: &NewMail) -> Result<(), StorageError> {
    let row = NewMailRow {
        id: mail.id,
        kind: mail.content.kind(),
        to: mail.to.clone(),
        account: mail.account,
        once: mail.once.clone(),
        content: stored::store(&mail.content)?,
    };
    if !mails::insert(tx, &row, mail.now)? {
        return Ok(());
    }
    add_job(tx, mail.id, mail.account, mail.now)
}

fn add_job(tx: &mut Tx<'_>, mail: MailId, account: Option<AccountId>, now: Timestamp) -> Result<(), StorageError> {
    let payload = serde_json::json!({ "mail": mail.to_string() }).to_string();
    let job = NewJob { id: job_of(mail), kind: send_mail::SEND_MAIL, account, payload, run_at: now };
    jobs::insert(tx, &job, now)
}

/// A mail and its job have the same number, so that each is found by the other.
fn job_of(mail: MailId) -> JobId {
    JobId::from_bits(mail.bits())
}

/// What the product is called: as the operator says, else as the catalog does.
pub(crate) async fn product_name(app: &App) -> Result<String, AppError> {
    match &app.settings.product_name {
        Some(name) => Ok(name.clone()),
        None => Ok(app.plans().await?.catalog.product.clone()),
    }
}

#[cfg(test)]
mod tests;
