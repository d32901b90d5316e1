//! Hands mails to an SMTP server. Nothing here knows what a mail is about or when it is tried again.
//!
//! Start at [`MailServer::send`]. [`SmtpSettings`] say where the server is, how the connection is protected and whom mails
//! come from; what is wrong with them is told by [`MailServer::new`].

mod server;
mod settings;

pub use server::{MailServer, OutgoingMail, SendError};
pub use settings::{MailTls, SettingsError, SmtpSettings, is_sender};
