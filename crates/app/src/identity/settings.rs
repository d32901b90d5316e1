//! What an operator decides about people: who may register, what a password is like, how long tokens are good for.

use super::password_rules::PasswordRules;
use super::passwords::PasswordCost;

#[derive(Clone, Debug)]
pub struct PeopleSettings {
    pub registration: Registration,
    pub unverified: Unverified,
    pub password: PasswordRules,
    pub password_cost: PasswordCost,
    pub access_token_seconds: i64,
    /// How long a session lives without being used.
    pub refresh_token_seconds: i64,
    /// How long after signing in a person may change what matters without proving who they are again.
    pub recent_sign_in_seconds: i64,
    pub verify_link_seconds: i64,
    pub reset_link_seconds: i64,
    pub invitation_seconds: i64,
    /// What access tokens name as their audience. `None`: the public URL.
    pub token_audience: Option<String>,
    /// Who registers by an invitation gets a personal account too.
    pub personal_account_for_invited: bool,
}

impl Default for PeopleSettings {
    fn default() -> Self {
        Self {
            registration: Registration::Instant,
            unverified: Unverified::MayUse,
            password: PasswordRules::default(),
            password_cost: PasswordCost { memory_kib: 19 * 1024, passes: 2 },
            access_token_seconds: 3_600,
            refresh_token_seconds: 30 * 86_400,
            recent_sign_in_seconds: 900,
            verify_link_seconds: 2 * 86_400,
            reset_link_seconds: 3_600,
            invitation_seconds: 7 * 86_400,
            token_audience: None,
            personal_account_for_invited: false,
        }
    }
}

/// How people register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    /// Signed in at once; an address that is taken is told.
    Instant,
    /// The answer is the same for every address; what comes of it is in a mail.
    Private,
    /// Only by invitation.
    Closed,
}

impl Registration {
    pub fn as_str(self) -> &'static str {
        match self {
            Registration::Instant => "instant",
            Registration::Private => "private",
            Registration::Closed => "closed",
        }
    }
}

/// What a person may do whose address is not verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unverified {
    MayUse,
    /// Sign in and look around; not use, buy or manage anything.
    MayLook,
    /// Not even sign in.
    MayNothing,
}
