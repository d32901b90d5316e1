//! What there is to tell by mail: one variant a mail, each with its data. The words are in `letter`.

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A mail's content. Names and texts that people chose may hold anything; they are made harmless when it is written out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mail {
    VerifyEmail {
        name: String,
        link: Link,
    },
    /// To the owner of an address that somebody tried to register once more.
    RegistrationAttempt {
        name: String,
        /// Where a forgotten password is reset.
        link: Link,
    },
    ResetPassword {
        name: String,
        link: Link,
    },
    PasswordChanged {
        name: String,
    },
    /// To the new address.
    ConfirmNewEmail {
        name: String,
        link: Link,
    },
    /// To the old address.
    EmailChanged {
        name: String,
        /// So much of the new address as its owner recognises: `a…@example.com`.
        new_email_masked: String,
    },
    TwoFactorEnabled {
        name: String,
    },
    TwoFactorDisabled {
        name: String,
    },
    RecoveryCodeUsed {
        name: String,
        /// Codes that are left.
        left: u32,
    },
    AccountDeleted {
        name: String,
    },
    Invitation {
        account_name: String,
        inviter: String,
        role: String,
        link: Link,
    },
    UsageThreshold {
        account_name: String,
        /// As people read it: `requests`, `storage mb`.
        meter: String,
        percent: u8,
        /// `800`
        used: String,
        /// With the unit: `1,000 requests`.
        limit: String,
        /// `None`: it never resets.
        resets_at: Option<Timestamp>,
        usage_link: String,
        upgrade_link: String,
        /// The name of the plan that would hold more. `None`: no plan would.
        suggested_plan: Option<String>,
    },
    /// The plan that was bought holds.
    SubscriptionConfirmed {
        account_name: String,
        plan: String,
        /// `15.00 USD a month`
        price: String,
        renews_at: Timestamp,
        /// `None`: no trial.
        trial_ends_at: Option<Timestamp>,
        billing_link: String,
    },
    PaymentFailed {
        account_name: String,
        /// `15.00 USD`
        amount: String,
        /// `None`: it is not tried again by itself.
        next_attempt_at: Option<Timestamp>,
        pay_link: String,
    },
    /// The bank asks the customer to confirm a payment.
    PaymentActionRequired {
        account_name: String,
        amount: String,
        pay_link: String,
    },
    TrialEnding {
        account_name: String,
        plan: String,
        price: String,
        ends_at: Timestamp,
        billing_link: String,
    },
    /// It ends later.
    SubscriptionCanceled {
        account_name: String,
        plan: String,
        until: Timestamp,
        billing_link: String,
    },
    SubscriptionEnded {
        account_name: String,
        plan: String,
        billing_link: String,
    },
    Receipt {
        account_name: String,
        /// As it stands on the invoice.
        number: String,
        amount: String,
        link: String,
    },
    /// By which an operator tries the mail server.
    Test,
}

/// A link that lets whoever has it do something. It is as good as a password until it ends, and is not kept once the mail
/// is sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Empty once it was taken out.
    pub url: String,
    /// `None`: it does not end; then it holds no secret.
    pub good_until: Option<Timestamp>,
}

impl Mail {
    /// The stable name of a mail, as operators see it.
    pub fn kind(&self) -> &'static str {
        match self {
            Mail::VerifyEmail { .. } => "verify_email",
            Mail::RegistrationAttempt { .. } => "registration_attempt",
            Mail::ResetPassword { .. } => "reset_password",
            Mail::PasswordChanged { .. } => "password_changed",
            Mail::ConfirmNewEmail { .. } => "confirm_new_email",
            Mail::EmailChanged { .. } => "email_changed",
            Mail::TwoFactorEnabled { .. } => "two_factor_enabled",
            Mail::TwoFactorDisabled { .. } => "two_factor_disabled",
            Mail::RecoveryCodeUsed { .. } => "recovery_code_used",
            Mail::AccountDeleted { .. } => "account_deleted",
            Mail::Invitation { .. } => "invitation",
            Mail::UsageThreshold { .. } => "usage_threshold",
            Mail::SubscriptionConfirmed { .. } => "subscription_confirmed",
            Mail::PaymentFailed { .. } => "payment_failed",
            Mail::PaymentActionRequired { .. } => "payment_action_required",
            Mail::TrialEnding { .. } => "trial_ending",
            Mail::SubscriptionCanceled { .. } => "subscription_canceled",
            Mail::SubscriptionEnded { .. } => "subscription_ended",
            Mail::Receipt { .. } => "receipt",
            Mail::Test => "test",
        }
    }

    fn link(&self) -> Option<&Link> {
        match self {
            Mail::VerifyEmail { link, .. }
            | Mail::RegistrationAttempt { link, .. }
            | Mail::ResetPassword { link, .. }
            | Mail::ConfirmNewEmail { link, .. }
            | Mail::Invitation { link, .. } => Some(link),
            _ => None,
        }
    }

    /// The link that its reader is asked to follow, while it is kept.
    pub fn secret_link(&self) -> Option<&str> {
        self.link().map(|link| link.url.as_str()).filter(|url| !url.is_empty())
    }

    /// Until when it makes sense to send it. `None`: always.
    pub fn good_until(&self) -> Option<Timestamp> {
        self.link().and_then(|link| link.good_until)
    }

    /// The same without what lets its reader do something.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        if let Mail::VerifyEmail { link, .. }
        | Mail::RegistrationAttempt { link, .. }
        | Mail::ResetPassword { link, .. }
        | Mail::ConfirmNewEmail { link, .. }
        | Mail::Invitation { link, .. } = &mut self
        {
            link.url.clear();
        }
        self
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    fn link(path: &str) -> Link {
        let good_until = Timestamp::parse("2026-05-04T14:00:00Z");
        Link { url: format!("https://pay.example.com/{path}?token=tok_sample&next=%2F"), good_until }
    }

    fn warning(percent: u8, suggested_plan: Option<&str>) -> Mail {
        Mail::UsageThreshold {
            account_name: "Analytical Engines".into(),
            meter: "requests".into(),
            percent,
            used: if percent == 100 { "1,000".into() } else { "812".into() },
            limit: "1,000 requests".into(),
            resets_at: suggested_plan.and_then(|_| Timestamp::parse("2026-06-01T00:00:00Z")),
            usage_link: "https://pay.example.com/usage".into(),
            upgrade_link: "https://pay.example.com/pricing?plan=pro".into(),
            suggested_plan: suggested_plan.map(str::to_owned),
        }
    }

    fn billing() -> Vec<(&'static str, Mail)> {
        let account_name = || "Analytical Engines".to_owned();
        let (plan, price) = (|| "Pro".to_owned(), || "15.00 USD a month".to_owned());
        let amount = || "15.00 USD".to_owned();
        let billing_link = || "https://pay.example.com/billing".to_owned();
        let time = |text: &str| Timestamp::parse(text).expect("a valid time");
        let confirmed = |trial_ends_at| Mail::SubscriptionConfirmed {
            account_name: account_name(),
            plan: plan(),
            price: price(),
            renews_at: time("2026-06-04T14:00:00Z"),
            trial_ends_at,
            billing_link: billing_link(),
        };
        let failed = |next_attempt_at| Mail::PaymentFailed {
            account_name: account_name(),
            amount: amount(),
            next_attempt_at,
            pay_link: "https://invoice.example.com/i/1?s=a&b=c".into(),
        };
        vec![
            ("subscription_confirmed", confirmed(None)),
            ("subscription_confirmed_trial", confirmed(Some(time("2026-05-11T14:00:00Z")))),
            ("payment_failed", failed(Some(time("2026-05-07T14:00:00Z")))),
            ("payment_failed_last", failed(None)),
            (
                "payment_action_required",
                Mail::PaymentActionRequired {
                    account_name: account_name(),
                    amount: amount(),
                    pay_link: "https://invoice.example.com/i/1".into(),
                },
            ),
            (
                "trial_ending",
                Mail::TrialEnding {
                    account_name: account_name(),
                    plan: plan(),
                    price: price(),
                    ends_at: time("2026-05-11T14:00:00Z"),
                    billing_link: billing_link(),
                },
            ),
            (
                "subscription_canceled",
                Mail::SubscriptionCanceled {
                    account_name: account_name(),
                    plan: plan(),
                    until: time("2026-06-04T14:00:00Z"),
                    billing_link: billing_link(),
                },
            ),
            (
                "subscription_ended",
                Mail::SubscriptionEnded { account_name: account_name(), plan: plan(), billing_link: billing_link() },
            ),
            (
                "receipt",
                Mail::Receipt {
                    account_name: account_name(),
                    number: "A1B2C3-0001".into(),
                    amount: amount(),
                    link: "https://invoice.example.com/i/1".into(),
                },
            ),
        ]
    }

    /// Every mail, some in more than one form, each by the name of its snapshot.
    pub fn all() -> Vec<(&'static str, Mail)> {
        let name = || "Ada".to_owned();
        vec![
            ("verify_email", Mail::VerifyEmail { name: name(), link: link("verify-email") }),
            ("registration_attempt", Mail::RegistrationAttempt { name: name(), link: link("reset-password") }),
            ("reset_password", Mail::ResetPassword { name: name(), link: link("reset-password") }),
            ("password_changed", Mail::PasswordChanged { name: name() }),
            ("confirm_new_email", Mail::ConfirmNewEmail { name: name(), link: link("confirm-email") }),
            ("email_changed", Mail::EmailChanged { name: name(), new_email_masked: "a…@example.org".into() }),
            ("two_factor_enabled", Mail::TwoFactorEnabled { name: name() }),
            ("two_factor_disabled", Mail::TwoFactorDisabled { name: name() }),
            ("recovery_code_used", Mail::RecoveryCodeUsed { name: name(), left: 1 }),
            ("recovery_code_used_last", Mail::RecoveryCodeUsed { name: name(), left: 0 }),
            ("account_deleted", Mail::AccountDeleted { name: name() }),
            (
                "invitation",
                Mail::Invitation {
                    account_name: "Analytical <Engines>".into(),
                    inviter: "Ada".into(),
                    role: "member".into(),
                    link: link("invitations"),
                },
            ),
            ("usage_threshold", warning(80, Some("Pro"))),
            ("usage_threshold_reached", warning(100, None)),
            ("test", Mail::Test),
        ]
        .into_iter()
        .chain(billing())
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_left_in_what_is_kept() {
        for (name, mail) in samples::all() {
            let had_link = mail.secret_link().is_some();
            let kept = mail.clone().without_secrets();
            assert_eq!(kept.secret_link(), None, "{name}");
            assert!(!format!("{kept:?}").contains("tok_sample"), "{name}");
            assert_eq!(had_link, format!("{mail:?}").contains("tok_sample"), "{name}");
            assert_eq!((kept.kind(), kept.good_until()), (mail.kind(), mail.good_until()));
        }
    }
}
