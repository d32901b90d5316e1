//! Shows operators a mail of the outbox, with what it says.
//!
//! Whoever holds a link may do what it is for. Outside of development it is shown only of a mail that waits, one at a
//! time, so that an operator without a mail server can pass it on.

use domain::ids::MailId;
use storage::Tx;
use storage::records::mails::{self, MailRow, MailState};

use super::letter::{Sender, write_out};
use super::send_mail::sender;
use super::{Mail, stored};
use crate::identity::scopes::OPERATIONS_READ;
use crate::{App, AppError, Caller};

/// A mail as a list shows it.
#[derive(Clone, PartialEq, Debug)]
pub struct ListedMail {
    pub row: MailRow,
    pub subject: String,
    /// What its reader is asked to follow, where it may be shown.
    pub link: Option<String>,
}

/// A mail with its words.
#[derive(Clone, PartialEq, Debug)]
pub struct ShownMail {
    pub listed: ListedMail,
    pub text: String,
    pub html: String,
}

pub async fn show_mail(app: &App, caller: &Caller, id: MailId) -> Result<ShownMail, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(OPERATIONS_READ)?;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(mails::by_id(tx, id)?) };
    let found = app.database.read("show_mail", read).await?;
    let row = found.ok_or_else(|| AppError::NotFound { what: "mail", name: id.to_string() })?;
    let with_secrets = app.settings.development || row.state == MailState::Waiting;
    shown(row, &sender(app).await?, with_secrets)
}

/// As a list shows it: with links in development alone.
pub(super) fn listed(app: &App, row: MailRow, sender: &Sender) -> Result<ListedMail, AppError> {
    Ok(shown(row, sender, app.settings.development)?.listed)
}

fn shown(row: MailRow, sender: &Sender, with_secrets: bool) -> Result<ShownMail, AppError> {
    let stored = stored::read(&row.content)?;
    let mail = if with_secrets { stored } else { stored.without_secrets() };
    let written = write_out(&mail, sender)?;
    let link = mail.link_to_follow().map(str::to_owned);
    let listed = ListedMail { row, subject: written.subject, link };
    Ok(ShownMail { listed, text: written.text, html: written.html })
}

impl Mail {
    /// Where its reader is asked to go: the secret link, or a page.
    fn link_to_follow(&self) -> Option<&str> {
        match self {
            Mail::UsageThreshold { usage_link, .. } => Some(usage_link),
            other => other.secret_link(),
        }
    }
}
