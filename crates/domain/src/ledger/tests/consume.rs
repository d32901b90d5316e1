//! Consuming: to the limit exactly, several meters at once, limits for each member, key and end user, odd amounts.

use super::account::*;
use crate::catalog::LimitScope;
use crate::ledger::{Action, DenialReason, Refusal, Scopes, Standing};
use crate::windows::WindowKind;

#[test]
fn the_last_unit_is_allowed_and_the_next_one_denied() {
    let mut account = Account::with(&[limit("requests", 100)]);
    for _ in 0..99 {
        account.consumes(&[("requests", 1)]).accepted();
    }
    let last = account.consumes(&[("requests", 1)]).accepted();
    assert_eq!((last.limits[0].used, last.limits[0].remaining()), (100, Some(0)));
    let denial = account.consumes(&[("requests", 1)]).denied();
    assert_eq!((denial.reason, denial.requested), (DenialReason::QuotaExceeded, 1));
    let stands = denial.limit.expect("the limit in the way");
    assert_eq!((stands.limit, stands.used, stands.remaining()), (Some(100), 100, Some(0)));
    assert_eq!(stands.resets_at, Some(time("2026-04-10T00:00:00Z")));
    assert_eq!(account.usage("requests"), (100, 0));
}

#[test]
fn what_does_not_fit_as_a_whole_is_denied_as_a_whole() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 60)]).accepted();
    assert_eq!(account.consumes(&[("tokens", 41)]).over_quota(), ("tokens".into(), WindowKind::Period, Some(40)));
    account.consumes(&[("tokens", 40)]).accepted();
    assert_eq!(account.usage("tokens"), (100, 0));
}

#[test]
fn several_meters_move_together_or_not_at_all() {
    let mut account = Account::with(&[limit("requests", 10), limit("tokens", 100)]);
    account.consumes(&[("requests", 1), ("tokens", 90)]).accepted();
    assert_eq!(account.consumes(&[("requests", 1), ("tokens", 11)]).over_quota().0, "tokens");
    assert_eq!((account.usage("requests"), account.usage("tokens")), ((1, 0), (90, 0)));
    account.consumes(&[("requests", 9), ("tokens", 10)]).accepted();
    assert_eq!(account.consumes(&[("requests", 1), ("tokens", 0)]).over_quota().0, "requests");
}

#[test]
fn one_meter_named_twice_is_judged_by_its_sum() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 60), ("tokens", 41)]).denied();
    let event = account.consumes(&[("tokens", 60), ("tokens", 40)]).accepted().event;
    assert_eq!(event.postings.iter().map(|posting| posting.used).collect::<Vec<_>>(), [100]);
    let halves = account.consumes(&[("tokens", i64::MAX), ("tokens", 1)]);
    assert_eq!(halves.refused(), Refusal::TooLarge("tokens".into()));
}

#[test]
fn each_member_has_an_own_amount_beside_the_accounts() {
    let mut account =
        Account::with(&[limit("requests", 15), limit("requests", 10).each(LimitScope::Member).per(WindowKind::Day)]);
    account.asks_for(member("ann"), Action::Consume, &[("requests", 10)]).accepted();
    let denial = account.asks_for(member("ann"), Action::Consume, &[("requests", 1)]).denied();
    let stands = denial.limit.expect("the limit in the way");
    assert_eq!((stands.scope, stands.scope_id), (LimitScope::Member, Some("ann".into())));
    account.asks_for(member("bob"), Action::Consume, &[("requests", 5)]).accepted();
    let denial = account.asks_for(member("bob"), Action::Consume, &[("requests", 1)]).denied();
    assert_eq!(denial.limit.map(|limit| limit.scope), Some(LimitScope::Account));
    account.consumes(&[("requests", 1)]).denied();
    assert_eq!(account.usage("requests"), (15, 0));
}

#[test]
fn keys_and_end_users_are_limited_apart() {
    for (scope, named) in [
        (LimitScope::Key, Scopes { key: Some("k1".into()), ..Scopes::default() }),
        (LimitScope::EndUser, Scopes { end_user: Some("u1".into()), ..Scopes::default() }),
    ] {
        let mut account = Account::with(&[limit("cost", 5).each(scope)]);
        account.asks_for(named.clone(), Action::Consume, &[("cost", 5)]).accepted();
        account.asks_for(named, Action::Consume, &[("cost", 1)]).denied();
        account.asks_for(member("k1"), Action::Consume, &[("cost", 100)]).accepted();
        account.consumes(&[("cost", 100)]).accepted();
        assert_eq!(account.usage("cost"), (205, 0));
    }
}

#[test]
fn a_limit_of_nothing_denies_everything_but_nothing() {
    let mut account = Account::with(&[limit("requests", 0)]);
    account.consumes(&[("requests", 1)]).denied();
    account.consumes(&[("requests", 0)]).accepted();
    account.consumes(&[]).accepted();
    assert_eq!(account.usage("requests"), (0, 0));
}

#[test]
fn nothing_is_always_allowed_even_past_the_limit() {
    let mut account = Account::with(&[limit("requests", 10)]);
    account.asks(Action::Record, &[("requests", 12)]).accepted();
    account.consumes(&[("requests", 0)]).accepted();
    account.consumes(&[("requests", 1)]).denied();
}

#[test]
fn without_a_limit_everything_is_counted_and_nothing_denied() {
    let mut account = Account::with(&[unlimited("requests")]);
    let stands = account.consumes(&[("requests", 1_000_000)]).accepted().limits.remove(0);
    assert_eq!((stands.limit, stands.used, stands.remaining()), (None, 1_000_000, None));
}

#[test]
fn sums_never_go_down_by_consuming() {
    let mut account = Account::with(&[limit("requests", 10)]);
    account.consumes(&[("requests", 5)]).accepted();
    assert_eq!(account.consumes(&[("requests", -1)]).refused(), Refusal::NegativeQuantity("requests".into()));
    assert_eq!(account.consumes(&[("requests", i64::MIN)]).refused(), Refusal::NegativeQuantity("requests".into()));
    assert_eq!(account.usage("requests"), (5, 0));
}

#[test]
fn amounts_too_large_to_add_up_are_refused() {
    for past in [limit("tokens", 10).warns(), unlimited("tokens"), limit("tokens", i64::MAX)] {
        let mut account = Account::with(&[past]);
        account.consumes(&[("tokens", 5)]).accepted();
        assert_eq!(account.consumes(&[("tokens", i64::MAX)]).refused(), Refusal::TooLarge("tokens".into()));
        assert_eq!(account.asks(Action::Record, &[("tokens", i64::MAX)]).refused(), Refusal::TooLarge("tokens".into()));
        account.consumes(&[("tokens", i64::MAX - 5)]).accepted();
        assert_eq!(account.usage("tokens"), (i64::MAX, 0));
    }
}

#[test]
fn a_meter_that_nobody_declared_is_refused() {
    let mut account = Account::with(&[limit("requests", 10)]);
    assert_eq!(account.consumes(&[("wishes", 1)]).refused(), Refusal::MeterUnknown("wishes".into()));
    let both = account.consumes(&[("requests", 1), ("wishes", 1)]);
    assert_eq!(both.refused(), Refusal::MeterUnknown("wishes".into()));
    assert_eq!(account.usage("requests"), (0, 0));
}

#[test]
fn a_suspended_account_and_one_without_a_plan_use_nothing() {
    for (standing, reason) in
        [(Standing::Suspended, DenialReason::AccountSuspended), (Standing::NoPlan, DenialReason::SubscriptionRequired)]
    {
        let mut account = Account::with(&[limit("requests", 10)]);
        let held = account.reserves(&[("requests", 2)], Default::default());
        account.terms.standing = standing;
        assert_eq!(account.consumes(&[("requests", 1)]).denied().reason, reason);
        assert_eq!(account.tries_to_reserve(&[("requests", 1)], Default::default()).1.denied().reason, reason);
        // Work already done still counts.
        account.asks(Action::Record, &[("requests", 1)]).accepted();
        account.commits(held, &[("requests", 3)]).accepted();
        assert_eq!(account.usage("requests"), (4, 0));
    }
}
