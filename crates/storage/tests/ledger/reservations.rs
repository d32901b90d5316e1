//! Reservations on real databases: held, settled, expired by the next batch or by the job, and never lost.

use domain::ids::ReservationId;
use domain::ledger::{Action, Outcome, Refusal};
use domain::time::MICROS_PER_SECOND;
use storage::ledger::Answer;

use super::node::*;

fn committing(node: &Node, reservation: ReservationId, requests: i64) -> storage::ledger::Request {
    node.request(reservation.account, Action::Commit { reservation }, &[("requests", requests)])
}

fn releasing(node: &Node, reservation: ReservationId) -> storage::ledger::Request {
    node.request(reservation.account, Action::Release { reservation }, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_at_once_never_pass_the_limit_and_settle_to_what_was_used() {
    on_both(|node, account| async move {
        let made: Vec<_> = (0..40).map(|_| node.reserving(account, 5, 600)).collect();
        let ids: Vec<_> = made.iter().map(|(id, _)| *id).collect();
        let answers = node.ask_all(made.into_iter().map(|(_, request)| request).collect()).await;
        let held: Vec<_> =
            ids.iter().zip(&answers).filter(|(_, answer)| is_accepted(answer)).map(|(id, _)| *id).collect();
        assert_eq!((held.len(), node.usage(account).await), (20, (0, 100)));
        let settled = held.iter().enumerate().map(|(place, id)| match place % 2 {
            0 => committing(&node, *id, 3),
            _ => releasing(&node, *id),
        });
        assert!(node.ask_all(settled.collect()).await.iter().all(is_accepted));
        assert_eq!(node.usage(account).await, (30, 0));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settling_at_once_happens_once() {
    on_both(|node, account| async move {
        let (id, request) = node.reserving(account, 50, 600);
        accepted(node.ask(request).await);
        let answers = node.ask_all((0..20).map(|_| committing(&node, id, 40)).collect()).await;
        assert_eq!(answers.iter().filter(|answer| is_accepted(answer)).count(), 1);
        assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Answer::Replayed { .. }))).count(), 19);
        let answer = node.ask(releasing(&node, id)).await;
        let refused = matches!(answer, Ok(Answer::Judged(Outcome::Refused(Refusal::ReservationCommitted))));
        assert!(refused, "{answer:?}");
        assert_eq!(node.usage(account).await, (40, 0));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_makes_room_for_the_next_command_and_for_a_read() {
    on_both(|node, account| async move {
        let (id, request) = node.reserving(account, 100, 60);
        accepted(node.ask(request).await);
        denied(node.consume(account, 1).await);
        node.clock.set_offset_micros(61 * MICROS_PER_SECOND);
        assert_eq!(node.usage(account).await, (0, 0));
        let (outcome, _) = node.ledger.check(&node.consuming(account, 100).command).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        accepted(node.consume(account, 100).await);
        // The work was done after all: it passes the limit and shows.
        accepted(node.ask(committing(&node, id, 30)).await);
        assert_eq!(node.usage(account).await, (130, 0));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_finds_and_settles_what_nobody_asks_about() {
    on_both(|node, account| async move {
        for _ in 0..3 {
            accepted(node.ask(node.reserving(account, 5, 60).1).await);
        }
        assert_eq!(node.ledger.accounts_with_expired().await.unwrap(), []);
        node.clock.set_offset_micros(61 * MICROS_PER_SECOND);
        assert_eq!(node.ledger.accounts_with_expired().await.unwrap(), [account]);
        node.ledger.settle(account).await.unwrap();
        assert_eq!(node.ledger.accounts_with_expired().await.unwrap(), []);
        assert_eq!((node.usage(account).await, node.events(account).await), ((0, 0), 6));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_a_restart() {
    for place in Place::both() {
        let (node, account) = place.node().await;
        let (id, request) = node.reserving(account, 60, 600);
        accepted(node.ask(request).await);
        node.database.close().await;
        drop(node);
        let node = place.open().await;
        denied(node.consume(account, 41).await);
        accepted(node.ask(committing(&node, id, 10)).await);
        accepted(node.consume(account, 90).await);
        assert_eq!(node.usage(account).await, (100, 0));
        node.must_be_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_credit_gets_back_what_a_hold_drew_even_after_a_restart() {
    for place in Place::both() {
        let (node, account) = place.node().await;
        accepted(node.ask(node.granting(account, 500)).await);
        let mut made = Vec::new();
        for _ in 0..3 {
            let (id, request) = node.reserving(account, 0, 60);
            let request = storage::ledger::Request {
                command: domain::ledger::Command { amounts: amounts(&[("tokens", 500)]), ..request.command },
                ..request
            };
            accepted(node.ask(request).await);
            made.push(id);
        }
        assert_eq!(node.limit(account, "tokens").await.credits_left, 0);
        node.database.close().await;
        drop(node);
        let node = place.open().await;
        accepted(node.ask(releasing(&node, made[0])).await);
        node.must_be_exact().await;
        // The rest lapses; a read shows it before anything is settled.
        node.clock.set_offset_micros(61 * MICROS_PER_SECOND);
        assert_eq!(node.limit(account, "tokens").await.credits_left, units(500));
        node.ledger.settle(account).await.unwrap();
        assert_eq!(node.ledger.credits(account).await.unwrap()[0].remaining, units(500));
        node.must_be_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voided_commit_gives_back_all_that_its_reservation_stood_for() {
    on_both(|node, account| async move {
        accepted(node.ask(node.granting(account, 500)).await);
        let (id, request) = node.reserving(account, 1, 60);
        let held = amounts(&[("tokens", 1_500)]);
        let command = domain::ledger::Command { amounts: held, ..request.command };
        accepted(node.ask(storage::ledger::Request { command, ..request }).await);
        let commit = node.request(account, Action::Commit { reservation: id }, &[("tokens", 1_400)]);
        let commit = accepted(node.ask(commit).await).event.id;
        assert_eq!(node.limit(account, "tokens").await.credits_left, units(100));
        accepted(node.ask(node.voiding(commit).await).await);
        let stands = node.limit(account, "tokens").await;
        assert_eq!((stands.used, stands.reserved, stands.credited, stands.credits_left), (0, 0, 0, units(500)));
        let again = node.ask(node.voiding(commit).await).await;
        let refused = matches!(again, Ok(Answer::Judged(Outcome::Refused(Refusal::AlreadyReversed(_)))));
        assert!(refused, "{again:?}");
        node
    })
    .await;
}
