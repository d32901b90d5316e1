//! `admin/mails`: the outbox, for operators: what waits for a mail server, was sent, or could not be.

pub mod list;
pub mod retry;
pub mod show;

use app::mail::{ListedMail, MailRow, ShownMail};
use domain::ids::{AccountId, MailId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Time, Written};

/// A mail of the outbox.
#[derive(Serialize, ToSchema)]
#[schema(as = Mail)]
pub struct MailShape {
    #[schema(value_type = String, example = "mail_01k…")]
    id: Written<MailId>,
    /// Such as `verify_email` or `usage_threshold`.
    #[schema(example = "usage_threshold")]
    kind: String,
    to: String,
    #[schema(value_type = Option<String>, example = "acct_01k…")]
    account: Option<Written<AccountId>>,
    /// `waiting`, `sent` or `failed`.
    #[schema(example = "waiting")]
    state: &'static str,
    /// How often a mail server was asked to take it and did not, or did.
    attempts: i64,
    /// Why it was not sent the last time.
    last_error: Option<String>,
    created_at: Time,
    sent_at: Option<Time>,
}

/// A mail in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedMail)]
pub struct ListedMailShape {
    #[serde(flatten)]
    mail: MailShape,
    subject: String,
    /// What its reader is asked to follow. One that lets whoever has it do something is shown in development only, or of
    /// a single mail while it waits.
    link: Option<String>,
}

/// A mail with its words.
#[derive(Serialize, ToSchema)]
#[schema(as = MailWithContent)]
pub struct ShownMailShape {
    #[serde(flatten)]
    listed: ListedMailShape,
    text: String,
    html: String,
}

impl From<MailRow> for MailShape {
    fn from(mail: MailRow) -> Self {
        Self {
            id: Written(mail.id),
            kind: mail.kind,
            to: mail.to,
            account: mail.account.map(Written),
            state: mail.state.as_str(),
            attempts: mail.attempts,
            last_error: mail.last_error,
            created_at: Written(mail.created_at),
            sent_at: mail.sent_at.map(Written),
        }
    }
}

impl From<ListedMail> for ListedMailShape {
    fn from(listed: ListedMail) -> Self {
        Self { mail: listed.row.into(), subject: listed.subject, link: listed.link }
    }
}

impl From<ShownMail> for ShownMailShape {
    fn from(shown: ShownMail) -> Self {
        Self { listed: shown.listed.into(), text: shown.text, html: shown.html }
    }
}
