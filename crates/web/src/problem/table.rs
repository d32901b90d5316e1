//! Every code there is, with its status and title. One table for problem details; the documents list it too.

/// What is always the same about a code.
#[derive(Debug)]
pub struct Entry {
    pub code: &'static str,
    /// HTTP status. A quota's own may differ.
    pub status: u16,
    pub title: &'static str,
    pub retry_after_seconds: Option<u32>,
    /// Told instead of the error's own sentence, where that would tell of our inside.
    pub instead: Option<&'static str>,
}

const fn entry_of(code: &'static str, status: u16, title: &'static str) -> Entry {
    Entry { code, status, title, retry_after_seconds: None, instead: None }
}

const fn later(code: &'static str, status: u16, title: &'static str, retry_after_seconds: u32) -> Entry {
    Entry { code, status, title, retry_after_seconds: Some(retry_after_seconds), instead: None }
}

/// Trouble of ours: what is told of it, and nothing else.
const fn ours(entry: Entry, instead: &'static str) -> Entry {
    Entry { instead: Some(instead), ..entry }
}

const INTERNAL: Entry = ours(
    entry_of("internal", 500, "Internal error"),
    "Something went wrong on our side. It has been logged under this request's id.",
);

pub const TABLE: &[Entry] = &[
    entry_of("unauthenticated", 401, "Authentication required"),
    entry_of("service_key_required", 403, "Service key required"),
    entry_of("insufficient_scope", 403, "Insufficient scope"),
    entry_of("sign_in_required", 403, "Sign-in required"),
    entry_of("key_required", 403, "API key required"),
    entry_of("insufficient_role", 403, "Insufficient role"),
    entry_of("email_unverified", 403, "Email unverified"),
    entry_of("recent_sign_in_required", 403, "Recent sign-in required"),
    entry_of("sign_in_failed", 401, "Sign-in failed"),
    entry_of("totp_required", 401, "Second factor required"),
    entry_of("provider_refused", 401, "Not signed in by the provider"),
    entry_of("email_not_verified_there", 403, "Email not verified by the provider"),
    entry_of("code_wrong", 403, "Code wrong"),
    entry_of("totp_enabled", 409, "Second factor set up"),
    entry_of("password_wrong", 403, "Password wrong"),
    entry_of("session_over", 401, "Session over"),
    entry_of("link_invalid", 410, "Link not good any more"),
    entry_of("registration_closed", 403, "Registration closed"),
    entry_of("email_taken", 409, "Email taken"),
    entry_of("last_owner", 409, "Last owner"),
    entry_of("too_many_accounts", 409, "Too many accounts"),
    entry_of("already_member", 409, "Member already"),
    entry_of("invitation_for_other", 403, "Invitation for somebody else"),
    entry_of("invitation_over", 409, "Invitation over"),
    entry_of("cross_site", 403, "Request from another site"),
    entry_of("account_unknown", 404, "Account unknown"),
    entry_of("account_not_named", 400, "Account not named"),
    entry_of("account_named_twice", 400, "Account named twice"),
    entry_of("not_found", 404, "Not found"),
    entry_of("no_such_route", 404, "No such address"),
    entry_of("method_not_allowed", 405, "Method not allowed"),
    entry_of("invalid_request", 422, "Invalid request"),
    entry_of("body_too_large", 413, "Body too large"),
    entry_of("body_too_slow", 408, "Body too slow"),
    entry_of("unsupported_media_type", 415, "Unsupported media type"),
    entry_of("invalid_header", 400, "Invalid header"),
    entry_of("not_failed", 409, "Not failed"),
    entry_of("taken", 409, "Already taken"),
    entry_of("quota_exceeded", 429, "Quota exceeded"),
    entry_of("account_suspended", 403, "Account suspended"),
    entry_of("subscription_required", 402, "Subscription required"),
    entry_of("feature_not_in_plan", 403, "Feature not in plan"),
    entry_of("model_not_allowed", 403, "Model not allowed"),
    entry_of("rate_limited", 429, "Too many requests"),
    entry_of("model_unknown", 422, "Model unknown"),
    entry_of("meter_unknown", 422, "Meter unknown"),
    entry_of("quantity_negative", 422, "Negative quantity"),
    entry_of("not_a_level", 422, "Not a level"),
    entry_of("level_below_zero", 422, "Level below zero"),
    entry_of("amount_too_large", 422, "Amount too large"),
    entry_of("reservation_unknown", 404, "Reservation unknown"),
    entry_of("reservation_released", 409, "Reservation released"),
    entry_of("reservation_committed", 409, "Reservation committed"),
    entry_of("already_reversed", 409, "Already reversed"),
    entry_of("not_reversible", 409, "Not reversible"),
    entry_of("time_too_old", 422, "Time too old"),
    entry_of("time_in_future", 422, "Time in the future"),
    entry_of("idempotency_key_reused", 422, "Idempotency key reused"),
    entry_of("idempotency_key_mismatch", 400, "Idempotency key mismatch"),
    later("idempotency_still_running", 409, "Request still running", 1),
    ours(
        later("busy", 503, "Server busy", 1),
        "The server has more work waiting than it takes on. Nothing was done; try again in a moment.",
    ),
    later("too_late", 503, "Server busy", 1),
    entry_of("selling_not_set_up", 503, "Selling not set up"),
    entry_of("plan_not_sold", 422, "Plan not sold"),
    entry_of("already_subscribed", 409, "Subscribed already"),
    entry_of("not_subscribed", 409, "Not subscribed"),
    entry_of("nothing_to_change", 409, "Nothing to change"),
    entry_of("payment_failed", 402, "Payment failed"),
    entry_of("event_refused", 400, "Event refused"),
    entry_of("billing_refused", 409, "Refused by Stripe"),
    later("billing_unavailable", 503, "Stripe not available", 5),
    later("sign_in_provider_unavailable", 503, "Sign-in provider not available", 5),
    ours(
        later("unavailable", 503, "Database not available", 5),
        "The database is not available right now. Nothing was done; try again in a moment.",
    ),
    ours(
        later("outcome_unknown", 503, "Outcome unknown", 1),
        "It is not known whether the request was carried out. Send it again with the same idempotency key to find out.",
    ),
    INTERNAL,
];

/// What is known of a code. A code that the table lacks is a defect, answered like any other.
pub fn entry(code: &str) -> &'static Entry {
    TABLE.iter().find(|entry| entry.code == code).unwrap_or(&INTERNAL)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use app::AppError;
    use domain::ids::{AccountId, EventId};
    use domain::ledger::Refusal;
    use domain::name::Name;
    use domain::time::Timestamp;

    use super::*;
    use crate::problem::{EdgeError, Failure};

    #[test]
    fn every_code_stands_once_and_has_an_error_status() {
        let codes: BTreeSet<&str> = TABLE.iter().map(|entry| entry.code).collect();
        assert_eq!(codes.len(), TABLE.len());
        assert!(TABLE.iter().all(|entry| (400..=599).contains(&entry.status)));
        assert_eq!(entry("never heard of").code, "internal");
    }

    fn refusals() -> Vec<(Failure, u16)> {
        let name = || Name::new("x");
        let event = EventId::from_own(AccountId::from_bits(0), 0);
        [
            (Refusal::MeterUnknown(name()), 422),
            (Refusal::NegativeQuantity(name()), 422),
            (Refusal::NotALevel(name()), 422),
            (Refusal::LevelBelowZero(name()), 422),
            (Refusal::TooLarge(name()), 422),
            (Refusal::ReservationUnknown, 404),
            (Refusal::ReservationReleased, 409),
            (Refusal::ReservationCommitted, 409),
            (Refusal::AlreadyReversed(event), 409),
            (Refusal::NotReversible, 409),
            (Refusal::TooOld, 422),
            (Refusal::InTheFuture, 422),
        ]
        .into_iter()
        .map(|(refusal, status)| (AppError::from(refusal).into(), status))
        .collect()
    }

    fn errors() -> Vec<(Failure, u16)> {
        [
            (AppError::Unauthenticated, 401),
            (AppError::ServiceKeyRequired, 403),
            (AppError::InsufficientScope { scope: "usage:read" }, 403),
            (AppError::SignInRequired, 403),
            (AppError::KeyRequired, 403),
            (AppError::InsufficientRole { needed: domain::permissions::Role::Owner }, 403),
            (AppError::EmailUnverified, 403),
            (AppError::RecentSignInRequired, 403),
            (AppError::SignInFailed, 401),
            (AppError::SecondFactorRequired { challenge: "x".into(), expires_at: Timestamp::EPOCH }, 401),
            (AppError::ProviderRefused { name: "X".into() }, 401),
            (AppError::EmailNotVerifiedThere, 403),
            (AppError::CodeWrong, 403),
            (AppError::TotpEnabled, 409),
            (AppError::PasswordWrong, 403),
            (AppError::SessionOver, 401),
            (AppError::LinkInvalid, 410),
            (AppError::RegistrationClosed, 403),
            (AppError::EmailTaken, 409),
            (AppError::LastOwner, 409),
            (AppError::TooManyAccounts { most: 20 }, 409),
            (AppError::AlreadyMember, 409),
            (AppError::InvitationForOther, 403),
            (AppError::InvitationOver, 409),
            (AppError::AccountUnknown, 404),
            (AppError::AccountNotNamed, 400),
            (AppError::NotFound { what: "plan", name: "x".into() }, 404),
            (AppError::invalid("a", "b"), 422),
            (AppError::NotFailed { what: "job" }, 409),
            (AppError::Taken { field: "a", value: "b".into() }, 409),
            (AppError::ModelUnknown(Name::new("x")), 422),
            (AppError::SellingNotSetUp, 503),
            (AppError::PlanNotSold { plan: Name::new("x"), reason: "It is free.".into() }, 422),
            (AppError::AlreadySubscribed, 409),
            (AppError::NotSubscribed, 409),
            (AppError::NothingToChange, 409),
            (AppError::PaymentFailed { code: "x".into(), message: "Your card was declined.".into() }, 402),
            (AppError::EventRefused { reason: "It is not text.".into() }, 400),
            (AppError::BillingRefused("No such price.".into()), 409),
            (AppError::BillingUnavailable("x".into()), 503),
            (AppError::KeyReused { event: None }, 422),
            (AppError::StillRunning, 409),
            (AppError::TooLate, 503),
            (AppError::SignInProviderUnavailable, 503),
        ]
        .into_iter()
        .map(|(error, status)| (error.into(), status))
        .collect()
    }

    fn edges() -> Vec<(Failure, u16)> {
        [
            (EdgeError::MalformedJson("x".into()), 400),
            (EdgeError::BodyTooLarge { limit: 1 }, 413),
            (EdgeError::BodyTooSlow, 408),
            (EdgeError::MediaType { found: "x".into() }, 415),
            (EdgeError::Header { name: "X", problem: "is wrong".into() }, 400),
            (EdgeError::KeyMismatch, 400),
            (EdgeError::AccountNamedTwice, 400),
            (EdgeError::CrossSite, 403),
            (EdgeError::NoSuchRoute, 404),
            (EdgeError::MethodNotAllowed { method: "PUT".into() }, 405),
            (EdgeError::TookTooLong, 503),
            (EdgeError::Panicked, 500),
        ]
        .into_iter()
        .map(|(error, status)| (error.into(), status))
        .collect()
    }

    #[test]
    fn every_error_has_its_own_line() {
        for (failure, status) in refusals().into_iter().chain(errors()).chain(edges()) {
            assert_eq!(entry(failure.code()).code, failure.code());
            assert_eq!(failure.status().as_u16(), status, "{failure:?}");
            let sentence = failure.to_string();
            assert!(sentence.ends_with('.') || failure.code() == "invalid_request", "{sentence}");
            assert!(
                sentence.starts_with(|letter: char| letter.is_uppercase() || letter == 'b' || letter == 'x'),
                "{sentence}"
            );
        }
    }
}
