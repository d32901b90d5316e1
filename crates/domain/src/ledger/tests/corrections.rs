//! What people mend by hand: adjustments, voids and corrections. Nothing falls below zero, nothing is undone twice.

use super::account::*;
use crate::ledger::OnExpiry::Release;
use crate::ledger::{Action, Refusal};
use crate::windows::WindowKind;

#[test]
fn an_adjustment_adds_or_gives_back() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 100)]).accepted();
    account.asks(Action::Adjust, &[("tokens", -30)]).accepted();
    account.consumes(&[("tokens", 30)]).accepted();
    account.asks(Action::Adjust, &[("tokens", 20)]).accepted();
    assert_eq!(account.usage("tokens"), (120, 0));
    account.consumes(&[("tokens", 1)]).denied();
}

#[test]
fn giving_back_more_than_was_used_stops_at_zero_in_every_window() {
    let mut account = Account::with(&[limit("tokens", 100).per(WindowKind::Day), limit("tokens", 1_000)]);
    account.consumes(&[("tokens", 50)]).accepted();
    account.at("2026-03-16T12:00:00Z").consumes(&[("tokens", 10)]).accepted();
    let event = account.asks(Action::Adjust, &[("tokens", -40)]).accepted().event;
    let moved: Vec<i64> = event.postings.iter().map(|posting| posting.used).collect();
    assert!(moved.contains(&-40) && moved.contains(&-10), "{moved:?}");
    assert_eq!((account.balance("tokens", WindowKind::Day).used, account.usage("tokens").0), (0, 20));
    account.asks(Action::Adjust, &[("tokens", i64::MIN)]).accepted();
    assert_eq!(account.usage("tokens"), (0, 0));
}

#[test]
fn an_adjustment_leaves_holds_alone() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 100)], Release);
    account.asks(Action::Adjust, &[("tokens", -100)]).accepted();
    assert_eq!(account.usage("tokens"), (0, 100));
    account.releases(held).accepted();
}

#[test]
fn adjustments_too_large_to_count_are_refused() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 1)]).accepted();
    let outcome = account.asks(Action::Adjust, &[("tokens", i64::MAX)]);
    assert_eq!(outcome.refused(), Refusal::TooLarge("tokens".into()));
    assert_eq!(account.asks(Action::Adjust, &[("wishes", 1)]).refused(), Refusal::MeterUnknown("wishes".into()));
}

#[test]
fn a_void_takes_usage_back_in_the_windows_it_counted_in() {
    let mut account = Account::with(&[limit("tokens", 100).per(WindowKind::Day), limit("tokens", 1_000)]);
    let event = account.consumes(&[("tokens", 70)]).accepted().event.id;
    account.at("2026-03-20T12:00:00Z").consumes(&[("tokens", 5)]).accepted();
    let reversal = account.voids(event).accepted().event;
    assert_eq!(reversal.reverses, Some(event));
    assert_eq!(account.balance_from("tokens", WindowKind::Day, time("2026-03-15T00:00:00Z")).used, 0);
    assert_eq!((account.balance("tokens", WindowKind::Day).used, account.usage("tokens").0), (5, 5));
}

#[test]
fn an_event_is_reversed_once() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let event = account.consumes(&[("tokens", 70)]).accepted().event.id;
    let by = account.voids(event).accepted().event.id;
    assert_eq!(account.voids(event).refused(), Refusal::AlreadyReversed(by));
    assert_eq!(account.corrects(event, &[("tokens", 5)]).refused(), Refusal::AlreadyReversed(by));
    assert_eq!(account.usage("tokens"), (0, 0));
}

#[test]
fn a_correction_counts_the_new_amount_and_leaves_other_meters() {
    let mut account = Account::with(&[limit("tokens", 100), limit("requests", 10)]);
    let event = account.consumes(&[("tokens", 70), ("requests", 1)]).accepted().event.id;
    account.corrects(event, &[("tokens", 90)]).accepted();
    assert_eq!((account.usage("tokens"), account.usage("requests")), ((90, 0), (1, 0)));
    let second = account.consumes(&[("tokens", 10)]).accepted().event.id;
    assert_eq!(account.corrects(second, &[("tokens", -1)]).refused(), Refusal::NegativeQuantity("tokens".into()));
    account.corrects(second, &[("tokens", 0)]).accepted();
    assert_eq!(account.usage("tokens"), (90, 0));
}

#[test]
fn only_usage_can_be_reversed() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 10)], Release);
    account.is_granted("tokens", 5, 0, None);
    account.releases(held).accepted();
    let voided = account.consumes(&[("tokens", 1)]).accepted().event.id;
    account.voids(voided).accepted();
    for event in account.events.clone() {
        if event.id != voided {
            assert_eq!(account.voids(event.id).refused(), Refusal::NotReversible, "{:?}", event.action);
        }
    }
}

#[test]
fn a_void_after_usage_was_given_back_by_hand_stops_at_zero() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let event = account.consumes(&[("tokens", 70)]).accepted().event.id;
    account.asks(Action::Adjust, &[("tokens", -50)]).accepted();
    account.voids(event).accepted();
    assert_eq!(account.usage("tokens"), (0, 0));
}

#[test]
fn a_voided_adjustment_restores_what_it_really_moved() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 20)]).accepted();
    let given_back = account.asks(Action::Adjust, &[("tokens", -50)]).accepted().event.id;
    account.voids(given_back).accepted();
    assert_eq!(account.usage("tokens"), (20, 0));
}

#[test]
fn corrections_too_large_to_count_are_refused() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 20)]).accepted();
    let given_back = account.asks(Action::Adjust, &[("tokens", -10)]).accepted().event.id;
    let outcome = account.corrects(given_back, &[("tokens", i64::MAX)]);
    assert_eq!(outcome.refused(), Refusal::TooLarge("tokens".into()));
}

#[test]
fn whatever_is_held_can_still_be_booked() {
    let mut account = Account::with_levels(&[limit("tokens", 100), limit("seats", 10)], &["seats"]);
    account.reserves(&[("tokens", 5), ("seats", 5)], Release);
    for (action, meter) in [(Action::Adjust, "tokens"), (Action::SetLevel, "seats")] {
        assert_eq!(account.asks(action.clone(), &[(meter, i64::MAX - 4)]).refused(), Refusal::TooLarge(meter.into()));
        account.asks(action, &[(meter, i64::MAX - 5)]).accepted();
    }
}
