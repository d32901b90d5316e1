//! Reservations whose time is over, and reservations that were settled and are settled again.

use super::account::*;
use crate::ledger::OnExpiry::{Commit, Release};
use crate::ledger::{EventAction, Refusal, ReservationState};

#[test]
fn a_hold_whose_time_is_over_gives_its_room_back() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 100)], Release);
    let event = account.wait_seconds(600).expires(held).accepted().event;
    assert_eq!((event.action, event.estimated), (EventAction::Expire, false));
    assert_eq!(account.reservations[&held].state, ReservationState::Lapsed);
    account.consumes(&[("tokens", 100)]).accepted();
    assert_eq!(account.expires(held).settled_by(), event.id);
    assert_eq!(account.releases(held).settled_by(), event.id);
}

#[test]
fn a_hold_does_not_expire_before_its_time() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 100)], Release);
    assert_eq!(account.wait_seconds(599).expires(held).refused(), Refusal::ReservationUnknown);
    assert_eq!(account.usage("tokens"), (0, 100));
}

#[test]
fn a_hold_that_commits_on_expiry_books_its_estimate() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 80)], Commit);
    let event = account.wait_seconds(600).expires(held).accepted().event;
    assert!(event.estimated);
    assert_eq!(event.amounts, amounts(&[("tokens", 80)]));
    assert_eq!(account.usage("tokens"), (80, 0));
    assert_eq!(account.reservations[&held].state, ReservationState::Booked);
}

#[test]
fn a_commit_after_the_estimate_was_booked_books_the_difference() {
    for really in [50, 80, 130, 0] {
        let mut account = Account::with(&[limit("tokens", 100)]);
        let held = account.reserves(&[("tokens", 80)], Commit);
        account.wait_seconds(600).expires(held).accepted();
        let event = account.commits(held, &[("tokens", really)]).accepted().event;
        assert_eq!(event.postings[0].used, really - 80);
        assert_eq!(account.usage("tokens"), (really, 0));
        assert_eq!(account.commits(held, &[("tokens", 1)]).settled_by(), event.id);
        assert_eq!(account.releases(held).refused(), Refusal::ReservationCommitted);
    }
}

#[test]
fn a_commit_after_a_lapse_books_all_of_it() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 80)], Release);
    account.wait_seconds(600).expires(held).accepted();
    account.consumes(&[("tokens", 100)]).accepted();
    // The work was done; it passes the limit and shows that it did.
    account.commits(held, &[("tokens", 80)]).accepted();
    assert_eq!(account.usage("tokens"), (180, 0));
}

#[test]
fn a_release_after_the_estimate_was_booked_takes_it_back() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let held = account.reserves(&[("tokens", 80)], Commit);
    account.wait_seconds(600).expires(held).accepted();
    account.releases(held).accepted();
    assert_eq!(account.usage("tokens"), (0, 0));
    assert_eq!(account.commits(held, &[]).refused(), Refusal::ReservationReleased);
}

#[test]
fn expiry_after_a_commit_or_release_moves_nothing() {
    let mut account = Account::with(&[limit("tokens", 100)]);
    let committed = account.reserves(&[("tokens", 10)], Commit);
    let released = account.reserves(&[("tokens", 10)], Commit);
    let by_commit = account.commits(committed, &[]).accepted().event.id;
    let by_release = account.releases(released).accepted().event.id;
    account.wait_seconds(600);
    assert_eq!(account.expires(committed).settled_by(), by_commit);
    assert_eq!(account.expires(released).settled_by(), by_release);
    assert_eq!(account.usage("tokens"), (10, 0));
}

#[test]
fn a_voided_commit_leaves_nothing_whichever_way_it_was_settled() {
    for (on_expiry, expire_first) in [(Release, false), (Commit, false), (Commit, true), (Release, true)] {
        for really in [0, 50, 80, 130] {
            let mut account = Account::with(&[limit("tokens", 60)]);
            let credit = account.is_granted("tokens", 100, 0, None);
            let held = account.reserves(&[("tokens", 80)], on_expiry);
            assert_eq!(account.credit_left(credit), 80);
            if expire_first {
                account.wait_seconds(600).expires(held).accepted();
            }
            let commit = account.commits(held, &[("tokens", really)]).accepted().event.id;
            assert_eq!(
                (account.usage("tokens"), account.credit_left(credit)),
                ((really, 0), 100 - (really - 60).max(0))
            );
            account.voids(commit).accepted();
            let balance = account.balance("tokens", crate::windows::WindowKind::Period);
            assert_eq!((balance.used, balance.reserved, balance.credited), (0, 0, 0), "{on_expiry:?} {really}");
            assert_eq!(account.credit_left(credit), 100);
        }
    }
}

#[test]
fn a_corrected_commit_counts_what_it_was_corrected_to() {
    for expire_first in [false, true] {
        let mut account = Account::with(&[limit("tokens", 1_000)]);
        let held = account.reserves(&[("tokens", 80)], Commit);
        if expire_first {
            account.wait_seconds(600).expires(held).accepted();
        }
        let commit = account.commits(held, &[("tokens", 70)]).accepted().event.id;
        account.corrects(commit, &[("tokens", 50)]).accepted();
        assert_eq!(account.usage("tokens"), (50, 0));
    }
}

#[test]
fn an_estimate_that_was_given_back_by_hand_is_not_taken_back_again() {
    for commit in [Some(50), Some(130), None] {
        let mut account = Account::with(&[limit("tokens", 100)]);
        let held = account.reserves(&[("tokens", 80)], Commit);
        account.wait_seconds(600).expires(held).accepted();
        account.asks(crate::ledger::Action::Adjust, &[("tokens", -80)]).accepted();
        match commit {
            Some(really) => account.commits(held, &[("tokens", really)]).accepted(),
            None => account.releases(held).accepted(),
        };
        assert_eq!(account.usage("tokens"), (commit.map_or(0, |really| (really - 80).max(0)), 0));
    }
}
