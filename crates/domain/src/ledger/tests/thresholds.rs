//! Warnings at 80, 90 and 100 percent: each exactly once a window, and again after a reset or a changed limit.

use super::account::*;
use crate::catalog::LimitScope;
use crate::ledger::OnExpiry::Release;
use crate::ledger::{Action, Outcome};
use crate::windows::WindowKind;

#[track_caller]
fn crossed(outcome: Outcome) -> Vec<u8> {
    outcome.accepted().crossed.iter().map(|crossing| crossing.percent).collect()
}

#[test]
fn each_threshold_is_told_once() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    assert!(crossed(account.consumes(&[("tokens", 79)])).is_empty());
    assert_eq!(crossed(account.consumes(&[("tokens", 1)])), [80]);
    assert!(crossed(account.consumes(&[("tokens", 5)])).is_empty());
    assert_eq!(crossed(account.consumes(&[("tokens", 15)])), [90, 100]);
    assert!(crossed(account.asks(Action::Record, &[("tokens", 50)])).is_empty());
}

#[test]
fn one_call_that_jumps_over_two_tells_both() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 70)]).accepted();
    assert_eq!(crossed(account.consumes(&[("tokens", 25)])), [80, 90]);
    assert!(crossed(account.consumes(&[("tokens", 4)])).is_empty());
    assert_eq!(crossed(account.consumes(&[("tokens", 1)])), [100]);
}

#[test]
fn a_new_window_tells_again() {
    let mut account = Account::with(&[limit("tokens", 100).per(WindowKind::Day)]);
    assert_eq!(crossed(account.consumes(&[("tokens", 100)])), [80, 90, 100]);
    account.at("2026-03-16T00:00:00Z");
    assert_eq!(crossed(account.consumes(&[("tokens", 85)])), [80]);
}

#[test]
fn a_changed_limit_tells_again() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    assert_eq!(crossed(account.consumes(&[("tokens", 85)])), [80]);
    account.moves_to(&[limit("tokens", 1_000)]);
    assert!(crossed(account.consumes(&[("tokens", 1)])).is_empty());
    assert_eq!(crossed(account.consumes(&[("tokens", 714)])), [80]);
    account.moves_to(&[limit("tokens", 800)]);
    account.asks(Action::Record, &[("tokens", 1)]).accepted();
    account.moves_to(&[limit("tokens", 900)]);
    assert_eq!(crossed(account.asks(Action::Record, &[("tokens", 1)])), [80]);
}

#[test]
fn giving_back_and_using_again_does_not_tell_twice() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    assert_eq!(crossed(account.consumes(&[("tokens", 80)])), [80]);
    account.asks(Action::Adjust, &[("tokens", -50)]).accepted();
    assert!(crossed(account.consumes(&[("tokens", 55)])).is_empty());
    assert_eq!(crossed(account.consumes(&[("tokens", 5)])), [90]);
}

#[test]
fn every_window_and_member_tells_for_itself() {
    let limits = [limit("tokens", 100).per(WindowKind::Day), limit("tokens", 10).each(LimitScope::Member)];
    let mut account = Account::with(&limits);
    let told = account.asks_for(member("ann"), Action::Consume, &[("tokens", 9)]).accepted().crossed;
    let told: Vec<_> = told.iter().map(|crossing| (crossing.scope, crossing.percent)).collect();
    assert_eq!(told, [(LimitScope::Member, 80), (LimitScope::Member, 90)]);
    let told = account.asks_for(member("bob"), Action::Consume, &[("tokens", 8)]).accepted().crossed;
    assert_eq!(told.iter().map(|crossing| crossing.percent).collect::<Vec<_>>(), [80]);
}

#[test]
fn a_hold_tells_nothing_until_it_is_committed() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 100)], Release);
    assert_eq!(crossed(account.commits(held, &[("tokens", 90)])), [80, 90]);
}

#[test]
fn a_denial_and_an_unlimited_meter_tell_nothing() {
    let mut account = Account::with(&[limit("tokens", 100), unlimited("requests"), limit("images", 0).warns()]);
    account.consumes(&[("tokens", 101)]).denied();
    assert!(crossed(account.consumes(&[("requests", 1_000), ("images", 5)])).is_empty());
    assert_eq!(crossed(account.consumes(&[("tokens", 80)])), [80]);
}

#[test]
fn a_window_that_is_over_tells_nothing() {
    let mut account = Account::with(&[limit("tokens", 100).per(WindowKind::Day)]);
    account.at("2026-03-16T00:30:00Z");
    assert!(crossed(account.records_at("2026-03-15T23:00:00Z", &[("tokens", 95)])).is_empty());
}
