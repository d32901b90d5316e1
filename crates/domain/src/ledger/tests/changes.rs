//! Changes of plan, standing and anchor: usage stays, the new limit holds at once.

use super::account::*;
use crate::ledger::Action;
use crate::ledger::OnExpiry::Release;
use crate::windows::WindowKind;

#[test]
fn an_upgrade_keeps_usage_and_makes_room_at_once() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 100)]).accepted();
    account.consumes(&[("tokens", 1)]).denied();
    account.moves_to(&[limit("tokens", 250)]);
    let stands = account.consumes(&[("tokens", 150)]).accepted().limits.remove(0);
    assert_eq!((stands.used, stands.remaining()), (250, Some(0)));
    account.consumes(&[("tokens", 1)]).denied();
}

#[test]
fn a_downgrade_removes_nothing_and_blocks_at_once() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 60)]).accepted();
    account.moves_to(&[limit("tokens", 50)]);
    assert_eq!(account.consumes(&[("tokens", 1)]).over_quota().2, Some(0));
    assert_eq!(account.usage("tokens"), (60, 0));
    account.at("2026-04-10T00:00:00Z").consumes(&[("tokens", 50)]).accepted();
}

#[test]
fn a_plan_that_limits_another_window_finds_its_history() {
    let mut account = Account::with(&[limit("tokens", 100).per(WindowKind::Day), limit("tokens", 500)]);
    account.moves_to(&[limit("tokens", 500)]);
    account.consumes(&[("tokens", 90)]).accepted();
    account.moves_to(&[limit("tokens", 100).per(WindowKind::Day)]);
    account.consumes(&[("tokens", 11)]).denied();
    account.consumes(&[("tokens", 10)]).accepted();
    assert_eq!(account.usage("tokens"), (100, 0));
}

#[test]
fn a_plan_without_the_limit_lets_everything_through_and_counts_it() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.moves_to(&[]);
    account.consumes(&[("tokens", 5_000)]).accepted();
    account.moves_to(&[limit("tokens", 6_000)]);
    account.consumes(&[("tokens", 1_001)]).denied();
    account.consumes(&[("tokens", 1_000)]).accepted();
}

#[test]
fn a_hold_made_on_another_plan_is_settled_where_it_was_made() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 100)], Release);
    account.moves_to(&[limit("tokens", 20)]);
    account.commits(held, &[("tokens", 90)]).accepted();
    assert_eq!(account.usage("tokens"), (90, 0));
    account.consumes(&[("tokens", 1)]).denied();
}

#[test]
fn a_new_anchor_opens_a_period_with_nothing_used_and_calendar_windows_go_on() {
    let mut account = Account::with(&[limit("tokens", 100), limit("tokens", 150).per(WindowKind::Month)]);
    let before = account.reserves(&[("tokens", 40)], Release);
    account.consumes(&[("tokens", 60)]).accepted();
    account.terms.anchor = account.now;
    account.terms.periods_since = account.now;
    let stands = account.consumes(&[("tokens", 50)]).accepted().limits;
    assert_eq!(stands.iter().map(|limit| limit.used).collect::<Vec<_>>(), [50, 110]);
    account.consumes(&[("tokens", 1)]).denied();
    // The hold is still the old period's.
    account.releases(before).accepted();
    assert_eq!(account.usage("tokens"), (50, 0));
    account.consumes(&[("tokens", 40)]).accepted();
    assert_eq!(account.balance_from("tokens", WindowKind::Period, time("2026-03-10T00:00:00Z")).used, 60);
}

#[test]
fn observing_stops_enforcing_at_once_and_back() {
    let mut account = Account::with(&[limit("tokens", 10)]);
    account.consumes(&[("tokens", 11)]).denied();
    account.moves_to(&[limit("tokens", 10).observed()]);
    assert!(account.consumes(&[("tokens", 11)]).accepted().would_deny.is_some());
    account.moves_to(&[limit("tokens", 10)]);
    account.consumes(&[("tokens", 1)]).denied();
    account.asks(Action::Adjust, &[("tokens", -2)]).accepted();
    account.consumes(&[("tokens", 1)]).accepted();
}
