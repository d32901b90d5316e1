//! One mail at a time, each on a connection of its own: mails are few, and a connection that was kept may be dead.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::time::Timestamp;
use lettre::address::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::settings::{MailTls, SettingsError, SmtpSettings};

/// Answers to AUTH that say something about our user and password, not about the mail.
const NOT_AUTHENTICATED: [u16; 4] = [530, 534, 535, 538];

/// A server that takes mails. Cheap to clone.
#[derive(Clone)]
pub struct MailServer {
    shared: Arc<Shared>,
}

struct Shared {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

/// A mail, written out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutgoingMail {
    /// The same each time the mail is tried, so that receivers recognise one that came twice. Letters, digits and `_`.
    pub id: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub at: Timestamp,
}

/// Why a mail was not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// The server could not be reached, or said that it may take it later.
    #[error("{0}")]
    Later(String),
    /// The server will not take it, ever.
    #[error("{0}")]
    Never(String),
}

impl MailServer {
    /// # Errors
    /// [`SettingsError`] says what is wrong with the settings. Nothing is sent yet.
    pub fn new(settings: &SmtpSettings) -> Result<Self, SettingsError> {
        let from: Mailbox = settings.from.parse().map_err(|_| SettingsError::Sender(settings.from.clone()))?;
        let parameters = || {
            let failed = |error: lettre::transport::smtp::Error| SettingsError::Tls {
                host: settings.host.clone(),
                cause: error.to_string(),
            };
            TlsParameters::new(settings.host.clone()).map_err(failed)
        };
        let tls = match settings.tls() {
            MailTls::None => Tls::None,
            MailTls::StartTls => Tls::Required(parameters()?),
            MailTls::Tls => Tls::Wrapper(parameters()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port())
            .tls(tls)
            .timeout(Some(settings.timeout))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let Some(user) = &settings.user {
            builder = builder.credentials(Credentials::new(user.clone(), settings.password.expose().to_owned()));
        }
        Ok(Self { shared: Arc::new(Shared { transport: builder.build(), from, timeout: settings.timeout }) })
    }

    /// Hands a mail over. `Ok`: the server has taken it and answers for it now.
    pub async fn send(&self, mail: &OutgoingMail) -> Result<(), SendError> {
        let message = self.write(mail)?;
        match tokio::time::timeout(self.shared.timeout, self.shared.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(judge(&error)),
            Err(_) => {
                let seconds = self.shared.timeout.as_secs();
                Err(SendError::Later(format!("the mail server did not take it within {seconds} s")))
            }
        }
    }

    fn write(&self, mail: &OutgoingMail) -> Result<Message, SendError> {
        let never = |error: String| SendError::Never(error);
        let to: Address =
            mail.to.parse().map_err(|error| never(format!("the address {:?} cannot be used: {error}", mail.to)))?;
        let from = &self.shared.from;
        let date = SystemTime::UNIX_EPOCH + Duration::from_micros(mail.at.micros().unsigned_abs());
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&mail.subject))
            .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
            .date(date)
            .raw_header(automatic())
            .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
            .map_err(|error| never(format!("the mail cannot be written: {error}")))
    }
}

/// Tells vacation notices and the like not to answer (RFC 3834).
fn automatic() -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())
}

/// Names that people choose stand in subjects; a line break in one would begin another header.
fn one_line(text: &str) -> String {
    text.split(char::is_control).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Only a server that says so will never take a mail. That it does not know our password is our trouble, not the mail's.
fn judge(error: &lettre::transport::smtp::Error) -> SendError {
    let told = with_causes(error);
    let code = error.status().map(u16::from);
    if error.is_permanent() && !code.is_some_and(|code| NOT_AUTHENTICATED.contains(&code)) {
        SendError::Never(told)
    } else {
        SendError::Later(told)
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause.
        if !told.contains(&more) {
            told = format!("{told}: {more}");
        }
        cause = error.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;

    fn server(port: u16) -> MailServer {
        let settings = SmtpSettings {
            host: "127.0.0.1".into(),
            port: Some(port),
            tls: None,
            user: None,
            password: SecretText::new(""),
            from: "Acme <billing@example.com>".into(),
            timeout: Duration::from_millis(500),
        };
        MailServer::new(&settings).expect("good settings")
    }

    fn mail(to: &str, subject: &str) -> OutgoingMail {
        OutgoingMail {
            id: "mail_1".into(),
            to: to.into(),
            subject: subject.into(),
            text: "Hello".into(),
            html: "<p>Hello</p>".into(),
            at: Timestamp::from_seconds(1_800_000_000),
        }
    }

    fn written(subject: &str) -> String {
        let message = server(25).write(&mail("ada@example.com", subject)).expect("it can be written");
        String::from_utf8(message.formatted()).expect("mails are text")
    }

    #[test]
    fn a_mail_has_its_id_date_sender_and_both_texts() {
        let text = written("Welcome");
        for line in [
            "From: Acme <billing@example.com>",
            "To: ada@example.com",
            "Subject: Welcome",
            "Message-ID: <mail_1@example.com>",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000",
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Type: text/html; charset=utf-8",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_subject_begins_no_other_header() {
        let text = written("Welcome\r\nBcc: eve@example.com\r\n\r\nbody\u{0}\u{85}");
        assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
        assert!(text.contains("Subject: Welcome Bcc: eve@example.com body\r\n"), "{text}");
    }

    #[test]
    fn an_address_that_is_none_is_never_sent_to() {
        for bad in ["nobody", "a@b\r\nBcc: c@d", "a@b>", ""] {
            assert!(matches!(server(25).write(&mail(bad, "x")), Err(SendError::Never(_))), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_or_says_nothing_is_tried_later() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = silent.local_addr().expect("an address").port();
        let said = server(port).send(&mail("ada@example.com", "x")).await;
        assert!(matches!(&said, Err(SendError::Later(told)) if told.contains("within")), "{said:?}");
        drop(silent);
        let said = server(port).send(&mail("ada@example.com", "x")).await;
        assert!(matches!(&said, Err(SendError::Later(told)) if told.contains("refused")), "{said:?}");
    }
}
