//! Applies one command to an account's book: judges it, moves balances, writes the event. All of it or nothing.

use crate::catalog::MeterKind;
use crate::time::Timestamp;
use crate::windows::Window;

use super::balance::{Balance, Place, Posting};
use super::book::{Book, NotLoaded, place, reached};
use super::command::{Action, Amount, Command, Original};
use super::credit::{Credit, Draw};
use super::judge::{Fault, Movement, Side, check_sum, judge, keep_longer, merged};
use super::outcome::{Accepted, Crossing, Denial, DenialReason, Event, EventAction, LimitState, Outcome, Refusal};
use super::reservation::{OnExpiry, Reservation, ReservationState};
use super::settle::{Settlement, commit, expire, release, with_reservation};
use super::terms::{PlaceTerms, Standing};
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
            let settlement = release(book, *reservation)?;
            settle(book, command, settlement, EventAction::Release, at)
        }
        Action::Expire { reservation } => {
            let settlement = expire(book, *reservation, at)?;
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
    let movement = judge(book, &merged(&command.amounts)?, &command.scopes, (at, at), Side::Used)?;
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
    let amounts = merged(&command.amounts)?;
    if let Some((meter, _)) = amounts.iter().find(|(_, amount)| *amount < 0) {
        return Err(Refusal::NegativeQuantity((*meter).clone()).into());
    }
    let movement = judge(book, &amounts, &command.scopes, (at, at), Side::Reserved)?;
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
        Settlement::Moves { movement, reservation, state, estimated, amounts } => {
            let mut event = event(command, action, at, amounts);
            event.reservation = Some(reservation);
            event.estimated = estimated;
            book.settle_reservation(reservation, state, command.event);
            accept(book, command, event, *movement)
        }
    }
}

fn record(book: &mut Book, command: &Command, at: Timestamp) -> Result<Outcome, Fault> {
    let when = occurred(command, at)?;
    let mut movement = judge(book, &merged(&command.amounts)?, &command.scopes, (when, at), Side::Used)?;
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
            let window = book.window(terms.window, at);
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
        book.amend(&posting.place, |balance| balance.observed_at = when)?;
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
            let window = book.window(terms.window, at);
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
    let orders = postings.iter().map(|posting| book.post(posting)).collect::<Result<Vec<usize>, NotLoaded>>()?;
    debug_assert!(command.event.account == book.account, "a command was applied to another account's book");
    let (limits, crossed) = stand_after(book, (&postings, &orders), event.at)?;
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
            limit.start == place.start
                && limit.scope == place.scope
                && limit.window == place.window
                && limit.meter == place.meter
                && limit.scope_id == place.scope_id
        };
        let is_passed = |limit: &&LimitState| {
            let held = i128::from(limit.used) + i128::from(limit.reserved) - i128::from(limit.credited);
            limit.limit.is_some_and(|most| held > i128::from(most))
        };
        if requested > 0
            && let Some(limit) = limits.iter().filter(is_passed).find(is_here)
        {
            let (used, reserved) = (limit.used - posting.used, limit.reserved - posting.reserved);
            let before = LimitState { used, reserved, credited: limit.credited - posting.credited, ..limit.clone() };
            let denial = Denial { reason: DenialReason::QuotaExceeded, limit: Some(before), requested };
            keep_longer(&mut found, denial);
        }
    }
    found
}

/// The limits that postings have moved, in the windows they moved them in, and the thresholds passed. Each threshold is
/// reported once a window, and again after the limit has changed. `orders`: where each posting's balance is.
fn stand_after(
    book: &mut Book,
    (postings, orders): (&[Posting], &[usize]),
    at: Timestamp,
) -> Result<(Vec<LimitState>, Vec<Crossing>), NotLoaded> {
    let account_terms = book.terms.clone();
    let (mut states, mut crossed) = (Vec::with_capacity(postings.len()), Vec::new());
    for (posting, order) in postings.iter().zip(orders) {
        let place = &posting.place;
        let Some(meter) = account_terms.meters.get(&place.meter) else { continue };
        let terms = meter.places.iter().find(|terms| terms.scope == place.scope && terms.window == place.window);
        let is_shown =
            |terms: &&PlaceTerms| terms.limit.is_some() || meter.places.iter().all(|place| place.limit.is_none());
        let Some(terms) = terms.filter(is_shown) else { continue };
        let balance = book.balance_at(*order);
        if posting.used > 0
            && let Some(limit) = terms.limit.as_ref().and_then(|limit| limit.amount).filter(|limit| *limit > 0)
        {
            note_crossings(book, (place, balance), limit, at, &mut crossed)?;
        }
        let window = book.window(place.window, place.start);
        let window = if window.start == place.start { window } else { held_window(place, at) };
        states.push(book.limit_state((place, balance), terms, window, at));
    }
    Ok((states, crossed))
}

fn note_crossings(
    book: &mut Book,
    (place, balance): (&Place, Balance),
    limit: i64,
    at: Timestamp,
    crossed: &mut Vec<Crossing>,
) -> Result<(), NotLoaded> {
    let warned = if balance.warned_limit == limit { balance.warned_percent } else { 0 };
    let now = reached(&book.terms.warn_at_percent, balance.used, limit);
    let Some(now) = now.filter(|now| *now > warned) else { return Ok(()) };
    book.amend(place, |balance| {
        balance.warned_percent = now;
        balance.warned_limit = limit;
    })?;
    if book.window(place.window, at).start != place.start {
        return Ok(());
    }
    let passed = book.terms.warn_at_percent.iter().copied().filter(|percent| *percent > warned && *percent <= now);
    crossed.extend(passed.map(|percent| Crossing {
        meter: place.meter.clone(),
        scope: place.scope,
        scope_id: place.scope_id.clone(),
        window: place.window,
        start: place.start,
        percent,
        used: balance.used,
        limit,
    }));
    Ok(())
}

/// A window of an earlier anchor, whose end the current terms no longer know.
fn held_window(place: &Place, at: Timestamp) -> Window {
    Window { kind: place.window, start: place.start, end: Some(at) }
}
