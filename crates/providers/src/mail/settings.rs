//! Where mails go out, as the operator says it.

use std::net::IpAddr;
use std::time::Duration;

use lettre::message::Mailbox;

use crate::secret::SecretText;

/// One SMTP server.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// A name or an address.
    pub host: String,
    /// `None`: the usual one, 587 for STARTTLS, 465 for TLS, 25 for neither.
    pub port: Option<u16>,
    /// `None`: STARTTLS, or nothing where the server is this machine.
    pub tls: Option<MailTls>,
    pub user: Option<String>,
    pub password: SecretText,
    /// Whom mails come from: `billing@example.com`, or with a name, `Acme <billing@example.com>`.
    pub from: String,
    /// How long handing over one mail may take, from connecting on.
    pub timeout: Duration,
}

/// How the connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailTls {
    /// Not at all.
    None,
    /// It begins in the clear and must change to TLS before anything is told.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

impl SmtpSettings {
    /// What holds, after what was left open is filled in.
    pub fn tls(&self) -> MailTls {
        match self.tls {
            Some(tls) => tls,
            None if is_this_machine(&self.host) => MailTls::None,
            None => MailTls::StartTls,
        }
    }

    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls() {
            MailTls::None => 25,
            MailTls::StartTls => 587,
            MailTls::Tls => 465,
        })
    }

    /// Whether mails, and the password, travel unencrypted over a network.
    pub fn is_in_the_clear(&self) -> bool {
        self.tls() == MailTls::None && !is_this_machine(&self.host)
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a text can be whom mails come from.
pub fn is_sender(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// What is wrong with the settings.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{0:?} is no sender; write an address such as `Acme <billing@example.com>`")]
    Sender(String),
    #[error("TLS to {host} cannot be prepared: {cause}")]
    Tls { host: String, cause: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(host: &str, tls: Option<MailTls>) -> SmtpSettings {
        SmtpSettings {
            host: host.into(),
            port: None,
            tls,
            user: None,
            password: SecretText::new(""),
            from: "a@example.com".into(),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear_unless_it_is_said() {
        let cases = [
            ("localhost", None, MailTls::None, 25, false),
            ("127.0.0.1", None, MailTls::None, 25, false),
            ("::1", None, MailTls::None, 25, false),
            ("smtp.example.com", None, MailTls::StartTls, 587, false),
            ("10.0.0.1", None, MailTls::StartTls, 587, false),
            ("smtp.example.com", Some(MailTls::None), MailTls::None, 25, true),
            ("smtp.example.com", Some(MailTls::Tls), MailTls::Tls, 465, false),
            ("localhost", Some(MailTls::Tls), MailTls::Tls, 465, false),
        ];
        for (host, told, tls, port, in_the_clear) in cases {
            let settings = settings(host, told);
            assert_eq!(
                (settings.tls(), settings.port(), settings.is_in_the_clear()),
                (tls, port, in_the_clear),
                "{host}"
            );
        }
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for good in ["billing@example.com", "Acme <billing@example.com>", "\"Acme, Inc.\" <billing@example.com>"] {
            assert!(is_sender(good), "{good}");
        }
        for bad in ["", "Acme", "billing@", "a@b.c\r\nBcc: d@e.f", "<billing@example.com"] {
            assert!(!is_sender(bad), "{bad}");
        }
    }
}
