//! Credits: drawn after the plan's own amount, in order, given back when what drew them is given back.

use super::account::*;
use crate::catalog::LimitScope;
use crate::ledger::OnExpiry::{Commit, Release};
use crate::ledger::{Action, Refusal};
use crate::windows::WindowKind;

#[test]
fn credits_are_drawn_after_the_plans_own_amount() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let credit = account.is_granted("tokens", 50, 0, None);
    account.consumes(&[("tokens", 90)]).accepted();
    assert_eq!(account.credit_left(credit), 50);
    let event = account.consumes(&[("tokens", 30)]).accepted();
    assert_eq!((event.event.draws[0].amount, account.credit_left(credit)), (20, 30));
    assert_eq!(event.limits[0].remaining(), Some(30));
    account.consumes(&[("tokens", 31)]).denied();
    account.consumes(&[("tokens", 30)]).accepted();
    assert_eq!((account.usage("tokens"), account.credit_left(credit)), ((150, 0), 0));
    account.consumes(&[("tokens", 1)]).denied();
}

#[test]
fn a_new_period_draws_the_plan_first_again() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let credit = account.is_granted("tokens", 50, 0, None);
    account.consumes(&[("tokens", 120)]).accepted();
    account.at("2026-04-10T00:00:00Z").consumes(&[("tokens", 100)]).accepted();
    assert_eq!(account.credit_left(credit), 30);
    account.consumes(&[("tokens", 30)]).accepted();
    account.consumes(&[("tokens", 1)]).denied();
}

#[test]
fn the_lowest_priority_goes_first_then_the_one_that_expires_first() {
    let mut account = Account::with(&[limit("tokens", 0)]);
    let never = account.is_granted("tokens", 10, 1, None);
    let late = account.is_granted("tokens", 10, 1, Some("2026-06-01T00:00:00Z"));
    let soon = account.is_granted("tokens", 10, 1, Some("2026-05-01T00:00:00Z"));
    let first = account.is_granted("tokens", 10, 0, None);
    account.consumes(&[("tokens", 25)]).accepted();
    let left = [first, soon, late, never].map(|credit| account.credit_left(credit));
    assert_eq!(left, [0, 0, 5, 10]);
}

#[test]
fn an_expired_credit_is_not_used() {
    let mut account = Account::with(&[limit("tokens", 10)]);
    let credit = account.is_granted("tokens", 50, 0, Some("2026-03-16T00:00:00Z"));
    account.at("2026-03-15T23:59:59.999999Z").consumes(&[("tokens", 20)]).accepted();
    let denial = account.at("2026-03-16T00:00:00Z").consumes(&[("tokens", 1)]).denied();
    assert_eq!(denial.limit.map(|limit| limit.credits_left), Some(0));
    assert_eq!(account.credit_left(credit), 40);
}

#[test]
fn a_denial_draws_nothing() {
    let mut account = Account::with(&[limit("tokens", 10), limit("requests", 1)]);
    let credit = account.is_granted("tokens", 50, 0, None);
    account.consumes(&[("tokens", 61)]).denied();
    account.consumes(&[("tokens", 30), ("requests", 2)]).denied();
    assert_eq!(account.credit_left(credit), 50);
}

#[test]
fn a_release_gives_back_what_the_hold_drew_even_when_it_drew_all() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let credit = account.is_granted("tokens", 50, 0, None);
    let held = account.reserves(&[("tokens", 150)], Release);
    assert_eq!(account.credit_left(credit), 0);
    account.releases(held).accepted();
    assert_eq!(account.credit_left(credit), 50);
    account.consumes(&[("tokens", 150)]).accepted();
}

#[test]
fn a_lapse_gives_back_and_a_booked_estimate_keeps() {
    for (on_expiry, left) in [(Release, 50), (Commit, 0)] {
        let mut account = Account::with(&[limit("tokens", 100)]);
        let credit = account.is_granted("tokens", 50, 0, None);
        let held = account.reserves(&[("tokens", 150)], on_expiry);
        account.wait_seconds(600).expires(held).accepted();
        assert_eq!(account.credit_left(credit), left);
        account.releases(held);
        assert_eq!((account.credit_left(credit), account.usage("tokens")), (50, (0, 0)));
    }
}

#[test]
fn a_commit_draws_what_it_needs_and_gives_the_rest_back() {
    for (really, left) in [(100, 50), (120, 30), (150, 0), (180, 0)] {
        let mut account = Account::with(&[limit("tokens", 100)]);
        let credit = account.is_granted("tokens", 50, 0, None);
        let held = account.reserves(&[("tokens", 140)], Release);
        assert_eq!(account.credit_left(credit), 10);
        account.commits(held, &[("tokens", really)]).accepted();
        assert_eq!((account.credit_left(credit), account.usage("tokens")), (left, (really, 0)));
    }
}

#[test]
fn one_credit_makes_room_in_every_window_at_once() {
    let mut account = Account::with(&[limit("tokens", 10).per(WindowKind::Day), limit("tokens", 100)]);
    let credit = account.is_granted("tokens", 50, 0, None);
    account.consumes(&[("tokens", 30)]).accepted();
    assert_eq!(account.credit_left(credit), 30);
    for day in ["16", "17", "18", "19", "20", "21", "22"] {
        account.at(&format!("2026-03-{day}T12:00:00Z")).consumes(&[("tokens", 10)]).accepted();
    }
    assert_eq!(account.credit_left(credit), 30);
    account.at("2026-03-23T12:00:00Z").consumes(&[("tokens", 10)]).accepted();
    assert_eq!((account.usage("tokens").0, account.credit_left(credit)), (110, 20));
}

#[test]
fn a_limit_for_each_member_is_not_stretched_by_credits() {
    let mut account = Account::with(&[limit("tokens", 10).each(LimitScope::Member), limit("tokens", 5)]);
    let credit = account.is_granted("tokens", 100, 0, None);
    account.asks_for(member("ann"), Action::Consume, &[("tokens", 10)]).accepted();
    account.asks_for(member("ann"), Action::Consume, &[("tokens", 1)]).denied();
    assert_eq!(account.credit_left(credit), 95);
}

#[test]
fn records_draw_what_there_is_and_pass_the_limit_with_the_rest() {
    let mut account = Account::with(&[limit("tokens", 10)]);
    let credit = account.is_granted("tokens", 5, 0, None);
    let past = account.asks(Action::Record, &[("tokens", 20)]).accepted();
    assert_eq!((account.credit_left(credit), account.usage("tokens")), (0, (20, 0)));
    assert!(past.would_deny.is_some());
}

#[test]
fn a_credit_granted_after_a_denial_is_used_at_once() {
    let mut account = Account::with(&[limit("tokens", 10)]);
    account.consumes(&[("tokens", 11)]).denied();
    account.is_granted("tokens", 1, 0, None);
    account.consumes(&[("tokens", 11)]).accepted();
}

#[test]
fn no_change_of_plan_makes_a_credit_negative() {
    let mut account = Account::with(&[limit("tokens", 10)]);
    let credit = account.is_granted("tokens", 20, 0, None);
    let held = account.reserves(&[("tokens", 30)], Release);
    account.moves_to(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 90)]).accepted();
    account.commits(held, &[("tokens", 15)]).accepted();
    assert_eq!((account.credit_left(credit), account.usage("tokens")), (15, (105, 0)));
    account.moves_to(&[limit("tokens", 10)]);
    // Usage from before the downgrade stays past the limit; what the credit covers is still allowed.
    account.consumes(&[("tokens", 16)]).denied();
    account.consumes(&[("tokens", 15)]).accepted();
    assert_eq!((account.credit_left(credit), account.usage("tokens")), (0, (120, 0)));
    account.consumes(&[("tokens", 1)]).denied();
}

#[test]
fn a_credit_bought_after_the_limit_was_passed_is_worth_its_whole_amount() {
    let mut account = Account::with(&[limit("tokens", 10)]);
    account.asks(Action::Record, &[("tokens", 25)]).accepted();
    assert_eq!(account.consumes(&[("tokens", 1)]).over_quota().2, Some(0));
    let credit = account.is_granted("tokens", 5, 0, None);
    assert_eq!(account.consumes(&[("tokens", 6)]).over_quota().2, Some(5));
    let stands = account.consumes(&[("tokens", 2)]).accepted().limits.remove(0);
    assert_eq!((stands.remaining(), account.credit_left(credit)), (Some(3), 3));
    account.consumes(&[("tokens", 3)]).accepted();
    account.consumes(&[("tokens", 1)]).denied();
}

#[test]
fn grants_are_positive_and_for_meters_that_exist() {
    let mut account = Account::with(&[limit("tokens", 10)]);
    for (meter, amount, refusal) in [
        ("wishes", 5, Refusal::MeterUnknown("wishes".into())),
        ("tokens", 0, Refusal::NegativeQuantity("tokens".into())),
        ("tokens", -5, Refusal::NegativeQuantity("tokens".into())),
    ] {
        let credit = crate::ledger::Credit {
            id: crate::ids::Id::from_bits(1),
            meter: meter.into(),
            granted: amount,
            remaining: amount,
            priority: 0,
            expires_at: None,
        };
        assert_eq!(account.asks(Action::Grant { credit }, &[]).refused(), refusal);
    }
    assert!(account.credits.is_empty());
}

#[test]
fn a_voided_event_gives_its_credits_back() {
    let mut account = Account::with(&[limit("tokens", 10)]);
    let credit = account.is_granted("tokens", 20, 0, None);
    let event = account.consumes(&[("tokens", 30)]).accepted().event.id;
    account.voids(event).accepted();
    assert_eq!((account.credit_left(credit), account.usage("tokens")), (20, (0, 0)));
    account.consumes(&[("tokens", 31)]).denied();
    account.consumes(&[("tokens", 30)]).accepted();
}
