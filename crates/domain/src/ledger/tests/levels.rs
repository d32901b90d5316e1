//! Levels: set to a reading, moved by signed differences, never below zero, never starting again.

use super::account::*;
use crate::catalog::LimitScope;
use crate::ledger::OnExpiry::Release;
use crate::ledger::{Action, Command, Outcome, Refusal, Scopes};
use crate::windows::WindowKind;

fn storage(amount: i64) -> Account {
    Account::with_levels(&[limit("storage", amount), limit("requests", 10)], &["storage"])
}

fn level(account: &Account) -> i64 {
    account.balance("storage", WindowKind::Lifetime).used
}

fn sets(account: &mut Account, when: &str, value: i64) -> Outcome {
    let command = account.command(Action::SetLevel, amounts(&[("storage", value)]), Scopes::default());
    account.run(&Command { occurred_at: Some(time(when)), ..command })
}

#[test]
fn a_reading_sets_the_level_and_stores_the_difference() {
    let mut account = storage(100);
    sets(&mut account, "2026-03-15T10:00:00Z", 40).accepted();
    let event = sets(&mut account, "2026-03-15T11:00:00Z", 30).accepted().event;
    assert_eq!((event.postings[0].used, level(&account)), (-10, 30));
}

#[test]
fn an_older_reading_is_kept_and_moves_nothing() {
    let mut account = storage(100);
    sets(&mut account, "2026-03-15T11:00:00Z", 40).accepted();
    let event = sets(&mut account, "2026-03-15T10:59:59Z", 90).accepted().event;
    assert!(event.ignored && event.postings.is_empty());
    assert_eq!(level(&account), 40);
    let same_moment = sets(&mut account, "2026-03-15T11:00:00Z", 50).accepted().event;
    assert!(!same_moment.ignored);
    assert_eq!(level(&account), 50);
}

#[test]
fn a_reading_is_never_denied_and_growth_past_the_limit_is() {
    let mut account = storage(100);
    sets(&mut account, "2026-03-15T11:00:00Z", 150).accepted();
    account.consumes(&[("storage", 1)]).denied();
    account.consumes(&[("storage", -60)]).accepted();
    account.consumes(&[("storage", 10)]).accepted();
    account.consumes(&[("storage", 1)]).denied();
    assert_eq!(level(&account), 100);
}

#[test]
fn a_level_never_falls_below_zero() {
    let mut account = storage(100);
    assert_eq!(sets(&mut account, NOON, -1).refused(), Refusal::LevelBelowZero("storage".into()));
    account.consumes(&[("storage", 5)]).accepted();
    assert_eq!(account.consumes(&[("storage", -6)]).refused(), Refusal::LevelBelowZero("storage".into()));
    assert_eq!(account.consumes(&[("storage", i64::MIN)]).refused(), Refusal::LevelBelowZero("storage".into()));
    account.consumes(&[("storage", -5)]).accepted();
    assert_eq!(level(&account), 0);
}

#[test]
fn a_level_is_not_reset_by_time_or_plan_and_a_downgrade_blocks_growth_alone() {
    let mut account = storage(100);
    account.consumes(&[("storage", 80)]).accepted();
    account.at("2027-06-01T00:00:00Z").moves_to(&[limit("storage", 50).per(WindowKind::Lifetime)]);
    assert_eq!(level(&account), 80);
    account.consumes(&[("storage", 1)]).denied();
    account.consumes(&[("storage", -40)]).accepted();
    account.consumes(&[("storage", 10)]).accepted();
}

#[test]
fn a_level_may_be_held_and_committed() {
    let mut account = storage(100);
    let held = account.reserves(&[("storage", 100)], Release);
    account.consumes(&[("storage", 1)]).denied();
    account.commits(held, &[("storage", 60)]).accepted();
    assert_eq!(level(&account), 60);
}

#[test]
fn readings_are_for_levels_alone() {
    let mut account = storage(100);
    let outcome = account.asks(Action::SetLevel, &[("requests", 5)]);
    assert_eq!(outcome.refused(), Refusal::NotALevel("requests".into()));
    let both = account.asks(Action::SetLevel, &[("storage", 5), ("requests", 5)]);
    assert_eq!(both.refused(), Refusal::NotALevel("requests".into()));
    assert_eq!(level(&account), 0);
}

#[test]
fn a_reading_from_the_future_or_long_ago_is_refused() {
    let mut account = storage(100);
    assert_eq!(sets(&mut account, "2026-03-15T12:06:00Z", 5).refused(), Refusal::InTheFuture);
    assert_eq!(sets(&mut account, "2026-01-15T12:06:00Z", 5).refused(), Refusal::TooOld);
}

#[test]
fn credits_do_not_stretch_levels() {
    let mut account = Account::with_levels(&[limit("seats", 5).each(LimitScope::Account)], &["seats"]);
    account.is_granted("seats", 10, 0, None);
    account.consumes(&[("seats", 6)]).denied();
}
