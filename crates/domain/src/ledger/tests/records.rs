//! Recording work already done: in its own window until that is closed, then in the open one.

use super::account::*;
use crate::ledger::Refusal;
use crate::windows::WindowKind;

fn daily() -> Account {
    Account::with(&[limit("tokens", 100).per(WindowKind::Day), limit("tokens", 1_000)])
}

#[test]
fn a_record_counts_in_the_window_it_happened_in() {
    let mut account = daily();
    let yesterday = time("2026-03-14T00:00:00Z");
    account.at("2026-03-15T00:59:59.999999Z");
    let event = account.records_at("2026-03-14T23:00:00Z", &[("tokens", 7)]).accepted().event;
    assert!(!event.late);
    assert_eq!(account.balance_from("tokens", WindowKind::Day, yesterday).used, 7);
    assert_eq!(account.balance("tokens", WindowKind::Day).used, 0);
}

#[test]
fn an_hour_after_its_end_a_window_is_closed_and_the_open_one_counts() {
    let mut account = daily();
    account.at("2026-03-15T01:00:00Z");
    let event = account.records_at("2026-03-14T23:00:00Z", &[("tokens", 7)]).accepted().event;
    assert!(event.late);
    assert_eq!(event.occurred_at, time("2026-03-14T23:00:00Z"));
    assert_eq!(account.balance_from("tokens", WindowKind::Day, time("2026-03-14T00:00:00Z")).used, 0);
    assert_eq!(account.balance("tokens", WindowKind::Day).used, 7);
}

#[test]
fn each_window_closes_by_itself() {
    let mut account = daily();
    // The day of the 12th is closed, the period that began on the 10th is not.
    account.records_at("2026-03-12T12:00:00Z", &[("tokens", 5)]).accepted();
    assert_eq!((account.balance("tokens", WindowKind::Day).used, account.usage("tokens").0), (5, 5));
    // The period before is closed too.
    account.records_at("2026-03-09T12:00:00Z", &[("tokens", 3)]).accepted();
    assert_eq!((account.balance("tokens", WindowKind::Day).used, account.usage("tokens").0), (8, 8));
    assert_eq!(account.balance_from("tokens", WindowKind::Period, time("2026-02-10T00:00:00Z")).used, 0);
}

#[test]
fn what_is_older_than_35_days_is_refused() {
    let mut account = daily();
    account.records_at("2026-02-08T12:00:00Z", &[("tokens", 1)]).accepted();
    assert_eq!(account.records_at("2026-02-08T11:59:59Z", &[("tokens", 1)]).refused(), Refusal::TooOld);
    assert_eq!(account.records_at("1970-01-01T00:00:00Z", &[("tokens", 1)]).refused(), Refusal::TooOld);
}

#[test]
fn what_is_more_than_5_minutes_ahead_is_refused() {
    let mut account = daily();
    account.records_at("2026-03-15T12:05:00Z", &[("tokens", 1)]).accepted();
    let ahead = account.records_at("2026-03-15T12:05:00.000001Z", &[("tokens", 1)]);
    assert_eq!(ahead.refused(), Refusal::InTheFuture);
}

#[test]
fn a_clock_that_runs_ahead_counts_in_the_window_it_names() {
    let mut account = daily();
    account.at("2026-03-15T23:58:00Z");
    let event = account.records_at("2026-03-16T00:01:00Z", &[("tokens", 4)]).accepted().event;
    assert!(!event.late);
    assert_eq!(account.balance("tokens", WindowKind::Day).used, 0);
    assert_eq!(account.at("2026-03-16T00:05:00Z").balance("tokens", WindowKind::Day).used, 4);
}

#[test]
fn usage_from_before_this_run_of_periods_counts_in_the_open_one() {
    let mut account = daily();
    account.terms.anchor = time("2026-03-15T11:30:00Z");
    account.terms.periods_since = time("2026-03-15T11:30:00Z");
    let event = account.records_at("2026-03-15T11:00:00Z", &[("tokens", 4)]).accepted().event;
    assert!(event.late);
    assert_eq!((account.usage("tokens").0, account.balance("tokens", WindowKind::Day).used), (4, 4));
}

#[test]
fn a_record_without_a_time_happened_now() {
    let mut account = daily();
    let event = account.asks(crate::ledger::Action::Record, &[("tokens", 4)]).accepted().event;
    assert_eq!((event.occurred_at, event.late), (account.now, false));
}

#[test]
fn a_consume_counts_now_whatever_time_it_names() {
    let mut account = daily();
    let command = account.command(crate::ledger::Action::Consume, amounts(&[("tokens", 4)]), Default::default());
    let command = crate::ledger::Command { occurred_at: Some(time("2026-03-14T12:00:00Z")), ..command };
    account.run(&command).accepted();
    assert_eq!(account.balance("tokens", WindowKind::Day).used, 4);
}
