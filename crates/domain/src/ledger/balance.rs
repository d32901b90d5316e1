//! Balances, and the postings that move them.

use crate::catalog::LimitScope;
use crate::name::Name;
use crate::time::Timestamp;
use crate::windows::WindowKind;

/// Names one balance of an account: whose, of what, in which window.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    pub scope: LimitScope,
    /// The member, key or end user; `None` for the account itself.
    pub scope_id: Option<Name>,
    pub meter: Name,
    pub window: WindowKind,
    pub start: Timestamp,
}

impl Place {
    /// As the database stores it: empty for the account.
    pub fn scope_id_text(&self) -> &str {
        self.scope_id.as_ref().map_or("", Name::as_str)
    }
}

/// How much was used in one place. Amounts are in the meter's integer unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Balance {
    pub used: i64,
    /// Held by reservations that are not settled yet.
    pub reserved: i64,
    /// What credits have added to the plan's own amount in this window.
    pub credited: i64,
    /// The highest warning threshold (percent) reported in this window, against `warned_limit`.
    pub warned_percent: u8,
    pub warned_limit: i64,
    /// For levels: when the last reading was observed, in microseconds.
    pub observed_at: Timestamp,
}

/// One movement of one balance by one event. A balance is the sum of its postings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Posting {
    pub place: Place,
    pub used: i64,
    pub reserved: i64,
    pub credited: i64,
}

/// Who inside the account a command is for; limits for each member, key or end user go by it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scopes {
    pub member: Option<Name>,
    pub key: Option<Name>,
    pub end_user: Option<Name>,
}

impl Scopes {
    /// The id that a place of this scope is kept under. `None`: the command names nobody of that scope.
    pub fn id_of(&self, scope: LimitScope) -> Option<Option<Name>> {
        match scope {
            LimitScope::Account => Some(None),
            LimitScope::Member => self.member.clone().map(Some),
            LimitScope::Key => self.key.clone().map(Some),
            LimitScope::EndUser => self.end_user.clone().map(Some),
        }
    }
}
