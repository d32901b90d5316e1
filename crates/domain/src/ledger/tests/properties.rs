//! What holds after every command of every random sequence.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::account::*;
use super::random::*;
use crate::catalog::{Enforce, Limit, Past};
use crate::ids::CreditId;
use crate::ledger::{Balance, Command, EventAction, Outcome, Place, Posting, ReservationState};

type Sums = BTreeMap<Place, (i64, i64, i64)>;

fn add<'p>(sums: &mut Sums, postings: impl IntoIterator<Item = &'p Posting>) {
    for posting in postings {
        let sum = sums.entry(posting.place.clone()).or_default();
        sum.0 += posting.used;
        sum.1 += posting.reserved;
        sum.2 += posting.credited;
    }
}

/// Every balance is the sum of the postings of accepted events, and none is below zero.
fn balances_equal_the_fold_of_events(account: &Account, sums: &Sums) -> TestCaseResult {
    for (place, balance) in &account.balances {
        let folded = sums.get(place).copied().unwrap_or_default();
        prop_assert_eq!(folded, (balance.used, balance.reserved, balance.credited), "{:?}", place);
        prop_assert!(balance.used >= 0 && balance.reserved >= 0 && balance.credited >= 0, "{:?} {:?}", place, balance);
    }
    for (place, sum) in sums {
        prop_assert!(account.balances.contains_key(place) || *sum == (0, 0, 0), "{:?} was posted and not kept", place);
    }
    Ok(())
}

fn what_is_reserved_is_held_by_open_reservations(account: &Account) -> TestCaseResult {
    let mut held = Sums::new();
    let open = account.reservations.values().filter(|held| held.state == ReservationState::Open);
    open.for_each(|reservation| add(&mut held, &reservation.holds));
    for (place, balance) in &account.balances {
        prop_assert_eq!(balance.reserved, held.get(place).map_or(0, |sum| sum.1), "{:?}", place);
    }
    Ok(())
}

fn credits_are_what_was_granted_less_what_was_drawn(account: &Account) -> TestCaseResult {
    let mut drawn: BTreeMap<CreditId, i64> = BTreeMap::new();
    for draw in account.events.iter().flat_map(|event| &event.draws) {
        *drawn.entry(draw.credit).or_default() += draw.amount;
    }
    for credit in account.credits.values() {
        prop_assert_eq!(credit.remaining, -drawn.get(&credit.id).copied().unwrap_or(0), "{:?}", credit);
        prop_assert!((0..=credit.granted).contains(&credit.remaining), "{:?}", credit);
    }
    Ok(())
}

/// The most that a limit lets through before it denies, worked out apart from the product's own arithmetic.
fn most(limit: &Limit) -> Option<i128> {
    let amount = i128::from(limit.amount?);
    match &limit.past {
        _ if limit.enforce == Enforce::Observe => None,
        Past::Block => Some(amount),
        Past::Warn => None,
        &Past::Charge { charge_nano, each, up_to_minor, .. } => {
            let cents = up_to_minor.map(i128::from).filter(|_| charge_nano > 0)?;
            Some(amount + cents * 10_000_000 * i128::from(each) / i128::from(charge_nano))
        }
    }
}

/// What a Consume or Reserve adds beyond its credits fits into the room that was there before.
fn no_blocking_limit_is_passed(
    account: &Account,
    before: &BTreeMap<Place, Balance>,
    postings: &[Posting],
) -> TestCaseResult {
    for posting in postings {
        let place = &posting.place;
        let terms = account.terms.meters[&place.meter].places.iter();
        let limit = terms.filter(|terms| terms.scope == place.scope && terms.window == place.window);
        let Some(most) = limit.filter_map(|terms| terms.limit.as_ref()).find_map(most) else { continue };
        let before = before.get(place).copied().unwrap_or_default();
        let taken = i128::from(posting.used) + i128::from(posting.reserved);
        let room = most + i128::from(before.credited) - i128::from(before.used) - i128::from(before.reserved);
        let beyond_credits = taken - i128::from(posting.credited);
        prop_assert!(taken <= 0 || beyond_credits <= room.max(0), "{:?} passed {} by {}", place, most, beyond_credits);
    }
    Ok(())
}

fn takes_room(action: EventAction) -> bool {
    matches!(action, EventAction::Consume | EventAction::Reserve)
}

fn run(account: &mut Account, sums: &mut Sums, command: &Command) -> TestCaseResult {
    let before = account.balances.clone();
    let seen = account.events.len();
    // What is not accepted leaves no trace: `Account::run` compares the whole book.
    let outcome = account.run(command);
    prop_assert_eq!(account.events.len() - seen, usize::from(matches!(outcome, Outcome::Accepted(_))));
    if let Outcome::Accepted(accepted) = outcome {
        add(sums, &accepted.event.postings);
        if takes_room(accepted.event.action) {
            no_blocking_limit_is_passed(account, &before, &accepted.event.postings)?;
        }
    }
    Ok(())
}

fn tell(steps: &[Step]) -> TestCaseResult {
    let mut account = account();
    let mut sums = Sums::new();
    for step in steps {
        match step {
            Step::Wait { seconds } => drop(account.wait_seconds(*seconds)),
            Step::MoveToPlan(number) => account.moves_to(&plan(*number)),
            Step::Stand(standing) => account.terms.standing = *standing,
            _ => {}
        }
        let seen = account.events.len();
        account.settle_expired();
        account.events[seen..].iter().for_each(|event| add(&mut sums, &event.postings));
        if let Some(command) = account.command_of(step) {
            run(&mut account, &mut sums, &command)?;
        }
        balances_equal_the_fold_of_events(&account, &sums)?;
        what_is_reserved_is_held_by_open_reservations(&account)?;
        credits_are_what_was_granted_less_what_was_drawn(&account)?;
    }
    Ok(())
}

fn cases() -> u32 {
    std::env::var("TOLLWAY_SIMULATION_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_stays_exact_whatever_is_asked_of_it(steps in prop::collection::vec(step(), 1..80)) {
        tell(&steps)?;
    }
}
