//! Day, month, period, year and lifetime together, and what a turn of a window resets.

use super::account::*;
use crate::windows::WindowKind;

fn day_month_period() -> Account {
    Account::with(&[
        limit("requests", 10).per(WindowKind::Day),
        limit("requests", 25).per(WindowKind::Month),
        limit("requests", 100).per(WindowKind::Period),
    ])
}

#[test]
fn every_window_of_a_meter_must_have_room() {
    let mut account = day_month_period();
    account.consumes(&[("requests", 10)]).accepted();
    assert_eq!(account.consumes(&[("requests", 1)]).over_quota().1, WindowKind::Day);
    account.at("2026-03-16T00:00:00Z").consumes(&[("requests", 10)]).accepted();
    account.at("2026-03-17T23:59:59.999999Z").consumes(&[("requests", 5)]).accepted();
    assert_eq!(account.consumes(&[("requests", 1)]).over_quota().1, WindowKind::Month);
    account.at("2026-04-01T00:00:00Z").consumes(&[("requests", 10)]).accepted();
    assert_eq!(account.balance("requests", WindowKind::Day).used, 10);
    assert_eq!(account.balance("requests", WindowKind::Month).used, 10);
    assert_eq!(account.balance("requests", WindowKind::Period).used, 35);
}

#[test]
fn a_period_starts_again_even_when_nobody_looked() {
    let mut account = Account::with(&[limit("requests", 5)]);
    account.consumes(&[("requests", 5)]).accepted();
    account.at("2026-04-09T23:59:59.999999Z").consumes(&[("requests", 1)]).denied();
    account.at("2026-04-10T00:00:00Z").consumes(&[("requests", 5)]).accepted();
    let stands = account.consumes(&[("requests", 1)]).denied().limit.expect("the limit in the way");
    assert_eq!(stands.start, time("2026-04-10T00:00:00Z"));
    let untouched = account.at("2027-12-24T00:00:00Z").consumes(&[("requests", 5)]).accepted();
    assert_eq!(untouched.limits[0].start, time("2027-12-10T00:00:00Z"));
    assert_eq!(untouched.limits[0].resets_at, Some(time("2028-01-10T00:00:00Z")));
}

#[test]
fn the_first_millisecond_belongs_to_the_new_window_and_the_last_to_the_old() {
    let mut account = Account::with(&[limit("requests", 1).per(WindowKind::Day)]);
    account.at("2026-03-15T23:59:59.999999Z").consumes(&[("requests", 1)]).accepted();
    account.at("2026-03-16T00:00:00Z").consumes(&[("requests", 1)]).accepted();
    account.consumes(&[("requests", 1)]).denied();
}

#[test]
fn a_lifetime_never_starts_again_and_a_year_follows_the_anchor() {
    let mut account =
        Account::with(&[limit("exports", 3).per(WindowKind::Lifetime), limit("calls", 3).per(WindowKind::Year)]);
    account.consumes(&[("exports", 3), ("calls", 3)]).accepted();
    account.at("2027-01-09T23:00:00Z").consumes(&[("calls", 1)]).denied();
    account.at("2027-01-10T00:00:00Z").consumes(&[("calls", 3)]).accepted();
    account.at("2036-01-10T00:00:00Z");
    let stands = account.consumes(&[("exports", 1)]).denied().limit.expect("the limit in the way");
    assert_eq!(stands.resets_at, None);
}

#[test]
fn a_denial_in_one_window_counts_in_none() {
    let mut account = day_month_period();
    account.consumes(&[("requests", 11)]).denied();
    for window in [WindowKind::Day, WindowKind::Month, WindowKind::Period] {
        assert_eq!(account.balance("requests", window).used, 0);
    }
}
