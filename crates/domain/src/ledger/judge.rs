//! Whether amounts fit, and what they would move. Changes nothing.

use crate::catalog::{LimitScope, MeterKind};
use crate::name::Name;
use crate::time::Timestamp;
use crate::windows::Window;

use super::balance::{Balance, Place, Posting, Scopes};
use super::book::{Book, NotLoaded, place};
use super::command::Amount;
use super::credit::{Draw, available, plan_draws};
use super::outcome::{Denial, DenialReason, Refusal};
use super::terms::{MeterTerms, PlaceTerms, is_observed};

/// What amounts would move, and what stands in the way.
#[derive(Default)]
pub(super) struct Movement {
    pub postings: Vec<Posting>,
    pub draws: Vec<Draw>,
    pub late: bool,
    pub denial: Option<Denial>,
    pub would_deny: Option<Denial>,
}

/// Why a command cannot be judged.
pub(super) enum Fault {
    Refused(Refusal),
    NotLoaded(NotLoaded),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Refused(refusal)
    }
}

impl From<NotLoaded> for Fault {
    fn from(missing: NotLoaded) -> Self {
        Fault::NotLoaded(missing)
    }
}

/// Whether amounts count as used or are held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Used,
    Reserved,
}

/// A place with its balance, on the way to a posting.
struct Target<'b> {
    place: Place,
    terms: &'b PlaceTerms,
    window: Window,
    balance: Balance,
}

/// The movement of `amounts`, one a meter, counted at `when` and judged at `at`.
pub(super) fn judge(
    book: &Book,
    amounts: &[(&Name, i64)],
    scopes: &Scopes,
    (when, at): (Timestamp, Timestamp),
    side: Side,
) -> Result<Movement, Fault> {
    let mut movement = Movement::default();
    for &(meter, amount) in amounts {
        let terms = book.terms.meters.get(meter).ok_or_else(|| Refusal::MeterUnknown(meter.clone()))?;
        if terms.kind == MeterKind::Sum && amount < 0 {
            return Err(Refusal::NegativeQuantity(meter.clone()).into());
        }
        let targets = targets(book, meter, terms, scopes, (when, at), &mut movement)?;
        judge_meter(book, meter, amount, targets, (terms.kind, side, at), &mut movement)?;
    }
    Ok(movement)
}

/// One amount a meter, in order of first mention.
pub(super) fn merged(amounts: &[Amount]) -> Result<Vec<(&Name, i64)>, Refusal> {
    let mut sums: Vec<(&Name, i64)> = Vec::with_capacity(amounts.len());
    for Amount { meter, amount } in amounts {
        match sums.iter_mut().find(|(name, _)| *name == meter) {
            Some((_, sum)) => {
                *sum = sum.checked_add(*amount).ok_or_else(|| Refusal::TooLarge(meter.clone()))?;
            }
            None => sums.push((meter, *amount)),
        }
    }
    Ok(sums)
}

fn targets<'b>(
    book: &'b Book,
    meter: &Name,
    terms: &'b MeterTerms,
    scopes: &Scopes,
    (when, at): (Timestamp, Timestamp),
    movement: &mut Movement,
) -> Result<Vec<Target<'b>>, Fault> {
    let mut targets = Vec::with_capacity(terms.places.len());
    for place_terms in &terms.places {
        let Some((window, late)) = book.window_for(place_terms.window, when, at) else { continue };
        let Some(place) = place(meter, place_terms, scopes, window) else { continue };
        movement.late |= late;
        let balance = book.balance(&place)?;
        targets.push(Target { place, terms: place_terms, window, balance });
    }
    Ok(targets)
}

fn judge_meter(
    book: &Book,
    meter: &Name,
    amount: i64,
    targets: Vec<Target<'_>>,
    (kind, side, at): (MeterKind, Side, Timestamp),
    movement: &mut Movement,
) -> Result<(), Fault> {
    let draws_credits = kind == MeterKind::Sum && amount > 0 && !book.credits().is_empty();
    let lacking =
        if draws_credits { targets.iter().map(|target| shortfall(target, amount)).max().unwrap_or(0) } else { 0 };
    let drawn = lacking.min(available(book.credits(), meter, at));
    if drawn > 0 {
        movement.draws.extend(plan_draws(book.credits(), meter, drawn, at));
    }
    for target in targets {
        let Balance { used, credited, .. } = target.balance;
        check_sum(meter, target.balance, amount)?;
        if kind == MeterKind::Level && amount < 0 && used.saturating_add(amount) < 0 {
            return Err(Refusal::LevelBelowZero(meter.clone()).into());
        }
        let credit = shortfall(&target, amount).min(drawn);
        if let Some(limit) = &target.terms.limit
            && amount > 0
            && let Some(most) = target.terms.most
            && i128::from(amount - credit) > room(target.balance, most)
        {
            let denial = denial(book, &target, amount, at);
            let slot = if is_observed(limit) { &mut movement.would_deny } else { &mut movement.denial };
            keep_longer(slot, denial);
        }
        credited.checked_add(credit).ok_or_else(|| Refusal::TooLarge(meter.clone()))?;
        movement.postings.push(Posting {
            place: target.place,
            used: if side == Side::Used { amount } else { 0 },
            reserved: if side == Side::Reserved { amount } else { 0 },
            credited: credit,
        });
    }
    Ok(())
}

/// What is used and what is held must add up, so that a hold can always be booked.
pub(super) fn check_sum(meter: &Name, balance: Balance, change: i64) -> Result<(), Refusal> {
    let held = balance.used.checked_add(balance.reserved).and_then(|held| held.checked_add(change));
    held.map(|_| ()).ok_or_else(|| Refusal::TooLarge(meter.clone()))
}

/// What is left below a ceiling. Usage that went past it, before a downgrade or by work already done, is not made up
/// for: what credits cover is still allowed.
fn room(balance: Balance, most: i64) -> i128 {
    let held = i128::from(balance.used) + i128::from(balance.reserved);
    (i128::from(most) + i128::from(balance.credited) - held).max(0)
}

/// How much of `amount` the plan's own amount does not cover in this place. Only account limits draw credits: a limit
/// for each member or key divides what the account has, it does not sell more.
fn shortfall(target: &Target<'_>, amount: i64) -> i64 {
    let own = match &target.terms.limit {
        Some(limit) if target.terms.scope == LimitScope::Account => limit.amount,
        _ => None,
    };
    let Some(own) = own else { return 0 };
    let Balance { used, reserved, credited, .. } = target.balance;
    let over = i128::from(used) + i128::from(reserved) + i128::from(amount) - i128::from(own) - i128::from(credited);
    i64::try_from(over.clamp(0, i128::from(amount.max(0)))).unwrap_or(0)
}

fn denial(book: &Book, target: &Target<'_>, requested: i64, at: Timestamp) -> Denial {
    let limit = book.limit_state((&target.place, target.balance), target.terms, target.window, at);
    Denial { reason: DenialReason::QuotaExceeded, requested, limit: Some(limit) }
}

/// Of several limits in the way, the one that stands longest tells the caller how long to wait.
pub(super) fn keep_longer(slot: &mut Option<Denial>, denial: Denial) {
    let resets = |denial: &Denial| denial.limit.as_ref().and_then(|limit| limit.resets_at).unwrap_or(Timestamp::MAX);
    if slot.as_ref().is_none_or(|kept| resets(kept) < resets(&denial)) {
        *slot = Some(denial);
    }
}
