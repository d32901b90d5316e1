//! Reservations: what they hold, how they are committed and released, and what happens to them after their time.

use super::account::*;
use crate::ledger::OnExpiry::{Commit, Release};
use crate::ledger::{Action, EventAction, Refusal, ReservationState, Scopes};
use crate::windows::WindowKind;

#[test]
fn a_hold_takes_room_until_it_is_settled() {
    let mut account = Account::with(&[limit("tokens", 1_000)]);
    let held = account.reserves(&[("tokens", 1_000)], Release);
    assert_eq!(account.usage("tokens"), (0, 1_000));
    account.consumes(&[("tokens", 1)]).denied();
    account.tries_to_reserve(&[("tokens", 1)], Release).1.denied();
    let event = account.commits(held, &[("tokens", 743)]).accepted().event;
    assert_eq!((event.action, event.reservation), (EventAction::Commit, Some(held)));
    assert_eq!(account.usage("tokens"), (743, 0));
    account.consumes(&[("tokens", 257)]).accepted();
    account.consumes(&[("tokens", 1)]).denied();
}

#[test]
fn a_hold_that_does_not_fit_is_denied_and_leaves_nothing() {
    let mut account = Account::with(&[limit("tokens", 100), limit("requests", 1)]);
    account.consumes(&[("tokens", 60)]).accepted();
    let (id, denied) = account.tries_to_reserve(&[("requests", 1), ("tokens", 41)], Release);
    assert_eq!(denied.over_quota().0, "tokens");
    assert_eq!(account.commits(id, &[("tokens", 1)]).refused(), Refusal::ReservationUnknown);
    assert_eq!(account.usage("requests"), (0, 0));
    let (_, negative) = account.tries_to_reserve(&[("tokens", -1)], Release);
    assert_eq!(negative.refused(), Refusal::NegativeQuantity("tokens".into()));
}

#[test]
fn a_commit_may_be_less_more_nothing_or_left_out() {
    for (named, used) in [
        (&[("tokens", 30)][..], 30),
        (&[("tokens", 100)], 100),
        (&[("tokens", 250)], 250),
        (&[("tokens", 0)], 0),
        (&[("tokens", 10), ("tokens", 20)], 30),
        (&[], 100),
    ] {
        let mut account = Account::with(&[limit("tokens", 120)]);
        let held = account.reserves(&[("tokens", 100)], Release);
        account.commits(held, named).accepted();
        assert_eq!(account.usage("tokens"), (used, 0), "{named:?}");
        assert_eq!(account.reservations[&held].state, ReservationState::Committed);
    }
}

#[test]
fn a_negative_commit_is_refused_and_the_hold_stays() {
    let mut account = Account::with(&[limit("tokens", 120)]);
    let held = account.reserves(&[("tokens", 100)], Release);
    assert_eq!(account.commits(held, &[("tokens", -1)]).refused(), Refusal::NegativeQuantity("tokens".into()));
    assert_eq!(
        account.commits(held, &[("tokens", i64::MAX), ("tokens", 1)]).refused(),
        Refusal::TooLarge("tokens".into())
    );
    assert_eq!(account.usage("tokens"), (0, 100));
    account.commits(held, &[("tokens", 1)]).accepted();
}

#[test]
fn a_meter_that_was_held_and_is_not_committed_is_given_back() {
    let mut account = Account::with(&[limit("tokens", 100), limit("requests", 10)]);
    let held = account.reserves(&[("tokens", 100), ("requests", 1)], Release);
    account.commits(held, &[("tokens", 40)]).accepted();
    assert_eq!((account.usage("tokens"), account.usage("requests")), ((40, 0), (0, 0)));
}

#[test]
fn commit_twice_charges_once() {
    let mut account = Account::with(&[limit("tokens", 1_000)]);
    let held = account.reserves(&[("tokens", 100)], Release);
    let first = account.commits(held, &[("tokens", 70)]).accepted().event.id;
    assert_eq!(account.commits(held, &[("tokens", 70)]).settled_by(), first);
    assert_eq!(account.commits(held, &[("tokens", 999)]).settled_by(), first);
    assert_eq!(account.usage("tokens"), (70, 0));
}

#[test]
fn release_twice_gives_back_once() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    account.consumes(&[("tokens", 50)]).accepted();
    let held = account.reserves(&[("tokens", 50)], Release);
    let first = account.releases(held).accepted().event.id;
    assert_eq!(account.releases(held).settled_by(), first);
    assert_eq!(account.usage("tokens"), (50, 0));
}

#[test]
fn commit_and_release_exclude_each_other() {
    let mut account = Account::with(&[limit("tokens", 1_000)]);
    let committed = account.reserves(&[("tokens", 100)], Release);
    account.commits(committed, &[]).accepted();
    assert_eq!(account.releases(committed).refused(), Refusal::ReservationCommitted);
    let released = account.reserves(&[("tokens", 100)], Release);
    account.releases(released).accepted();
    assert_eq!(account.commits(released, &[]).refused(), Refusal::ReservationReleased);
    assert_eq!(account.usage("tokens"), (100, 0));
}

#[test]
fn a_reservation_nobody_made_is_refused() {
    let mut account = Account::with(&[limit("tokens", 1_000)]);
    let unknown = crate::ids::ReservationId::from_own(account.id(), 99);
    for outcome in [account.commits(unknown, &[]), account.releases(unknown), account.expires(unknown)] {
        assert_eq!(outcome.refused(), Refusal::ReservationUnknown);
    }
}

#[test]
fn a_hold_belongs_to_the_windows_it_was_made_in() {
    let mut account = Account::with(&[limit("tokens", 100).per(WindowKind::Day), limit("tokens", 500)]);
    let yesterday = time("2026-03-15T00:00:00Z");
    let held = account.at("2026-03-15T23:55:00Z").reserves(&[("tokens", 100)], Release);
    account.at("2026-03-16T00:01:00Z").consumes(&[("tokens", 100)]).accepted();
    account.commits(held, &[("tokens", 60)]).accepted();
    assert_eq!(account.balance_from("tokens", WindowKind::Day, yesterday).used, 60);
    assert_eq!(account.balance("tokens", WindowKind::Day).used, 100);
    assert_eq!(account.usage("tokens"), (160, 0));
}

#[test]
fn what_a_commit_adds_counts_when_the_hold_was_made_and_for_those_it_was_made_for() {
    let mut account = Account::with(&[
        limit("tokens", 100),
        limit("images", 5).per(WindowKind::Day),
        limit("images", 5).each(crate::catalog::LimitScope::Member),
    ]);
    account.at("2026-03-15T23:55:00Z");
    let held = crate::ids::ReservationId::new(account.id(), account.now, 1);
    let action = Action::Reserve { reservation: held, ttl_micros: 3_600_000_000, on_expiry: Release };
    account.asks_for(member("ann"), action, &[("tokens", 50)]).accepted();
    account.at("2026-03-16T00:01:00Z");
    let event = account.commits(held, &[("tokens", 40), ("images", 2)]).accepted().event;
    let of_ann = event.postings.iter().find(|posting| posting.place.scope_id.is_some());
    assert_eq!(of_ann.map(|posting| (posting.used, posting.place.scope_id.clone())), Some((2, Some("ann".into()))));
    let yesterday = account.balance_from("images", WindowKind::Day, time("2026-03-15T00:00:00Z"));
    assert_eq!((yesterday.used, account.balance("images", WindowKind::Day).used), (2, 0));
    assert_eq!(account.commits(held, &[]).settled_by(), event.id);
}

#[test]
fn a_commit_may_name_a_meter_that_nobody_declared_only_to_be_refused() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 50)], Release);
    assert_eq!(account.commits(held, &[("wishes", 1)]).refused(), Refusal::MeterUnknown("wishes".into()));
    assert_eq!(account.usage("tokens"), (0, 50));
}

#[test]
fn a_limit_for_each_member_holds_the_members_reservations() {
    let mut account = Account::with(&[limit("tokens", 100).each(crate::catalog::LimitScope::Member)]);
    let reserve = |number| Action::Reserve {
        reservation: crate::ids::ReservationId::from_own(crate::ids::AccountId::from_bits(7), number),
        ttl_micros: 1_000_000,
        on_expiry: Commit,
    };
    account.asks_for(member("ann"), reserve(1), &[("tokens", 100)]).accepted();
    account.asks_for(member("ann"), reserve(2), &[("tokens", 1)]).denied();
    account.asks_for(member("bob"), reserve(3), &[("tokens", 100)]).accepted();
    account.asks_for(Scopes::default(), reserve(4), &[("tokens", 1_000)]).accepted();
    assert_eq!(account.usage("tokens"), (0, 1_200));
}
