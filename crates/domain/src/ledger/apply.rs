//! Applies one command to an account's book: judges it, moves balances, writes the event. All of it or nothing.

use crate::catalog::MeterKind;
use crate::time::Timestamp;
use crate::windows::Window;

use super::balance::{Place, Posting};
use super::book::{Book, NotLoaded, place, reached};
use super::command::{Action, Amount, Command, Original};
use super::credit::{Credit, Draw};
use super::judge::{Fault, Movement, Side, check_sum, judge, keep_longer, merged};
use super::outcome::{Accepted, Crossing, Denial, DenialReason, Event, EventAction, LimitState, Outcome, Refusal};
use super::reservation::{OnExpiry, Reservation, ReservationState};
use super::settle::{Settlement, commit, expire, release, with_reservation};
use super::terms::Standing;
use super::{FUTURE_RECORD_MICROS, OLDEST_RECORD_MICROS};

/// Judges `command` at `at` and, when it is accepted, moves the book. A denial or refusal moves nothing.
///
/// # Errors
/// [`NotLoaded`] when the store has not loaded a balance that the command needs.
pub fn apply(book: &mut Book, command: &Command, at: Timestamp) -> Result<Outcome, NotLoaded> {
    match try_apply(book, command, at) {
        Ok(outcome) => Ok(outcome),
        Err(Fault::Refused(refusal)) => Ok(Outcome::Refused(refusal)),
        Err(Fault::NotLoaded(missing)) => Err(missing),
    }
}

fn try_apply(book: &mut Book, command: &Command, at: Timestamp) -> Result<Outcome, Fault> {
    match &command.action {
        Action::Consume => consume(book, command, at),
        Action::Reserve { ttl_micros, on_expiry, .. } => {
            reserve(book, command, (at.plus_micros(*ttl_micros), *on_expiry), at)
        }
        Action::Commit { reservation } => {
            let settlement = commit(book, command, *reservation, at)?;
            settle(book, command, settlement, EventAction::Commit, at)
        }
        Action::Release { reservation } => {
            let settlement = release(book, command, *reservation)?;
            settle(book, command, settlement, EventAction::Release, at)
        }
        Action::Expire { reservation } => {
            let settlement = expire(book, command, *reservation, at)?;
            settle(book, command, settlement, EventAction::Expire, at)
        }
        Action::Record => record(book, command, at),
        Action::SetLevel => set_level(book, command, at),
        Action::Grant { credit } => grant(book, command, credit, at),
        Action::Adjust => adjust(book, command, at),
        Action::Reverse { original } => reverse(book, command, original, at),
    }
}

fn consume(book: &mut Book, command: &Command, at: Timestamp) -> Result<Outcome, Fault> {
    if let Some(denial) = standing(book) {
        return Ok(Outcome::Denied(Box::new(denial)));
    }
    let movement = judge(book, &command.amounts, &command.scopes, (at, at), Side::Used)?;
    if let Some(denial) = movement.denial {
        return Ok(Outcome::Denied(Box::new(denial)));
    }
    let event = event(command, EventAction::Consume, at, command.amounts.clone());
    accept(book, command, event, movement)
}

fn reserve(
    book: &mut Book,
    command: &Command,
    (expires_at, on_expiry): (Timestamp, OnExpiry),
    at: Timestamp,
) -> Result<Outcome, Fault> {
    let Action::Reserve { reservation: id, .. } = command.action else {
        return Err(Refusal::ReservationUnknown.into());
    };
    if let Some(denial) = standing(book) {
        return Ok(Outcome::Denied(Box::new(denial)));
    }
    if let Some((meter, _)) = merged(&command.amounts)?.into_iter().find(|(_, amount)| *amount < 0) {
        return Err(Refusal::NegativeQuantity(meter.clone()).into());
    }
    let movement = judge(book, &command.amounts, &command.scopes, (at, at), Side::Reserved)?;
    if let Some(denial) = movement.denial {
        return Ok(Outcome::Denied(Box::new(denial)));
    }
    book.put_reservation(Reservation {
        id,
        state: ReservationState::Open,
        made_at: at,
        expires_at,
        on_expiry,
        scopes: command.scopes.clone(),
        amounts: command.amounts.clone(),
        holds: movement.postings.clone(),
        draws: movement.draws.clone(),
        settled_by: None,
    });
    let mut event = event(command, EventAction::Reserve, at, command.amounts.clone());
    event.reservation = Some(id);
    accept(book, command, event, movement)
}

fn settle(
    book: &mut Book,
    command: &Command,
    settlement: Settlement,
    action: EventAction,
    at: Timestamp,
) -> Result<Outcome, Fault> {
    match settlement {
        Settlement::Before(event) => Ok(Outcome::Settled(event)),
        Settlement::Moves { movement, reservation, estimated, amounts } => {
            let mut event = event(command, action, at, amounts);
            event.reservation = Some(reservation.id);
            event.estimated = estimated;
            book.put_reservation(*reservation);
            accept(book, command, event, *movement)
        }
    }
}

fn record(book: &mut Book, command: &Command, at: Timestamp) -> Result<Outcome, Fault> {
    let when = occurred(command, at)?;
    let mut movement = judge(book, &command.amounts, &command.scopes, (when, at), Side::Used)?;
    let over = movement.denial.take();
    movement.would_deny = over.or(movement.would_deny);
    let event = event(command, EventAction::Record, at, command.amounts.clone());
    accept(book, command, event, movement)
}

fn set_level(book: &mut Book, command: &Command, at: Timestamp) -> Result<Outcome, Fault> {
    let when = occurred(command, at)?;
    let mut event = event(command, EventAction::SetLevel, at, command.amounts.clone());
    let mut postings = Vec::new();
    for (meter, level) in merged(&command.amounts)? {
        let terms = book.terms.meters.get(meter).ok_or_else(|| Refusal::MeterUnknown(meter.clone()))?;
        if terms.kind != MeterKind::Level {
            return Err(Refusal::NotALevel(meter.clone()).into());
        }
        if level < 0 {
            return Err(Refusal::LevelBelowZero(meter.clone()).into());
        }
        for terms in &terms.places {
            let window = Window::containing(terms.window, book.terms.anchor, at);
            let Some(place) = place(meter, terms, &command.scopes, window) else { continue };
            let balance = book.balance(&place)?;
            if when < balance.observed_at {
                event.ignored = true;
            } else {
                let change = level - balance.used;
                check_sum(meter, balance, change)?;
                postings.push(Posting { place, used: change, reserved: 0, credited: 0 });
            }
        }
    }
    for posting in &postings {
        book.amend(&posting.place, |balance| balance.observed_at = when);
    }
    accept(book, command, event, Movement { postings, ..Movement::default() })
}

fn grant(book: &mut Book, command: &Command, credit: &Credit, at: Timestamp) -> Result<Outcome, Fault> {
    if !book.terms.knows(&credit.meter) {
        return Err(Refusal::MeterUnknown(credit.meter.clone()).into());
    }
    if credit.granted <= 0 {
        return Err(Refusal::NegativeQuantity(credit.meter.clone()).into());
    }
    let amounts = vec![Amount { meter: credit.meter.clone(), amount: credit.granted }];
    let mut event = event(command, EventAction::Grant, at, amounts);
    event.draws = vec![Draw { credit: credit.id, meter: credit.meter.clone(), amount: -credit.granted }];
    book.add_credit(credit.clone());
    let meters = std::iter::once(&credit.meter);
    let limits = book.limits_of(meters, &command.scopes, at)?;
    Ok(Outcome::Accepted(Box::new(Accepted { event, limits, crossed: Vec::new(), would_deny: None })))
}

/// Adds by hand, or gives back: never more than was used in each window, so that no balance falls below zero.
fn adjust(book: &mut Book, command: &Command, at: Timestamp) -> Result<Outcome, Fault> {
    let mut postings = Vec::new();
    for (meter, amount) in merged(&command.amounts)? {
        let terms = book.terms.meters.get(meter).ok_or_else(|| Refusal::MeterUnknown(meter.clone()))?;
        for terms in &terms.places {
            let window = Window::containing(terms.window, book.terms.anchor, at);
            let Some(place) = place(meter, terms, &command.scopes, window) else { continue };
            let balance = book.balance(&place)?;
            let change = amount.max(-balance.used.max(0));
            check_sum(meter, balance, change)?;
            postings.push(Posting { place, used: change, reserved: 0, credited: 0 });
        }
    }
    let event = event(command, EventAction::Adjust, at, command.amounts.clone());
    accept(book, command, event, Movement { postings, ..Movement::default() })
}

/// Voids an event in the windows it counted in, or corrects it to the command's amounts. The original stays.
fn reverse(book: &mut Book, command: &Command, original: &Original, at: Timestamp) -> Result<Outcome, Fault> {
    if !original.is_usage {
        return Err(Refusal::NotReversible.into());
    }
    if let Some(by) = original.reversed_by {
        return Err(Refusal::AlreadyReversed(by).into());
    }
    let corrected = merged(&command.amounts)?;
    let total = whole_of(book, original);
    let mut postings = Vec::new();
    for posting in &total.postings {
        let meter = &posting.place.meter;
        // A correction leaves the meters it does not name as they were.
        let unnamed = if corrected.is_empty() { 0 } else { posting.used };
        let now = corrected.iter().find(|(name, _)| *name == meter).map_or(unnamed, |(_, amount)| *amount);
        if now < 0 {
            return Err(Refusal::NegativeQuantity(meter.clone()).into());
        }
        let balance = book.balance(&posting.place)?;
        let change = now.checked_sub(posting.used).ok_or_else(|| Refusal::TooLarge(meter.clone()))?;
        let change = change.max(-balance.used.max(0));
        check_sum(meter, balance, change)?;
        // A void gives drawn credits back; a correction keeps them, since most of the usage stands.
        let credited = if corrected.is_empty() { -posting.credited } else { 0 };
        postings.push(Posting { place: posting.place.clone(), used: change, reserved: 0, credited });
    }
    let draws = if corrected.is_empty() {
        total.draws.iter().map(|draw| Draw { amount: -draw.amount, ..draw.clone() }).collect()
    } else {
        Vec::new()
    };
    let mut event = event(command, EventAction::Reverse, at, command.amounts.clone());
    event.reverses = Some(original.event);
    accept(book, command, event, Movement { postings, draws, ..Movement::default() })
}

/// What the original has moved; for a commit, together with what its reservation had moved before.
fn whole_of(book: &Book, original: &Original) -> Movement {
    let own = Movement { postings: original.postings.clone(), draws: original.draws.clone(), ..Movement::default() };
    // A hold that was never written has moved nothing: what booked it is all there is.
    match original.reservation.and_then(|id| book.reservation(id)) {
        Some(reservation) => with_reservation(own, reservation),
        None => own,
    }
}

fn standing(book: &Book) -> Option<Denial> {
    let reason = match book.terms.standing {
        Standing::Open => return None,
        Standing::Suspended => DenialReason::AccountSuspended,
        Standing::NoPlan => DenialReason::SubscriptionRequired,
    };
    Some(Denial { reason, requested: 0, limit: None })
}

fn occurred(command: &Command, at: Timestamp) -> Result<Timestamp, Refusal> {
    let when = command.occurred_at.unwrap_or(at);
    if when.since(at) > FUTURE_RECORD_MICROS {
        return Err(Refusal::InTheFuture);
    }
    if at.since(when) > OLDEST_RECORD_MICROS {
        return Err(Refusal::TooOld);
    }
    Ok(when)
}

fn event(command: &Command, action: EventAction, at: Timestamp, amounts: Vec<Amount>) -> Event {
    Event {
        id: command.event,
        action,
        at,
        occurred_at: command.occurred_at.unwrap_or(at),
        late: false,
        estimated: false,
        ignored: false,
        amounts,
        postings: Vec::new(),
        draws: Vec::new(),
        reservation: None,
        reverses: None,
    }
}

/// Moves the book and answers with how the limits stand.
fn accept(book: &mut Book, command: &Command, mut event: Event, movement: Movement) -> Result<Outcome, Fault> {
    let Movement { postings, draws, late, would_deny, .. } = movement;
    book.draw(&draws)?;
    for posting in &postings {
        book.post(posting);
    }
    let crossed = note_crossings(book, &postings, event.at)?;
    let limits = states_after(book, command, &postings, event.at)?;
    let would_deny = would_deny.or_else(|| passed(&limits, &postings));
    event.late = late;
    event.postings = postings;
    event.draws = draws;
    Ok(Outcome::Accepted(Box::new(Accepted { event, limits, crossed, would_deny })))
}

/// The limit that this went past though nothing held it back: work that was done already, or a limit that warns or
/// charges. As it stood before; of several the one that holds longest.
fn passed(limits: &[LimitState], postings: &[Posting]) -> Option<Denial> {
    let mut found = None;
    for posting in postings {
        let place = &posting.place;
        let requested = posting.used.saturating_add(posting.reserved);
        let is_here = |limit: &&LimitState| {
            limit.meter == place.meter
                && limit.scope == place.scope
                && limit.scope_id == place.scope_id
                && limit.window == place.window
                && limit.start == place.start
        };
        let Some(limit) = limits.iter().find(is_here).filter(|_| requested > 0) else { continue };
        let held = i128::from(limit.used) + i128::from(limit.reserved) - i128::from(limit.credited);
        if limit.limit.is_some_and(|most| held > i128::from(most)) {
            let (used, reserved) = (limit.used - posting.used, limit.reserved - posting.reserved);
            let before = LimitState { used, reserved, credited: limit.credited - posting.credited, ..limit.clone() };
            let denial = Denial { reason: DenialReason::QuotaExceeded, limit: Some(before), requested };
            keep_longer(&mut found, denial);
        }
    }
    found
}

/// Each threshold is reported once a window, and again after the limit has changed.
fn note_crossings(book: &mut Book, postings: &[Posting], at: Timestamp) -> Result<Vec<Crossing>, NotLoaded> {
    let mut crossed = Vec::new();
    let thresholds = book.terms.warn_at_percent.clone();
    for posting in postings.iter().filter(|posting| posting.used > 0) {
        let place = &posting.place;
        let Some(limit) = limit_amount_at(book, place).filter(|limit| *limit > 0) else { continue };
        let balance = book.balance(place)?;
        let warned = if balance.warned_limit == limit { balance.warned_percent } else { 0 };
        let Some(now) = reached(&thresholds, balance.used, limit).filter(|now| *now > warned) else { continue };
        book.amend(place, |balance| {
            balance.warned_percent = now;
            balance.warned_limit = limit;
        });
        if Window::containing(place.window, book.terms.anchor, at).start != place.start {
            continue;
        }
        crossed.extend(thresholds.iter().copied().filter(|percent| *percent > warned && *percent <= now).map(
            |percent| Crossing {
                meter: place.meter.clone(),
                scope: place.scope,
                scope_id: place.scope_id.clone(),
                window: place.window,
                start: place.start,
                percent,
                used: balance.used,
                limit,
            },
        ));
    }
    Ok(crossed)
}

fn limit_amount_at(book: &Book, place: &Place) -> Option<i64> {
    let meter = book.terms.meters.get(&place.meter)?;
    let terms = meter.places.iter().find(|terms| terms.scope == place.scope && terms.window == place.window)?;
    terms.limit.as_ref()?.amount
}

/// The limits a command has moved, in the windows it moved them in.
fn states_after(
    book: &Book,
    command: &Command,
    postings: &[Posting],
    at: Timestamp,
) -> Result<Vec<LimitState>, NotLoaded> {
    let mut states = Vec::new();
    for posting in postings {
        let place = &posting.place;
        let Some(meter) = book.terms.meters.get(&place.meter) else { continue };
        let limited = meter.places.iter().any(|terms| terms.limit.is_some());
        let terms = meter.places.iter().find(|terms| terms.scope == place.scope && terms.window == place.window);
        let Some(terms) = terms.filter(|terms| terms.limit.is_some() || !limited) else { continue };
        let window = Window::containing(place.window, book.terms.anchor, place.start);
        let window = if window.start == place.start { window } else { held_window(place, at) };
        states.push(book.limit_state(place, terms, window, at)?);
    }
    debug_assert!(command.event.account == book.account, "a command was applied to another account's book");
    Ok(states)
}

/// A window of an earlier anchor, whose end the current terms no longer know.
fn held_window(place: &Place, at: Timestamp) -> Window {
    Window { kind: place.window, start: place.start, end: Some(at) }
}
