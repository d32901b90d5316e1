//! What becomes of reservations: committed, released, or expired by their own rule.

use std::borrow::Cow;

use crate::ids::{EventId, ReservationId};
use crate::name::Name;
use crate::time::Timestamp;

use super::balance::{Balance, Posting};
use super::book::{Book, draw_from};
use super::command::{Amount, Command};
use super::credit::{Draw, available, plan_draws};
use super::judge::{Fault, Movement, Side, check_sum, judge, merged};
use super::outcome::Refusal;
use super::reservation::{OnExpiry, Reservation, ReservationState};

/// What settling moves, or the event that already did.
pub(super) enum Settlement {
    Moves {
        movement: Box<Movement>,
        reservation: ReservationId,
        state: ReservationState,
        estimated: bool,
        amounts: Vec<Amount>,
    },
    Before(EventId),
}

/// Books what was really used, whatever the limit, in the windows of the reservation. After an expiry that booked the
/// estimate, the difference is booked.
pub(super) fn commit(book: &Book, command: &Command, id: ReservationId, at: Timestamp) -> Result<Settlement, Fault> {
    let reservation = book.reservation(id).ok_or(Refusal::ReservationUnknown)?;
    match reservation.state {
        ReservationState::Committed => return before(reservation),
        ReservationState::Released => return Err(Refusal::ReservationReleased.into()),
        ReservationState::Open | ReservationState::Lapsed | ReservationState::Booked => {}
    }
    let amounts = if command.amounts.is_empty() { &reservation.amounts } else { &command.amounts };
    let merged = merged(amounts)?;
    if let Some((meter, _)) = merged.iter().find(|(_, amount)| *amount < 0) {
        return Err(Refusal::NegativeQuantity((*meter).clone()).into());
    }
    let undone = undo(reservation);
    let used = book_in_held_windows(book, reservation, &undone, &merged, at)?;
    let movement = above_zero(book, Movement { late: used.late, ..sum(undone, used) })?;
    Ok(settled_as(reservation, ReservationState::Committed, movement, (false, amounts.clone())))
}

/// Gives the hold back; after an expiry that booked the estimate, the estimate.
pub(super) fn release(book: &Book, id: ReservationId) -> Result<Settlement, Fault> {
    let reservation = book.reservation(id).ok_or(Refusal::ReservationUnknown)?;
    match reservation.state {
        ReservationState::Released | ReservationState::Lapsed => before(reservation),
        ReservationState::Committed => Err(Refusal::ReservationCommitted.into()),
        ReservationState::Open | ReservationState::Booked => {
            let movement = above_zero(book, undo(reservation))?;
            Ok(settled_as(reservation, ReservationState::Released, movement, (false, Vec::new())))
        }
    }
}

/// Settles by the reservation's own rule. Asked too early or twice, it answers with what settled it, or moves nothing.
pub(super) fn expire(book: &Book, id: ReservationId, at: Timestamp) -> Result<Settlement, Fault> {
    let reservation = book.reservation(id).ok_or(Refusal::ReservationUnknown)?;
    if !reservation.is_expired(at) {
        return before(reservation);
    }
    let (state, movement, estimated, amounts) = match reservation.on_expiry {
        OnExpiry::Release => (ReservationState::Lapsed, undo(reservation), false, Vec::new()),
        OnExpiry::Commit => {
            let postings = reservation
                .holds
                .iter()
                .map(|hold| Posting {
                    place: hold.place.clone(),
                    used: hold.reserved,
                    reserved: -hold.reserved,
                    credited: 0,
                })
                .collect();
            let movement = Movement { postings, ..Movement::default() };
            (ReservationState::Booked, movement, true, reservation.amounts.clone())
        }
    };
    Ok(settled_as(reservation, state, movement, (estimated, amounts)))
}

fn before(reservation: &Reservation) -> Result<Settlement, Fault> {
    // An open reservation was settled by nobody; the only caller that sees one here is an early expiry.
    reservation.settled_by.map(Settlement::Before).ok_or_else(|| Refusal::ReservationUnknown.into())
}

fn settled_as(
    reservation: &Reservation,
    state: ReservationState,
    movement: Movement,
    (estimated, amounts): (bool, Vec<Amount>),
) -> Settlement {
    Settlement::Moves { movement: Box::new(movement), reservation: reservation.id, state, estimated, amounts }
}

/// The movement that takes back what the reservation stands for now: a hold, a booked estimate, or nothing.
fn undo(reservation: &Reservation) -> Movement {
    let (holds, booked) = match reservation.state {
        ReservationState::Open => (true, false),
        ReservationState::Booked => (false, true),
        ReservationState::Committed | ReservationState::Released | ReservationState::Lapsed => (false, false),
    };
    if !holds && !booked {
        return Movement::default();
    }
    let postings = reservation
        .holds
        .iter()
        .map(|hold| Posting {
            place: hold.place.clone(),
            used: if booked { -hold.reserved } else { 0 },
            reserved: if holds { -hold.reserved } else { 0 },
            credited: -hold.credited,
        })
        .collect();
    let draws = reservation.draws.iter().map(|draw| Draw { amount: -draw.amount, ..draw.clone() }).collect();
    Movement { postings, draws, ..Movement::default() }
}

/// A booked estimate may have been given back by hand since: taking it back stops where nothing is used.
fn above_zero(book: &Book, movement: Movement) -> Result<Movement, Fault> {
    let mut movement = movement;
    for posting in movement.postings.iter_mut().filter(|posting| posting.used < 0) {
        let used = book.balance(&posting.place)?.used;
        posting.used = posting.used.max(-used.max(0));
    }
    Ok(movement)
}

/// Usage of a settled reservation: meters it held count where they were held, others at the time it was made. Judged as
/// if `undone` had been taken back before; that is of the held meters alone, so the others do not feel it.
fn book_in_held_windows(
    book: &Book,
    reservation: &Reservation,
    undone: &Movement,
    amounts: &[(&Name, i64)],
    at: Timestamp,
) -> Result<Movement, Fault> {
    let is_held = |meter: &Name| reservation.holds.iter().any(|hold| hold.place.meter == *meter);
    let others: Vec<(&Name, i64)> = amounts.iter().filter(|(meter, _)| !is_held(meter)).copied().collect();
    let mut movement = judge(book, &others, &reservation.scopes, (reservation.made_at, at), Side::Used)?;
    let mut credits = Cow::Borrowed(book.credits());
    if !undone.draws.is_empty() {
        draw_from(credits.to_mut(), &undone.draws)?;
    }
    for &(meter, amount) in amounts {
        let mut targets = Vec::with_capacity(reservation.holds.len());
        for hold in reservation.holds.iter().filter(|hold| hold.place.meter == *meter) {
            let taken_back = undone.postings.iter().filter(|posting| posting.place == hold.place);
            let balance = taken_back.fold(book.balance(&hold.place)?, Balance::after);
            check_sum(meter, balance, amount)?;
            let lacking = if credits.is_empty() { 0 } else { book.shortfall_at(&hold.place, balance, amount) };
            targets.push((hold.place.clone(), lacking));
        }
        let lacking = targets.iter().map(|(_, lacking)| *lacking).max().unwrap_or(0);
        let drawn = lacking.min(available(&credits, meter, at));
        if drawn > 0 {
            movement.draws.extend(plan_draws(&credits, meter, drawn, at));
        }
        movement.postings.extend(targets.into_iter().map(|(place, lacking)| Posting {
            place,
            used: amount,
            reserved: 0,
            credited: lacking.min(drawn),
        }));
    }
    movement.denial = None;
    Ok(movement)
}

/// A commit's own movement and what its reservation had moved before it: a hold that it took back, an estimate that it
/// corrected, or nothing after a lapse.
pub(super) fn with_reservation(commit: Movement, reservation: &Reservation) -> Movement {
    let took_back = |hold: &&Posting| {
        let own = commit.postings.iter().find(|posting| posting.place == hold.place);
        own.is_some_and(|posting| posting.reserved < 0)
    };
    let was_open = reservation.holds.iter().any(|hold| took_back(&hold));
    if !was_open && reservation.on_expiry == OnExpiry::Release {
        return commit;
    }
    let postings = reservation.holds.iter().map(|hold| Posting {
        used: if was_open { 0 } else { hold.reserved },
        reserved: if was_open { hold.reserved } else { 0 },
        ..hold.clone()
    });
    let before = Movement { postings: postings.collect(), draws: reservation.draws.clone(), ..Movement::default() };
    sum(before, commit)
}

/// Two movements as one, a posting a place and a draw a grant.
fn sum(first: Movement, second: Movement) -> Movement {
    let mut total = first;
    for posting in second.postings {
        match total.postings.iter_mut().find(|other| other.place == posting.place) {
            Some(other) => {
                other.used += posting.used;
                other.reserved += posting.reserved;
                other.credited += posting.credited;
            }
            None => total.postings.push(posting),
        }
    }
    for draw in second.draws {
        match total.draws.iter_mut().find(|other| other.credit == draw.credit) {
            Some(other) => other.amount += draw.amount,
            None => total.draws.push(draw),
        }
    }
    total.draws.retain(|draw| draw.amount != 0);
    total
}
