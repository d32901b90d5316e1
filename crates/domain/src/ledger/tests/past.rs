//! What happens past a limit that does not block: warned, charged up to an amount, or only observed.

use super::account::*;
use crate::ledger::{Action, OnExpiry};
use crate::windows::WindowKind;

#[test]
fn a_limit_that_warns_lets_everything_through() {
    let mut account = Account::with(&[limit("requests", 10).warns()]);
    let stands = account.consumes(&[("requests", 25)]).accepted().limits.remove(0);
    assert_eq!((stands.used, stands.remaining(), stands.warning_percent), (25, Some(0), Some(100)));
    assert_eq!(account.usage("requests"), (25, 0));
}

#[test]
fn a_charge_without_a_cap_lets_everything_through() {
    let mut account = Account::with(&[limit("tokens", 100).charges(500_000_000, 10, None)]);
    account.consumes(&[("tokens", 100_000)]).accepted();
}

#[test]
fn a_charge_stops_where_the_extra_bill_reaches_its_cap() {
    // 0.50 for each 10, up to 2.00: forty more.
    let mut account = Account::with(&[limit("tokens", 100).charges(500_000_000, 10, Some(200))]);
    account.consumes(&[("tokens", 140)]).accepted();
    account.consumes(&[("tokens", 1)]).denied();
    assert_eq!(account.usage("tokens"), (140, 0));
}

#[test]
fn a_cap_of_nothing_blocks_and_a_charge_of_nothing_never_does() {
    let mut account = Account::with(&[limit("tokens", 100).charges(500_000_000, 10, Some(0))]);
    account.consumes(&[("tokens", 101)]).denied();
    account.consumes(&[("tokens", 100)]).accepted();
    let mut account = Account::with(&[limit("tokens", 100).charges(0, 10, Some(100))]);
    account.consumes(&[("tokens", i64::MAX)]).accepted();
}

#[test]
fn an_observed_limit_counts_and_tells_what_it_would_have_denied() {
    let mut account = Account::with(&[limit("requests", 10).observed(), limit("tokens", 100)]);
    assert_eq!(account.consumes(&[("requests", 10)]).accepted().would_deny, None);
    let past = account.consumes(&[("requests", 1)]).accepted();
    let would_deny = past.would_deny.and_then(|denial| denial.limit).expect("the limit that would have denied");
    assert_eq!((would_deny.meter.as_str(), would_deny.used), ("requests", 10));
    assert!(past.limits[0].observed_only);
    account.consumes(&[("requests", 1), ("tokens", 101)]).denied();
    assert_eq!(account.usage("requests"), (11, 0));
}

#[test]
fn a_record_passes_a_blocking_limit_and_tells_so() {
    let mut account = Account::with(&[limit("requests", 10)]);
    assert_eq!(account.asks(Action::Record, &[("requests", 10)]).accepted().would_deny, None);
    let past = account.asks(Action::Record, &[("requests", 5)]).accepted();
    assert_eq!(past.would_deny.and_then(|denial| denial.limit).map(|limit| limit.used), Some(10));
    assert_eq!(account.usage("requests"), (15, 0));
    account.consumes(&[("requests", 1)]).denied();
}

#[test]
fn a_limit_that_warns_or_charges_tells_that_it_was_passed() {
    let limits = [limit("requests", 10).warns(), limit("tokens", 100).charges(500_000_000, 10, None)];
    let mut account = Account::with(&limits);
    assert_eq!(account.consumes(&[("requests", 10), ("tokens", 100)]).accepted().would_deny, None);
    for (meter, used) in [("requests", 10), ("tokens", 100)] {
        let passed = account.consumes(&[(meter, 1)]).accepted().would_deny.and_then(|denial| denial.limit);
        assert_eq!(passed.map(|limit| (limit.meter.to_string(), limit.used)), Some((meter.to_owned(), used)));
    }
}

#[test]
fn a_commit_past_the_limit_tells_so() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 50)], OnExpiry::Release);
    assert_eq!(account.commits(held, &[("tokens", 100)]).accepted().would_deny, None);
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 50)], OnExpiry::Release);
    let passed = account.commits(held, &[("tokens", 101)]).accepted().would_deny.expect("it went past");
    assert_eq!(passed.requested, 51);
}

#[test]
fn the_limit_that_stands_longest_is_named() {
    let mut account = Account::with(&[
        limit("requests", 10).per(WindowKind::Day),
        limit("requests", 10).per(WindowKind::Month),
        limit("requests", 10).per(WindowKind::Year),
    ]);
    account.consumes(&[("requests", 10)]).accepted();
    assert_eq!(account.consumes(&[("requests", 1)]).over_quota().1, WindowKind::Year);
}
