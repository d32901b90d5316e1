//! The settings `mail.…` as one mail server.

use std::collections::BTreeMap;
use std::time::Duration;

use providers::mail::{MailTls, SmtpSettings};
use providers::secret::SecretText;

use super::Found;

/// Tells of settings that make sense only together.
pub(super) fn check(found: &BTreeMap<&'static str, Found>, mistakes: &mut Vec<String>) {
    let given = |name: &str| found.get(name).filter(|found| !found.text.is_empty());
    if let Some(host) = given("mail.smtp_host")
        && given("mail.from").is_none()
    {
        mistakes.push(format!("{}: with mail.smtp_host, mail.from says whom mails come from; set it too", host.place));
    }
    for (name, needed) in [("mail.smtp_user", "mail.smtp_password"), ("mail.smtp_password", "mail.smtp_user")] {
        if let Some(given_one) = given(name).filter(|_| given(needed).is_none()) {
            mistakes.push(format!("{}: {name} is set without {needed}; set both or neither", given_one.place));
        }
    }
}

/// The mail server of checked settings, if they name one. `text` gives a setting's text.
pub(super) fn settings(text: impl Fn(&str) -> String) -> Option<SmtpSettings> {
    let not_empty = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
    Some(SmtpSettings {
        host: not_empty("mail.smtp_host")?,
        port: text("mail.smtp_port").parse().ok().filter(|port| *port > 0),
        tls: match text("mail.tls").as_str() {
            "starttls" => Some(MailTls::StartTls),
            "tls" => Some(MailTls::Tls),
            "none" => Some(MailTls::None),
            _ => None,
        },
        user: not_empty("mail.smtp_user"),
        password: SecretText::new(text("mail.smtp_password")),
        from: text("mail.from"),
        timeout: Duration::from_secs(text("mail.timeout_seconds").parse().unwrap_or(30)),
    })
}
