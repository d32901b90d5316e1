//! What a use case can answer instead of its result. One table in `web` maps it to problem details, the gateway's shape
//! and pages.
//!
//! Which to use where: a fact about the caller's rights is one of the first group, a wrong value is [`AppError::Invalid`]
//! with the field, a plan's rule is a denial with all the facts to act on, and everything that is our trouble comes from
//! storage and is answered 503 or 500.

use std::fmt;

use domain::ids::EventId;
use domain::ledger::{Denial, DenialReason, LimitState, Refusal};
use domain::name::Name;
use domain::plain::Plain;
use domain::quantity::write_amount;
use providers::stripe::StripeError;
use storage::StorageError;
use storage::ledger::LedgerError;

use crate::App;

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("A valid API key or access token is required: send it as `Authorization: Bearer …`.")]
    Unauthenticated,
    #[error("This needs a service key; an account's own key cannot do it.")]
    ServiceKeyRequired,
    /// What only people do was asked for with a key.
    #[error("This is done by somebody who is signed in, not by an API key.")]
    SignInRequired,
    /// What only keys do was asked for by a person.
    #[error("This needs an API key; a signed-in person cannot do it.")]
    KeyRequired,
    #[error("This needs the role {needed} in the account.")]
    InsufficientRole { needed: domain::permissions::Role },
    #[error("Verify your email address first: follow the link that was mailed to you, or ask for a new one.")]
    EmailUnverified,
    #[error("Sign in again first: this change asks that you have proved who you are a short time ago.")]
    RecentSignInRequired,
    /// Whatever was wrong: which part is not told.
    #[error("The login or the password is wrong.")]
    SignInFailed,
    /// The password was right; what goes on at `auth/login/totp` takes the challenge.
    #[error("Enter the code of your authenticator app.")]
    SecondFactorRequired { challenge: String, expires_at: domain::time::Timestamp },
    #[error("{name} did not sign you in. Try again.")]
    ProviderRefused { name: String },
    #[error("The provider does not say that your email address is verified. Verify it there first, or sign up here.")]
    EmailNotVerifiedThere,
    #[error("The code is wrong, or it was used before. Wait for the next one.")]
    CodeWrong,
    #[error("A second factor is set up already. Take it away first.")]
    TotpEnabled,
    #[error("The password is wrong.")]
    PasswordWrong,
    #[error("This session is over. Sign in again.")]
    SessionOver,
    #[error("This link is not good any more: it was used, or its time is over. Ask for a new one.")]
    LinkInvalid,
    #[error("This server takes no registrations. Ask for an invitation.")]
    RegistrationClosed,
    #[error("An account with this email address exists. Sign in, or set a new password.")]
    EmailTaken,
    #[error("An account needs an owner: make another member the owner first.")]
    LastOwner,
    #[error("You own {most} accounts already; close one, or make somebody else the owner of one.")]
    TooManyAccounts { most: i64 },
    #[error("Somebody with this address belongs to the account already.")]
    AlreadyMember,
    #[error("This invitation was sent to another address. Sign in with that one, or ask to be invited by yours.")]
    InvitationForOther,
    #[error("This invitation is not open any more. Invite the address again.")]
    InvitationOver,
    #[error("This key lacks the scope {scope}.")]
    InsufficientScope { scope: &'static str },
    #[error("No account of this name exists, or this key may not act for it.")]
    AccountUnknown,
    #[error("A service key acts for many accounts: name one with `account` or `external_id`.")]
    AccountNotNamed,
    /// Something else that was named does not exist. `what` is a word such as `plan`, `event`, `reservation`.
    #[error("No {what} called {name} exists.")]
    NotFound { what: &'static str, name: String },
    /// A field's value cannot be used; `message` is a sentence that says what would be right.
    #[error("{message}")]
    Invalid { field: String, message: String },
    /// Only what was given up can be retried. `what` is a word such as `job`, `mail`.
    #[error("This {what} was not given up; only one that is `failed` can be retried.")]
    NotFailed { what: &'static str },
    #[error("The value {value} is taken.")]
    Taken { field: &'static str, value: String },

    /// A quota, a suspension or a missing subscription.
    #[error("{0}")]
    Denied(Box<Denied>),
    /// The plan does not include a feature or a model.
    #[error("The plan {} does not include {feature}.", plan.as_ref().map_or("none", Name::as_str))]
    FeatureNotInPlan { feature: String, plan: Option<Name>, suggested_plan: Option<Name>, model: bool },
    #[error(
        "Too many requests: {requests} per {window_seconds} s are allowed for {scope}. Try again in {retry_after_seconds} s."
    )]
    RateLimited { scope: Name, requests: u32, window_seconds: u32, retry_after_seconds: u64 },
    #[error("The model {0} has no price and the catalog refuses models it does not know.")]
    ModelUnknown(Name),

    /// The ledger cannot do what was asked.
    #[error("{0}.")]
    Refused(#[from] Refusal),
    /// The idempotency key was used before with another body.
    #[error("This idempotency key was used before with other content. Send a new key for a new request.")]
    KeyReused { event: Option<EventId> },
    /// A request with the same idempotency key is running right now.
    #[error("A request with this idempotency key is still running. Try again in a moment.")]
    StillRunning,

    /// Waited past its deadline and was not applied.
    #[error("The server is busy and did not get to this request. It was not applied; try again.")]
    TooLate,
    /// Prepared by terms that the account has no more, and not applied. Use cases try again with the new ones.
    #[error("The account's plan changed in the same moment. Nothing was applied; try again.")]
    TermsChanged,
    /// Whoever people sign in by, or whose tokens are taken, could not be asked. Why is for the log.
    #[error("The sign-in provider cannot be reached right now. Nothing was done; try again in a moment.")]
    SignInProviderUnavailable,

    /// There is no key to Stripe, or no secret to check its webhooks by.
    #[error("This server cannot sell plans: its connection to Stripe is not set up whole.")]
    SellingNotSetUp,
    /// `reason` is a sentence.
    #[error("{reason}")]
    PlanNotSold { plan: Name, reason: String },
    #[error("The account has a subscription already. Change that one, or cancel it first.")]
    AlreadySubscribed,
    #[error("The account has no subscription that this could be done with. Buy a plan first.")]
    NotSubscribed,
    #[error("There is nothing to change: it is so already.")]
    NothingToChange,
    /// The bank or card said no, in words for the customer.
    #[error("The payment failed: {message}")]
    PaymentFailed { code: String, message: String },
    /// What came to the webhook's address is not Stripe's, or not whole. `reason` is a sentence.
    #[error("The event was not taken. {reason}")]
    EventRefused { reason: String },
    /// Stripe refused what it was asked, and asking again changes nothing. Why is a sentence.
    #[error("Stripe refused it: {0}")]
    BillingRefused(String),
    /// Stripe could not be asked, or what it did is not known. Why is for the log.
    #[error("Stripe cannot be reached right now. Try again in a moment; nothing is done twice.")]
    BillingUnavailable(String),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<StripeError> for AppError {
    fn from(error: StripeError) -> Self {
        match error {
            StripeError::Declined { code, decline_code, message } => {
                Self::PaymentFailed { code: decline_code.unwrap_or(code), message }
            }
            StripeError::Invalid { message, .. } => Self::BillingRefused(message),
            StripeError::NotFound { what } => Self::BillingRefused(what),
            StripeError::KeyReused => Self::BillingRefused("the same thing was asked for with other content".into()),
            other @ (StripeError::Unauthorized | StripeError::RateLimited | StripeError::Unavailable(_)) => {
                tracing::warn!(error = %other, "Stripe did not do what it was asked");
                Self::BillingUnavailable(other.to_string())
            }
        }
    }
}

/// A denial with what the caller can do about it.
#[derive(Debug, Clone)]
pub struct Denied {
    pub denial: Denial,
    pub plan: Option<Name>,
    pub suggested_plan: Option<Name>,
    /// Where to get more. `None`: the account is suspended, and more would not help.
    pub upgrade_url: Option<String>,
    /// When it was judged.
    pub at: domain::time::Timestamp,
}

impl Denied {
    pub fn new(app: &App, denial: Denial, plan: Option<Name>, suggested_plan: Option<Name>) -> Self {
        let is_suspended = denial.reason == DenialReason::AccountSuspended;
        let upgrade_url = (!is_suspended).then(|| app.settings.upgrade_url(suggested_plan.as_ref()));
        Self { denial, plan, suggested_plan, upgrade_url, at: app.now() }
    }
}

impl AppError {
    /// The stable name of an error, the same in every shape it is told in.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::ServiceKeyRequired => "service_key_required",
            Self::SignInRequired => "sign_in_required",
            Self::KeyRequired => "key_required",
            Self::InsufficientRole { .. } => "insufficient_role",
            Self::EmailUnverified => "email_unverified",
            Self::RecentSignInRequired => "recent_sign_in_required",
            Self::SignInFailed => "sign_in_failed",
            Self::SecondFactorRequired { .. } => "totp_required",
            Self::ProviderRefused { .. } => "provider_refused",
            Self::EmailNotVerifiedThere => "email_not_verified_there",
            Self::CodeWrong => "code_wrong",
            Self::TotpEnabled => "totp_enabled",
            Self::PasswordWrong => "password_wrong",
            Self::SessionOver => "session_over",
            Self::LinkInvalid => "link_invalid",
            Self::RegistrationClosed => "registration_closed",
            Self::EmailTaken => "email_taken",
            Self::LastOwner => "last_owner",
            Self::TooManyAccounts { .. } => "too_many_accounts",
            Self::AlreadyMember => "already_member",
            Self::InvitationForOther => "invitation_for_other",
            Self::InvitationOver => "invitation_over",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::AccountUnknown => "account_unknown",
            Self::AccountNotNamed => "account_not_named",
            Self::NotFound { .. } => "not_found",
            Self::Invalid { .. } => "invalid_request",
            Self::NotFailed { .. } => "not_failed",
            Self::Taken { .. } => "taken",
            Self::Denied(denied) => match denied.denial.reason {
                DenialReason::QuotaExceeded => "quota_exceeded",
                DenialReason::AccountSuspended => "account_suspended",
                DenialReason::SubscriptionRequired => "subscription_required",
            },
            Self::FeatureNotInPlan { model: true, .. } => "model_not_allowed",
            Self::FeatureNotInPlan { .. } => "feature_not_in_plan",
            Self::RateLimited { .. } => "rate_limited",
            Self::ModelUnknown(_) => "model_unknown",
            Self::Refused(refusal) => refusal_code(refusal),
            Self::KeyReused { .. } => "idempotency_key_reused",
            Self::StillRunning => "idempotency_still_running",
            Self::TooLate | Self::TermsChanged => "too_late",
            Self::SignInProviderUnavailable => "sign_in_provider_unavailable",
            Self::SellingNotSetUp => "selling_not_set_up",
            Self::PlanNotSold { .. } => "plan_not_sold",
            Self::AlreadySubscribed => "already_subscribed",
            Self::NotSubscribed => "not_subscribed",
            Self::NothingToChange => "nothing_to_change",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::EventRefused { .. } => "event_refused",
            Self::BillingRefused(_) => "billing_refused",
            Self::BillingUnavailable(_) => "billing_unavailable",
            Self::Storage(StorageError::Busy) => "busy",
            Self::Storage(StorageError::Unavailable(_)) => "unavailable",
            Self::Storage(StorageError::OutcomeUnknown) => "outcome_unknown",
            Self::Storage(_) => "internal",
        }
    }

    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }
}

impl From<LedgerError> for AppError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::AccountUnknown => Self::AccountUnknown,
            LedgerError::TooLate => Self::TooLate,
            LedgerError::TermsChanged => Self::TermsChanged,
            LedgerError::Storage(error) => Self::Storage(error),
        }
    }
}

fn refusal_code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::MeterUnknown(_) => "meter_unknown",
        Refusal::NegativeQuantity(_) => "quantity_negative",
        Refusal::NotALevel(_) => "not_a_level",
        Refusal::LevelBelowZero(_) => "level_below_zero",
        Refusal::TooLarge(_) => "amount_too_large",
        Refusal::ReservationUnknown => "reservation_unknown",
        Refusal::ReservationReleased => "reservation_released",
        Refusal::ReservationCommitted => "reservation_committed",
        Refusal::AlreadyReversed(_) => "already_reversed",
        Refusal::NotReversible => "not_reversible",
        Refusal::TooOld => "time_too_old",
        Refusal::InTheFuture => "time_in_future",
    }
}

impl Denied {
    /// Writes what callers are told. In parts, since it is told more often than all other errors.
    pub fn write_sentence(&self, text: &mut impl fmt::Write) -> fmt::Result {
        match (self.denial.reason, &self.denial.limit) {
            (DenialReason::AccountSuspended, _) => text.write_str("This account is suspended."),
            (DenialReason::SubscriptionRequired, _) => text.write_str("This account has no plan; choose one to go on."),
            (DenialReason::QuotaExceeded, Some(limit)) => self.write_limit(text, limit),
            (DenialReason::QuotaExceeded, None) => text.write_str("The quota is used up."),
        }
    }

    /// A quota that has something left is too small for this request, not for the next one.
    fn write_limit(&self, text: &mut impl fmt::Write, limit: &LimitState) -> fmt::Result {
        let left = limit.remaining().filter(|left| *left > 0);
        text.write_str("The ")?;
        text.write_str(limit.meter.as_str())?;
        text.write_str(if limit.resets_at.is_some() { " quota " } else { " limit " })?;
        match left {
            Some(left) => {
                text.write_str("has ")?;
                write_amount(text, limit.meter.as_str(), left)?;
                text.write_str(" left")?;
            }
            None => text.write_str(if limit.resets_at.is_some() { "is used up" } else { "is reached" })?,
        }
        if let Some(resets_at) = limit.resets_at {
            text.write_str(" until ")?;
            resets_at.write_to(text)?;
        }
        if left.is_some() {
            text.write_str(", and this asked for ")?;
            write_amount(text, limit.meter.as_str(), self.denial.requested)?;
        }
        text.write_str(".")
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)
    }
}

#[cfg(test)]
mod tests {
    use domain::catalog::{COST_METER, LimitScope, Past};
    use domain::time::Timestamp;
    use domain::windows::WindowKind;

    use super::*;

    fn told(meter: &str, (limit, used, requested): (i64, i64, i64), resets_at: Option<Timestamp>) -> String {
        let limit = LimitState {
            meter: Name::new(meter),
            scope: LimitScope::Account,
            scope_id: None,
            window: WindowKind::Day,
            start: Timestamp::EPOCH,
            resets_at,
            limit: Some(limit),
            used,
            reserved: 0,
            credited: 0,
            credits_left: 0,
            past: Past::Block,
            observed_only: false,
            denied_status: 429,
            warning_percent: None,
        };
        let denial = Denial { reason: DenialReason::QuotaExceeded, requested, limit: Some(limit) };
        let (plan, suggested_plan, upgrade_url) = (None, None, None);
        Denied { denial, plan, suggested_plan, upgrade_url, at: Timestamp::EPOCH }.to_string()
    }

    #[test]
    fn what_is_used_up_is_told_from_what_asks_for_more_than_is_left() {
        let day = Some(Timestamp::from_seconds(86_400));
        for (told, expected) in [
            (told("pages", (10, 10, 1), day), "The pages quota is used up until 1970-01-02T00:00:00Z."),
            (told("seats", (10, 11, 1), None), "The seats limit is reached."),
            (
                told("pages", (10_000_000, 9_750_000, 4_000_000), day),
                "The pages quota has 0.25 left until 1970-01-02T00:00:00Z, and this asked for 4.",
            ),
            (
                told(COST_METER, (5_000_000_000, 4_999_000_000, 2_500_000), None),
                "The cost limit has 0.001 left, and this asked for 0.0025.",
            ),
        ] {
            assert_eq!(told, expected);
        }
    }
}
