//! The windows that usage past limits is charged in, and the stretches of each: a stretch ends where the window does,
//! where the subscription did, or where the plan or what was agreed became another. Start at [`charged_windows`].

use std::collections::{BTreeMap, BTreeSet};

use domain::catalog::{Limit, LimitScope, Past};
use domain::entitlements::Entitlements;
use domain::ids::PlanVersionId;
use domain::name::Name;
use domain::time::{MICROS_PER_DAY, Timestamp};
use domain::windows::{Window, WindowKind};
use storage::ledger::plan_book::PlanBook;
use storage::records::billed_subscriptions::BilledSubscription;
use storage::records::terms_in_force::Terms;

/// How far back windows are looked at: past what a server may have been away.
pub(super) const LOOK_BACK_DAYS: i64 = 70;
/// Windows of one kind that are looked at, at most.
const MOST_WINDOWS: usize = 80;

/// A window of a meter that was charged in.
#[derive(Clone, Debug)]
pub(super) struct ChargedWindow {
    pub meter: Name,
    pub window: Window,
    /// Those that are over, the first one first.
    pub stretches: Vec<OverStretch>,
}

/// A stretch of a window in which one limit with a charge held.
#[derive(Clone, Debug)]
pub(super) struct OverStretch {
    /// Who is billed.
    pub subscription: BilledSubscription,
    /// Whose limit it is.
    pub plan: PlanVersionId,
    pub limit: Limit,
    pub from: Timestamp,
    pub to: Timestamp,
    pub ends: Ends,
    /// Nothing was counted in the window before it.
    pub is_first: bool,
}

/// What a stretch ends with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Ends {
    /// The window: nothing is counted there any more.
    Window,
    /// The cycle that it was counted in, which was counted on in until it was learned.
    Cycle,
    Subscription,
    /// Other terms.
    Change,
    /// It goes on.
    Open,
}

/// `terms` and `billed` are all that the account ever had.
pub(super) fn charged_windows(
    plans: &PlanBook,
    billed: &[BilledSubscription],
    terms: &[Terms],
    now: Timestamp,
) -> Vec<ChargedWindow> {
    let recent = billed.iter().filter(|billed| {
        billed.ended_at.is_none_or(|ended_at| ended_at >= now.minus_micros(LOOK_BACK_DAYS * MICROS_PER_DAY))
    });
    let mut found = Vec::new();
    let mut calendar: BTreeSet<Window> = BTreeSet::new();
    for subscription in recent {
        let closed_at = subscription.ended_at.unwrap_or(now).min(now);
        let cycles = cycles(subscription, closed_at, now);
        for kind in [WindowKind::Period, WindowKind::Year] {
            for cycle in &cycles {
                let windows = windows_in(kind, cycle).into_iter();
                found.extend(windows.map(|window| (window, Some((subscription.id.as_str(), *cycle)))));
            }
        }
        let start = cycles.first().map_or(closed_at, |cycle| cycle.start);
        let whole = Cycle { anchor: subscription.anchor, start, end: closed_at, is_first: true, is_followed: false };
        for kind in [WindowKind::Month, WindowKind::Day, WindowKind::Lifetime] {
            calendar.extend(windows_in(kind, &whole));
        }
    }
    // A new cycle, or another subscription, is none for the calendar.
    found.extend(calendar.into_iter().map(|window| (window, None)));
    let of_window = |(window, within): (Window, Option<(&str, Cycle)>)| {
        let pieces = pieces(billed, terms, (window, within), now);
        of_meters(plans, window.kind, pieces).into_iter().map(move |(meter, stretches)| ChargedWindow {
            meter,
            window,
            stretches,
        })
    };
    found.into_iter().flat_map(of_window).filter(|window| !window.stretches.is_empty()).collect()
}

/// A stretch of time in which periods counted from one anchor.
#[derive(Clone, Copy)]
struct Cycle {
    anchor: Timestamp,
    start: Timestamp,
    end: Timestamp,
    is_first: bool,
    /// Another one took its place: what was going on then is over, and what begins with its end is the next one's.
    is_followed: bool,
}

/// The cycles of a subscription, as far back as is looked at.
fn cycles(billed: &BilledSubscription, closed_at: Timestamp, now: Timestamp) -> Vec<Cycle> {
    let oldest = billed.created_at.max(now.minus_micros(LOOK_BACK_DAYS * MICROS_PER_DAY));
    let (mut start, mut cycles) = (oldest, Vec::new());
    for left in billed.former_anchors.iter().filter(|left| left.until > oldest && left.until <= closed_at) {
        let is_first = cycles.is_empty();
        cycles.push(Cycle { anchor: left.anchor, start, end: left.until, is_first, is_followed: true });
        start = left.until;
    }
    let is_first = cycles.is_empty();
    cycles.push(Cycle { anchor: billed.anchor, start, end: closed_at, is_first, is_followed: false });
    cycles
}

/// The windows of a kind in a cycle, the last one first.
fn windows_in(kind: WindowKind, cycle: &Cycle) -> Vec<Window> {
    let mut window = Window::containing(kind, cycle.anchor, cycle.end);
    if window.start == cycle.end && cycle.is_followed {
        window = Window::containing(kind, cycle.anchor, cycle.end.minus_micros(1));
    }
    let mut found = vec![window];
    while found.len() < MOST_WINDOWS {
        let before = window.start.minus_micros(1);
        if before < cycle.start {
            break;
        }
        window = Window::containing(kind, cycle.anchor, before);
        found.push(window);
    }
    found
}

/// A stretch of a window under one row of terms.
struct Piece<'t> {
    terms: &'t Terms,
    plan: PlanVersionId,
    subscription: &'t BilledSubscription,
    from: Timestamp,
    to: Timestamp,
    ends: Ends,
    is_first: bool,
}

/// What was paid for in a window. `within`: the subscription and cycle that it belongs to; any in the calendar's windows.
fn pieces<'t>(
    billed: &'t [BilledSubscription],
    terms: &'t [Terms],
    (window, within): (Window, Option<(&str, Cycle)>),
    now: Timestamp,
) -> Vec<Piece<'t>> {
    let mut found: Vec<Piece<'t>> = Vec::new();
    for (place, held) in terms.iter().enumerate() {
        let (Some(plan), Some(payer)) = (held.plan, &held.subscription) else { continue };
        let Some(subscription) = billed.iter().find(|billed| billed.id == *payer) else { continue };
        if within.is_some_and(|(own, _)| own != payer) {
            continue;
        }
        let next_cycle = within.filter(|(_, cycle)| cycle.is_followed).map(|(_, cycle)| cycle.end);
        let ends = [
            (window.end, Ends::Window),
            (next_cycle, Ends::Cycle),
            (subscription.ended_at, Ends::Subscription),
            (terms.get(place + 1).map(|next| next.since), Ends::Change),
            (Some(Timestamp::MAX), Ends::Open),
        ];
        let ends = ends.into_iter().filter_map(|(at, ends)| Some((at?, ends)));
        let (to, ends) = ends.min().unwrap_or((Timestamp::MAX, Ends::Open));
        let (to, ends) = if to <= now { (to, ends) } else { (now, Ends::Open) };
        let cycle_start = within.filter(|(_, cycle)| !cycle.is_first).map(|(_, cycle)| cycle.start);
        let from = held.since.max(window.start).max(cycle_start.unwrap_or(window.start));
        if from < to || (ends == Ends::Open && from == to) {
            let is_first = from == window.start || (within.is_some() && found.is_empty());
            found.push(Piece { terms: held, plan, subscription, from, to, ends, is_first });
        }
    }
    found
}

/// The stretches of each meter's limit that are over. Terms that say the same of it are one stretch.
fn of_meters(plans: &PlanBook, kind: WindowKind, pieces: Vec<Piece<'_>>) -> BTreeMap<Name, Vec<OverStretch>> {
    let mut meters: BTreeMap<Name, Vec<OverStretch>> = BTreeMap::new();
    for Piece { terms, plan, subscription, from, to, ends, is_first } in pieces {
        for limit in charged_limits(plans, plan, terms, kind) {
            let stretches = meters.entry(limit.meter.clone()).or_default();
            if let Some(last) = stretches.last_mut()
                && last.ends == Ends::Change
                && (last.to, &last.limit, &last.subscription.id) == (from, &limit, &subscription.id)
            {
                (last.to, last.ends, last.plan) = (to, ends, plan);
                continue;
            }
            let subscription = subscription.clone();
            stretches.push(OverStretch { subscription, plan, limit, from, to, ends, is_first });
        }
    }
    for stretches in meters.values_mut() {
        stretches.retain(|stretch| stretch.ends != Ends::Open);
    }
    meters
}

fn charged_limits(plans: &PlanBook, plan: PlanVersionId, terms: &Terms, kind: WindowKind) -> Vec<Limit> {
    let Some(version) = plans.versions.get(&plan) else { return Vec::new() };
    let limits = Entitlements::new(&version.plan, &terms.overrides).limits;
    let is_charged = |limit: &Limit| {
        let is_whole = limit.per == kind && limit.each == LimitScope::Account;
        is_whole && limit.amount.is_some() && matches!(limit.past, Past::Charge { .. })
    };
    limits.into_iter().filter(is_charged).collect()
}
