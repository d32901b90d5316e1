//! Which plan an account is on, and until when, by what is paid and what was given.
//!
//! - A subscription that is paid for gives its plan by [`Status::allows`]; one that is to be canceled gives it until then.
//! - A plan given without payment counts beside it: of the two the one of higher rank is in force, the paid one on a tie.
//! - With neither, the account is on the default plan.
//!
//! Periods follow the anchor of the subscription that is in force, and the account's own otherwise. What is used stays
//! with its window: a change of plan under the same anchor keeps it, another anchor begins a window of its own, and
//! coming back to the account's own finds there what was used in it before.

use super::status::{Access, Status};
use crate::catalog::Interval;
use crate::ids::PlanVersionId;
use crate::time::{MICROS_PER_DAY, Timestamp};

/// A subscription as Stripe told it last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Billed {
    /// Stripe's id.
    pub id: String,
    pub status: Status,
    /// The plan of the price that is paid. `None`: the catalog never knew that price.
    pub plan: Option<PlanVersionId>,
    pub rank: u32,
    pub interval: Interval,
    /// Stripe's billing cycle anchor.
    pub anchor: Timestamp,
    pub created_at: Timestamp,
    pub period_end: Timestamp,
    /// When it ends by itself.
    pub cancel_at: Option<Timestamp>,
    /// When the payment that failed was first asked for.
    pub past_due_since: Option<Timestamp>,
    /// Invoices of this time are not collected.
    pub pause: Option<CollectionPause>,
    /// The plan kept until a change to a smaller one takes effect.
    pub kept: Option<Kept>,
}

/// Payments are not collected for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollectionPause {
    /// Stripe's word: `void`, `keep_as_draft`, `mark_uncollectible`.
    pub behavior: String,
    pub resumes_at: Option<Timestamp>,
    /// Until when was paid before. Nothing is given past it where invoices are given up.
    pub paid_until: Timestamp,
}

/// A plan that stays in force although the price is another one already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    pub plan: PlanVersionId,
    pub rank: u32,
    pub until: Timestamp,
}

/// A plan given without payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    pub plan: PlanVersionId,
    pub rank: u32,
    pub until: Option<Timestamp>,
}

/// Why an account is on its plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// It is the catalog's default plan.
    Default,
    /// Given without payment.
    Granted,
    /// Bought.
    Paid,
}

impl Source {
    pub const ALL: [Source; 3] = [Source::Default, Source::Granted, Source::Paid];

    pub fn as_str(self) -> &'static str {
        match self {
            Source::Default => "default",
            Source::Granted => "granted",
            Source::Paid => "paid",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

/// What an account is on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// `None`: the default plan.
    pub plan: Option<PlanVersionId>,
    /// When that ends by itself; after it `then`, else the default plan.
    pub until: Option<Timestamp>,
    pub then: Option<PlanVersionId>,
    pub source: Source,
    /// Of the subscription that is paid for, whether its plan is in force or not; active without one.
    pub status: Status,
    pub interval: Interval,
    /// What periods count from. `None`: the account's own.
    pub anchor: Option<Timestamp>,
}

/// The subscription that stands for the account: one that runs before one that was only begun, and of those the oldest.
pub fn current(billed: &[Billed]) -> Option<&Billed> {
    let order = |billed: &&Billed| (!billed.status.is_running(), billed.created_at, billed.id.clone());
    billed.iter().filter(|billed| !billed.status.is_over()).min_by_key(order)
}

/// Subscriptions that run beside the current one. Nobody wants to pay twice: they are ended and paid back.
pub fn doubles(billed: &[Billed]) -> impl Iterator<Item = &Billed> {
    let kept = current(billed).map(|kept| kept.id.as_str());
    billed.iter().filter(move |other| other.status.is_running() && Some(other.id.as_str()) != kept)
}

/// What an account is on at `now`.
pub fn standing(billed: Option<&Billed>, grant: Option<Grant>, grace_days: u32, now: Timestamp) -> Standing {
    let paid = billed.and_then(|billed| paid_plan(billed, grace_days, now));
    let given = grant.filter(|grant| grant.until.is_none_or(|until| until > now));
    let status = billed.map_or(Status::Active, |billed| billed.status);
    let interval = billed.map_or(Interval::Monthly, |billed| billed.interval);
    match (paid, given) {
        (Some(paid), Some(given)) if given.rank > paid.rank => {
            let then = outlives(paid.until, given.until).then_some(paid.plan).or(paid.then);
            Standing { status, interval, then, ..granted(given) }
        }
        (Some(paid), given) => Standing {
            plan: Some(paid.plan),
            until: paid.until,
            then: paid.then.or(given.filter(|given| outlives(given.until, paid.until)).map(|given| given.plan)),
            source: Source::Paid,
            status,
            interval,
            anchor: billed.map(|billed| billed.anchor),
        },
        (None, Some(given)) => Standing { status, interval, ..granted(given) },
        (None, None) => {
            Standing { plan: None, until: None, then: None, source: Source::Default, status, interval, anchor: None }
        }
    }
}

/// Whether what ends at `one` is still there when what ends at `other` is over.
fn outlives(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    other.is_some_and(|other| one.is_none_or(|one| one > other))
}

fn granted(grant: Grant) -> Standing {
    Standing {
        plan: Some(grant.plan),
        until: grant.until,
        then: None,
        source: Source::Granted,
        status: Status::Active,
        interval: Interval::Monthly,
        anchor: None,
    }
}

struct PaidPlan {
    plan: PlanVersionId,
    rank: u32,
    until: Option<Timestamp>,
    then: Option<PlanVersionId>,
}

/// The plan that a subscription gives at `now`, with its end where that is known.
fn paid_plan(billed: &Billed, grace_days: u32, now: Timestamp) -> Option<PaidPlan> {
    let ends = access_ends(billed, grace_days)?;
    if ends.is_some_and(|ends| ends <= now) {
        return None;
    }
    match &billed.kept {
        Some(kept) if kept.until > now => {
            let is_last = ends.is_some_and(|ends| ends <= kept.until);
            Some(PaidPlan {
                plan: kept.plan,
                rank: kept.rank,
                until: if is_last { ends } else { Some(kept.until) },
                then: if is_last { None } else { billed.plan },
            })
        }
        _ => Some(PaidPlan { plan: billed.plan?, rank: billed.rank, until: ends, then: None }),
    }
}

/// `None`: nothing is allowed. `Some(None)`: allowed without an end.
fn access_ends(billed: &Billed, grace_days: u32) -> Option<Option<Timestamp>> {
    let by_status = match billed.status.allows() {
        Access::DefaultPlan => return None,
        Access::Plan => None,
        Access::PlanWithinGrace => {
            let since = billed.past_due_since.unwrap_or(billed.created_at);
            Some(since.plus_micros(i64::from(grace_days) * MICROS_PER_DAY))
        }
    };
    let by_pause =
        billed.pause.as_ref().filter(|pause| pause.behavior != "keep_as_draft").map(|pause| pause.paid_until);
    Some([by_status, by_pause, billed.cancel_at].into_iter().flatten().min())
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
