//! The words of each mail, and how they are written out: as plain text and as HTML, both from the same letter.

use askama::Template;

use super::billing_letter;
use super::content::{Link, Mail};
use crate::AppError;

/// The longest that a name chosen by people is shown, in characters.
const LONGEST_NAME: usize = 80;

/// What a letter says of its sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sender {
    pub product: String,
    pub public_url: String,
}

/// A mail, written out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct WrittenOut {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// What every mail is made of, in the order it is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Letter {
    subject: String,
    greeting: String,
    before: Vec<String>,
    actions: Vec<Action>,
    after: Vec<String>,
}

/// Something to follow. The first of a letter is the one that is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Action {
    label: String,
    url: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct TextLetter<'l> {
    letter: &'l Letter,
    sender: &'l Sender,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct HtmlLetter<'l> {
    letter: &'l Letter,
    sender: &'l Sender,
}

/// Writes a mail out in both forms.
pub(super) fn write_out(mail: &Mail, sender: &Sender) -> Result<WrittenOut, AppError> {
    let sender = &Sender { product: name_of(&sender.product), public_url: sender.public_url.clone() };
    let letter = &words(mail, &sender.product);
    let failed = |error: askama::Error| storage::StorageError::Unexpected(format!("a mail cannot be written: {error}"));
    Ok(WrittenOut {
        subject: letter.subject.clone(),
        text: TextLetter { letter, sender }.render().map_err(failed)?,
        html: HtmlLetter { letter, sender }.render().map_err(failed)?,
    })
}

fn words(mail: &Mail, product: &str) -> Letter {
    match mail {
        Mail::VerifyEmail { name, link } => Letter::to(name, format!("Confirm your email address for {product}"))
            .say(format!("Please confirm that this is your email address, so that you can use {product}."))
            .follow("Confirm email address", link)
            .then("If you did not sign up, you need do nothing: without the link the address is not used."),
        Mail::RegistrationAttempt { name, link } => Letter::to(name, format!("You already have an account at {product}"))
            .say(format!("Somebody, perhaps you, tried to register at {product} with this email address. You have an account already, and nothing about it has changed."))
            .say("If it was you and you have forgotten your password, you can set a new one.")
            .follow("Set a new password", link)
            .then("If it was not you, you need do nothing."),
        Mail::ResetPassword { name, link } => Letter::to(name, format!("Set a new password for {product}"))
            .say(format!("Somebody, perhaps you, asked for a new password for your account at {product}."))
            .follow("Set a new password", link)
            .then("The link works once. If you did not ask for it, you need do nothing: your password stays as it is."),
        Mail::PasswordChanged { name } => Letter::to(name, format!("Your password for {product} was changed"))
            .say(format!("The password of your account at {product} was changed. Other devices were signed out."))
            .then("If it was not you, set a new password at once and look at the devices that are signed in."),
        Mail::ConfirmNewEmail { name, link } => Letter::to(name, format!("Confirm your new email address for {product}"))
            .say(format!("Please confirm that your account at {product} should use this email address from now on."))
            .follow("Confirm new address", link)
            .then("If you did not ask for this, you need do nothing: without the link the address is not used."),
        Mail::EmailChanged { name, new_email_masked } => Letter::to(name, format!("Your email address for {product} was changed"))
            .say(format!("Your account at {product} now uses the address {}. Mails no longer come here.", name_of(new_email_masked)))
            .then("If it was not you, write to us at once."),
        Mail::TwoFactorEnabled { name } => Letter::to(name, format!("Two-factor authentication is on for {product}"))
            .say(format!("Signing in to your account at {product} now asks for a code from your authenticator app. Keep your recovery codes in a safe place."))
            .then("If it was not you, set a new password at once and write to us."),
        Mail::TwoFactorDisabled { name } => Letter::to(name, format!("Two-factor authentication is off for {product}"))
            .say(format!("Signing in to your account at {product} no longer asks for a code from your authenticator app."))
            .then("If it was not you, set a new password at once and turn it on again."),
        Mail::RecoveryCodeUsed { name, left } => Letter::to(name, format!("A recovery code was used at {product}"))
            .say(format!("Somebody signed in to your account at {product} with one of your recovery codes. {}", codes_left(*left)))
            .then("If it was not you, set a new password at once and make new recovery codes."),
        Mail::AccountDeleted { name } => Letter::to(name, format!("Your account at {product} was deleted"))
            .say(format!("Your account at {product} was deleted, as you asked. Thank you for having been with us."))
            .then("This is the last mail about it."),
        Mail::Invitation { .. } | Mail::UsageThreshold { .. } | Mail::Test => words_to_accounts(mail, product),
        billing => billing_letter::words(billing, product),
    }
}

/// The mails that greet nobody by name.
fn words_to_accounts(mail: &Mail, product: &str) -> Letter {
    match mail {
        Mail::Invitation { account_name, inviter, role, link } => {
            let (account, inviter, role) = (name_of(account_name), name_of(inviter), name_of(role));
            Letter::to("", format!("{inviter} invites you to {account} at {product}"))
                .say(format!("{inviter} invites you to join {account} at {product}, with the role {role}."))
                .follow("Accept the invitation", link)
                .then("If you do not know them, you need do nothing.")
        }
        Mail::UsageThreshold {
            account_name,
            meter,
            percent,
            used,
            limit,
            resets_at,
            usage_link,
            upgrade_link,
            suggested_plan,
        } => {
            let usage = Action { label: "See your usage".into(), url: usage_link.clone() };
            let upgrade = suggested_plan
                .as_ref()
                .map(|plan| Action { label: format!("See the plan {}", name_of(plan)), url: upgrade_link.clone() });
            let letter = Letter::to("", format!("{percent} % of your {} at {product} are used", name_of(meter)))
                .say(format!(
                    "{} has used {used} of {limit} and so reached {percent} % of what the plan includes.",
                    name_of(account_name)
                ))
                .say(match resets_at {
                    Some(at) => format!("Counting starts again on {}.", at.for_people()),
                    None => {
                        "This limit does not start again by itself: what is used counts until it is given back.".into()
                    }
                });
            Letter { actions: [usage].into_iter().chain(upgrade).collect(), ..letter }
        }
        _ => Letter::to("", format!("A test mail from {product}"))
            .say("The mail server takes mails, and this one has arrived.")
            .then("It was sent by `tollway mail test`."),
    }
}

fn codes_left(left: u32) -> String {
    match left {
        0 => "None is left: make new ones, or you cannot sign in without your authenticator app.".into(),
        1 => "One is left.".into(),
        left => format!("{left} are left."),
    }
}

impl Letter {
    pub(super) fn to(name: &str, subject: String) -> Self {
        let name = name_of(name);
        let greeting = if name.is_empty() { "Hello,".into() } else { format!("Hello {name},") };
        Self { subject, greeting, before: Vec::new(), actions: Vec::new(), after: Vec::new() }
    }

    pub(super) fn say(mut self, sentence: impl Into<String>) -> Self {
        self.before.push(sentence.into());
        self
    }

    fn follow(mut self, label: &str, link: &Link) -> Self {
        if link.url.is_empty() {
            self.after.push("The link was taken out of this copy when the mail had been sent.".into());
        } else {
            self.actions.push(Action { label: label.into(), url: link.url.clone() });
        }
        if let Some(until) = link.good_until {
            self.after.push(format!("The link is good until {}.", until.for_people()));
        }
        self
    }

    /// A link that holds no secret of ours.
    pub(super) fn see(mut self, label: &str, url: &str) -> Self {
        self.actions.push(Action { label: label.into(), url: url.to_owned() });
        self
    }

    pub(super) fn then(mut self, sentence: &str) -> Self {
        self.after.push(sentence.into());
        self
    }
}

/// A name that people chose, made fit for a letter in our name: on one line, not long, and no address that a mail program
/// would turn into a link.
pub(super) fn name_of(text: &str) -> String {
    let words: Vec<&str> = text.split(|letter: char| letter.is_control() || letter.is_whitespace()).collect();
    let one_line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let shown: String = one_line.chars().take(LONGEST_NAME).collect();
    shown.replace("://", ": //")
}

#[cfg(test)]
mod tests {
    use super::super::content::samples;
    use super::*;

    fn sender() -> Sender {
        Sender { product: "Acme Chat".into(), public_url: "https://pay.example.com".into() }
    }

    #[test]
    fn every_mail_is_worded_as_kept() {
        for (name, mail) in samples::all() {
            let WrittenOut { subject, text, html } = write_out(&mail, &sender()).expect("it can be written");
            insta::assert_snapshot!(format!("{name}.txt"), format!("Subject: {subject}\n\n{text}"));
            insta::assert_snapshot!(format!("{name}.html"), html);
        }
    }

    #[test]
    fn both_forms_say_the_same_and_have_every_link() {
        for (name, mail) in samples::all() {
            let letter = words(&mail, "Acme Chat");
            let WrittenOut { text, html, .. } = write_out(&mail, &sender()).expect("it can be written");
            for action in &letter.actions {
                assert!(text.contains(&action.url), "{name}: {text}");
                assert!(html.contains(&format!("href=\"{}\"", action.url.replace('&', "&#38;"))), "{name}: {html}");
            }
            for sentence in letter.before.iter().chain(&letter.after) {
                assert!(text.contains(sentence), "{name}: {text}");
                let written = sentence.replace('<', "&#60;").replace('>', "&#62;");
                assert!(html.contains(&written), "{name}: {sentence} in {html}");
            }
            assert!(mail.good_until().is_none() || text.contains("good until 4 May 2026, 14:00 UTC"), "{name}: {text}");
            assert!(!html.contains("src="), "{name} loads something from elsewhere");
        }
    }

    #[test]
    fn names_are_harmless() {
        assert_eq!(name_of("Ada\r\nBcc: eve@example.com"), "Ada Bcc: eve@example.com");
        assert_eq!(name_of("  Win at https://evil.example "), "Win at https: //evil.example");
        assert_eq!(name_of(&"x".repeat(500)).len(), LONGEST_NAME);
        let mail = Mail::PasswordChanged { name: "<script>alert(1)</script>".into() };
        let written = write_out(&mail, &sender()).expect("it can be written");
        assert!(!written.html.contains("<script>"), "{}", written.html);
    }

    #[test]
    fn a_copy_without_its_link_says_so() {
        for (name, mail) in samples::all() {
            let had_link = mail.secret_link().is_some();
            let written = write_out(&mail.without_secrets(), &sender()).expect("it can be written");
            assert_eq!(written.text.contains("was taken out of this copy"), had_link, "{name}");
        }
    }
}
