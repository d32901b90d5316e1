//! Holds of one process: they count like any other, on SQLite without being written, and go with the process.

use std::time::Duration;

use domain::ids::{AccountId, ReservationId};
use domain::ledger::{Action, OnExpiry};
use domain::time::MICROS_PER_SECOND;
use storage::ledger::{Durability, LedgerSettings, Renewal, Request};

use super::node::*;

fn holding(node: &Node, account: AccountId, requests: i64) -> (ReservationId, Request) {
    let (id, request) = node.reserving(account, requests, 120);
    (id, Request { durability: Durability::OfProcess, ..request })
}

fn committing(node: &Node, reservation: ReservationId, requests: i64) -> Request {
    node.request(reservation.account, Action::Commit { reservation }, &[("requests", requests)])
}

fn releasing(node: &Node, reservation: ReservationId) -> Request {
    node.request(reservation.account, Action::Release { reservation }, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_at_once_never_pass_the_limit_and_settle_to_what_was_used() {
    on_both(|node, account| async move {
        let made: Vec<_> = (0..40).map(|_| holding(&node, account, 5)).collect();
        let ids: Vec<_> = made.iter().map(|(id, _)| *id).collect();
        let answers = node.ask_all(made.into_iter().map(|(_, request)| request).collect()).await;
        let held: Vec<_> =
            ids.iter().zip(&answers).filter(|(_, answer)| is_accepted(answer)).map(|(id, _)| *id).collect();
        assert_eq!((held.len(), node.usage(account).await), (20, (0, 100)));
        denied(node.consume(account, 1).await);
        let settled = held.iter().enumerate().map(|(place, id)| match place % 2 {
            0 => committing(&node, *id, 3),
            _ => releasing(&node, *id),
        });
        assert!(node.ask_all(settled.collect()).await.iter().all(is_accepted));
        assert_eq!((node.usage(account).await, node.days(account).await), ((30, 0), (30, 10)));
        denied(node.consume(account, 71).await);
        accepted(node.consume(account, 70).await);
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_made_settled_and_made_again_in_one_batch_adds_up() {
    on_both(|node, account| async move {
        let ((first, hold), (second, again)) = (holding(&node, account, 60), holding(&node, account, 90));
        let asked =
            vec![node.consuming(account, 1), hold, committing(&node, first, 5), again, node.consuming(account, 5)];
        let answers = node.ask_in_one_batch(account, asked).await;
        assert_eq!(answers.iter().map(is_accepted).collect::<Vec<_>>(), [true, true, true, true, false]);
        assert_eq!(node.usage(account).await, (6, 90));
        node.must_be_exact().await;
        accepted(node.ask(releasing(&node, second)).await);
        assert_eq!(node.usage(account).await, (6, 0));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_one_event_is_left_of_a_hold_that_was_booked_and_none_of_one_given_back() {
    let (node, account) = Place::sqlite().node().await;
    let ((booked, first), (given_back, second)) = (holding(&node, account, 10), holding(&node, account, 10));
    accepted(node.ask(first).await);
    accepted(node.ask(second).await);
    assert_eq!((node.events(account).await, node.ledger.unwritten()), (0, (0, 0)));
    let event = accepted(node.ask(committing(&node, booked, 7)).await).event.id;
    accepted(node.ask(releasing(&node, given_back)).await);
    assert_eq!((node.events(account).await, node.usage(account).await), (1, (7, 0)));
    accepted(node.ask(node.voiding(event).await).await);
    assert_eq!(node.usage(account).await, (0, 0));
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_has_lost_the_account_does_not_lose_its_holds() {
    let settings = LedgerSettings { remembered_accounts: 0, ..LedgerSettings::default() };
    let (node, _) = Place::sqlite().node_with(settings).await;
    let mut accounts = Vec::new();
    for _ in 0..200 {
        accounts.push(node.new_account().await);
    }
    let made: Vec<_> = accounts.iter().map(|account| holding(&node, *account, 60)).collect();
    let ids: Vec<_> = made.iter().map(|(id, _)| *id).collect();
    assert!(node.ask_all(made.into_iter().map(|(_, hold)| hold).collect()).await.iter().all(is_accepted));
    assert!(node.ledger.remembered_accounts() < 130);
    for (account, id) in accounts.iter().zip(ids) {
        assert_eq!(node.usage(*account).await, (0, 60));
        denied(node.consume(*account, 41).await);
        accepted(node.consume(*account, 40).await);
        node.database.write_back_of(*account).await.unwrap();
        assert_eq!(node.usage(*account).await, (40, 60));
        accepted(node.ask(committing(&node, id, 50)).await);
        assert_eq!(node.usage(*account).await, (90, 0));
    }
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_settles_goes_with_its_time_or_with_its_process() {
    let place = Place::sqlite();
    let (node, account) = place.node().await;
    let (late, hold) = holding(&node, account, 100);
    accepted(node.ask(hold).await);
    denied(node.consume(account, 1).await);
    let remembers = || node.ledger.remembered_denial(&node.consuming(account, 1).command).is_some();
    assert!(remembers());
    node.clock.set_offset_micros(121 * MICROS_PER_SECOND);
    // As the job does that looks for what has expired.
    assert_eq!(node.ledger.accounts_with_expired().await.unwrap(), [account]);
    node.ledger.settle(account).await.unwrap();
    assert!(!remembers() && node.ledger.accounts_with_expired().await.unwrap().is_empty());
    assert_eq!(node.usage(account).await, (0, 0));
    // The work was done after all: it is counted, and taken back.
    let event = accepted(node.ask(committing(&node, late, 30)).await).event.id;
    assert_eq!(node.usage(account).await, (30, 0));
    accepted(node.ask(node.voiding(event).await).await);
    assert_eq!(node.usage(account).await, (0, 0));
    let (id, hold) = holding(&node, account, 100);
    accepted(node.ask(hold).await);
    let expires_at = node.clock.now().plus_micros(600 * MICROS_PER_SECOND);
    let longer = Renewal { reservation: id, expires_at, on_expiry: OnExpiry::Release };
    node.ledger.renew_reservations(vec![longer]).await.unwrap();
    node.clock.set_offset_micros(500 * MICROS_PER_SECOND);
    denied(node.ask(holding(&node, account, 1).1).await);
    assert_eq!(node.events(account).await, 2);
    node.database.close().await;
    drop(node);
    let node = place.open().await;
    assert_eq!(node.usage(account).await, (0, 0));
    accepted(node.consume(account, 100).await);
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_to_be_booked_outlives_its_process() {
    let place = Place::sqlite();
    let (node, account) = place.node().await;
    let ((begun, first), (open, second)) = (holding(&node, account, 30), holding(&node, account, 20));
    accepted(node.ask(first).await);
    accepted(node.ask(second).await);
    accepted(node.consume(account, 1).await);
    let expires_at = node.clock.now().plus_micros(120 * MICROS_PER_SECOND);
    let renewal = |reservation| Renewal { reservation, expires_at, on_expiry: OnExpiry::Commit };
    node.ledger.renew_reservations(vec![renewal(begun), renewal(begun)]).await.unwrap();
    assert_eq!((node.usage(account).await, node.events(account).await), ((1, 50), 2));
    node.must_be_exact().await;
    // Again, twice, and after it was settled, nothing happens.
    node.ledger.renew_reservations(vec![renewal(begun)]).await.unwrap();
    accepted(node.ask(releasing(&node, open)).await);
    node.ledger.renew_reservations(vec![renewal(open)]).await.unwrap();
    assert_eq!((node.usage(account).await, node.events(account).await), ((1, 30), 2));
    node.database.close().await;
    drop(node);
    let node = place.open().await;
    assert_eq!(node.usage(account).await, (1, 30));
    node.clock.set_offset_micros(121 * MICROS_PER_SECOND);
    assert_eq!(node.usage(account).await, (31, 0));
    accepted(node.consume(account, 69).await);
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_draws_credits_is_written() {
    on_both(|node, account| async move {
        accepted(node.ask(node.granting(account, 500)).await);
        let (reservation, hold) = node.reserving(account, 1, 600);
        let hold = node.request(account, hold.command.action, &[("tokens", 1_200)]);
        accepted(node.ask(Request { durability: Durability::OfProcess, ..hold }).await);
        assert_eq!(node.events(account).await, 2);
        assert_eq!(node.limit(account, "tokens").await.credits_left, units(300));
        node.must_be_exact().await;
        accepted(node.ask(releasing(&node, reservation)).await);
        assert_eq!(node.limit(account, "tokens").await.credits_left, units(500));
        node
    })
    .await;
}

/// What was answered is right whatever comes between: holds, consumes, settlements, renewals and forgetting, in any order.
#[tokio::test(flavor = "multi_thread")]
async fn holds_in_any_order_leave_what_was_used() {
    let settings = LedgerSettings {
        remembered_accounts: 0,
        unwritten_balances: 3,
        write_back_after: Duration::from_millis(1),
        ..LedgerSettings::default()
    };
    for seed in 0..20 {
        let mut random = testkit::random::Random::seeded(seed);
        let (node, first) = Place::sqlite().node_with(settings).await;
        let accounts = [first, node.new_account().await, node.new_account().await];
        let (mut open, mut used) = (Vec::new(), [0i64; 3]);
        for _ in 0..60 {
            let who = random.below(3);
            let amount = 1 + random.below(30) as i64;
            let held = |open: &[(usize, i64, ReservationId)]| -> i64 {
                open.iter().filter(|(of, ..)| *of == who).map(|(_, amount, _)| amount).sum()
            };
            let fits = used[who] + held(&open) + amount <= 100;
            match random.below(5) {
                0 => {
                    let answer = node.consume(accounts[who], amount).await;
                    assert_eq!(is_accepted(&answer), fits, "seed {seed}: {answer:?}");
                    used[who] += if fits { amount } else { 0 };
                }
                1 | 2 => {
                    let (id, hold) = holding(&node, accounts[who], amount);
                    let answer = node.ask(hold).await;
                    assert_eq!(is_accepted(&answer), fits, "seed {seed}: {answer:?}");
                    open.extend(fits.then_some((who, amount, id)));
                }
                3 if !open.is_empty() => {
                    let (of, amount, id) = open.swap_remove(random.below(open.len()));
                    match random.below(2) {
                        0 => accepted(node.ask(releasing(&node, id)).await),
                        _ => accepted(node.ask(committing(&node, id, amount)).await),
                    };
                    let now = node.usage(accounts[of]).await.0;
                    assert!(now == used[of] || now == used[of] + amount, "seed {seed}");
                    used[of] = now;
                }
                _ => {
                    let expires_at = node.clock.now().plus_micros(600 * MICROS_PER_SECOND);
                    let kept = open.iter().take(random.below(3));
                    let renewals = kept.map(|(_, _, id)| Renewal {
                        reservation: *id,
                        expires_at,
                        on_expiry: if random.below(2) == 0 { OnExpiry::Commit } else { OnExpiry::Release },
                    });
                    let renewals = renewals.collect();
                    node.ledger.renew_reservations(renewals).await.unwrap();
                }
            }
            assert_eq!(node.usage(accounts[who]).await, (used[who], held(&open)), "seed {seed}");
        }
        node.must_be_exact().await;
        node.database.close().await;
    }
}
