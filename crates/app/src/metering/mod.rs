//! Counting usage and holding customers to their plans: check, consume, reserve and settle, record, levels, and how an
//! account stands.
//!
//! Every verb turns what the caller told into one ledger command: what the model call costs, which meters it moves, whose
//! limits apply. The ledger judges; these files decide nothing about quotas themselves. Start at [`consume`].

pub mod adjust;
pub mod analytics;
pub mod check;
pub mod consume;
pub mod credits;
mod decisions;
mod details;
pub mod levels;
pub mod pricing;
pub mod record;
pub mod reserve;
pub mod reverse;
pub mod show_event;
pub mod usage;
pub(crate) mod warn_of_usage;
pub mod work;

use domain::ids::{EventId, ReservationId};
use domain::ledger::LimitState;
use domain::name::Name;
use domain::pricing::{CallCost, CallTokens};
use domain::quantity::Quantity;
use domain::time::Timestamp;

/// Work that a caller tells of, parsed at the edge.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// The meters the caller names, with their quantities. Empty for a model call that only feeds meters.
    pub usage: Vec<(Name, Quantity)>,
    /// The member it was done for; limits for each member go by it.
    pub user: Option<Name>,
    /// The app's own end user, where limits for each end user go by it.
    pub end_user: Option<Name>,
    pub model: Option<Name>,
    pub provider: Option<String>,
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
    /// Part of the prompt tokens that the provider had cached.
    pub cached_tokens: Option<u64>,
    /// All kinds of tokens, where they are known; then the three counts above are not looked at.
    pub tokens: Option<CallTokens>,
    /// Where the counts come from, for calls that the gateway metered.
    pub counts: Option<Counts>,
    pub audio_bytes: Option<u64>,
    pub characters: Option<u64>,
    pub context: Context,
    pub occurred_at: Option<Timestamp>,
    pub key: Option<IdempotencyKey>,
}

impl Work {
    /// The tokens of the call; none where it names none.
    pub fn call_tokens(&self) -> CallTokens {
        self.tokens.unwrap_or(CallTokens {
            prompt: self.prompt_tokens.unwrap_or(0),
            completion: self.completion_tokens.unwrap_or(0),
            cached: self.cached_tokens.unwrap_or(0),
            ..CallTokens::default()
        })
    }
}

/// Where the counts of a call come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// The provider said so.
    Reported,
    /// The provider did not say, or the answer broke off before it could.
    Estimated,
}

/// What the caller wants kept with the event; nothing is judged by it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A caller's key and a hash of the content it came with, so that the same key with other content is noticed.
/// CloudEvents make it of source and id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    pub text: String,
    pub content: [u8; 16],
}

/// Usage that was counted.
#[derive(Clone, Debug)]
pub struct Counted {
    pub event: EventId,
    /// The same command was counted before; nothing was counted now.
    pub replayed: bool,
    /// It counts in a later window than the one it occurred in.
    pub late: bool,
    pub limits: Vec<LimitState>,
    pub cost: Option<CallCost>,
    pub plan: Option<Name>,
    /// A limit that is only observed, or only warns, was passed.
    pub would_deny: bool,
    pub suggested_plan: Option<Name>,
    pub at: Timestamp,
}

/// The answer of a check.
#[derive(Clone, Debug)]
pub struct Checked {
    pub allowed: bool,
    /// Why not: `quota_exceeded`, `account_suspended`, `subscription_required`, `model_not_allowed`, ….
    pub code: Option<&'static str>,
    pub limits: Vec<LimitState>,
    pub plan: Option<Name>,
    pub suggested_plan: Option<Name>,
    pub at: Timestamp,
}

/// A hold.
#[derive(Clone, Debug)]
pub struct Reserved {
    pub reservation: ReservationId,
    pub replayed: bool,
    pub expires_at: Timestamp,
    pub limits: Vec<LimitState>,
    pub plan: Option<Name>,
    pub at: Timestamp,
}

/// How a reservation is asked for, beside its work.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// 1 to 86,400; 600 where the caller does not say.
    pub ttl_seconds: u32,
    pub on_expiry: domain::ledger::OnExpiry,
}

/// How an account stands now.
#[derive(Clone, Debug)]
pub struct UsageNow {
    pub account: domain::ids::AccountId,
    pub plan: Option<Name>,
    pub period_start: Timestamp,
    pub period_end: Timestamp,
    pub limits: Vec<LimitState>,
    pub at: Timestamp,
}

/// What became of one event of a batch.
#[derive(Clone, Debug)]
pub enum Recorded {
    Accepted {
        event: EventId,
        late: bool,
        over_limit: bool,
    },
    Duplicate {
        event: EventId,
    },
    /// The same id with other content.
    Conflict {
        event: EventId,
    },
    Rejected {
        code: &'static str,
        message: String,
    },
}

/// One event of a batch: whose, and what. Parsing it may have failed already.
#[derive(Clone, Debug)]
pub struct RecordItem {
    pub account: crate::AccountRef,
    pub work: Work,
}
