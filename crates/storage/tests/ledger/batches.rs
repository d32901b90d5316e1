//! Commands that share a batch: what one does the next one sees, and what fails fails alone.

use std::time::Duration;

use domain::ledger::Action;
use storage::ledger::{LedgerError, LedgerSettings};

use super::node::*;

#[tokio::test(flavor = "multi_thread")]
async fn each_command_of_a_batch_sees_the_ones_before() {
    on_both(|node, account| async move {
        let asked = [60, 60, 40, 1, 0].map(|requests| node.consuming(account, requests)).to_vec();
        let answers = node.ask_in_one_batch(account, asked).await;
        assert_eq!(answers.iter().map(is_accepted).collect::<Vec<_>>(), [true, false, true, false, true]);
        assert_eq!(node.usage(account).await, (100, 0));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_not_remembered_where_the_same_batch_made_room() {
    on_both(|node, account| async move {
        let (id, request) = node.reserving(account, 100, 600);
        accepted(node.ask(request).await);
        let release = node.request(account, Action::Release { reservation: id }, &[]);
        let answers = node.ask_in_one_batch(account, vec![node.consuming(account, 1), release]).await;
        assert!(is_denied(&answers[0]) && is_accepted(&answers[1]), "{answers:?}");
        assert!(node.ledger.remembered_denial(&node.consuming(account, 1).command).is_none());
        accepted(node.consume(account, 100).await);
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_remembered_for_as_much_or_more_until_something_is_accepted() {
    on_both(|node, account| async move {
        accepted(node.consume(account, 95).await);
        denied(node.consume(account, 10).await);
        let remembers = |requests| node.ledger.remembered_denial(&node.consuming(account, requests).command).is_some();
        assert!(remembers(10) && remembers(50) && !remembers(9));
        let named_twice = |one, other| {
            let request = node.request(account, Action::Consume, &[("requests", one), ("requests", other)]);
            node.ledger.remembered_denial(&request.command).is_some()
        };
        assert!(named_twice(5, 5) && !named_twice(5, 4), "together they are what is asked for");
        let more = node.consuming(account, 50).command;
        let told = node.ledger.remembered_denial(&more).map(|denial| denial.requested);
        assert_eq!(told, Some(more.amounts[0].amount), "what this one asks for, not the one before");
        let record = node.request(account, Action::Record, &[("requests", 50)]);
        assert!(node.ledger.remembered_denial(&record.command).is_none());
        accepted(node.ask(node.request(account, Action::Adjust, &[("requests", -50)])).await);
        assert!(!remembers(10));
        accepted(node.consume(account, 10).await);
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_written_fails_alone_and_leaves_nothing() {
    for place in Place::both() {
        // One lane, so that two accounts share a batch on PostgreSQL too.
        let (node, account) = place.node_with(LedgerSettings { lanes: 1, ..LedgerSettings::default() }).await;
        let first = node.consuming(account, 1);
        accepted(node.ask(first.clone()).await);
        // The same event again without a key cannot be inserted.
        let other = node.new_account().await;
        let asked = vec![node.consuming(account, 2), first, node.consuming(other, 3), node.consuming(account, 4)];
        let answers = node.ask_in_one_batch(account, asked).await;
        assert_eq!(answers.iter().map(is_accepted).collect::<Vec<_>>(), [true, false, true, true]);
        assert!(matches!(answers[1], Err(LedgerError::Storage(_))), "{answers:?}");
        assert_eq!((node.usage(account).await, node.usage(other).await), ((7, 0), (3, 0)));
        node.must_be_exact().await;
        denied(node.consume(account, 94).await);
        accepted(node.consume(account, 93).await);
    }
}

/// On a machine whose disk is slow for a moment a command waits for the writer, so this is tried some times.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_comes_alone_is_done_at_once_and_after_a_crowd_not_before_it_is_gone() {
    let (node, account) = Place::sqlite().node().await;
    let at_once = || async {
        let mut asking = Box::pin(node.consume(account, 1));
        let first = std::future::poll_fn(|context| std::task::Poll::Ready(asking.as_mut().poll(context))).await;
        let was_ready = first.is_ready();
        accepted(match first {
            std::task::Poll::Ready(answer) => answer,
            std::task::Poll::Pending => asking.await,
        });
        was_ready
    };
    let mut tries = 0;
    while !at_once().await {
        tries += 1;
        assert!(tries < 20, "no command was done at once");
        tokio::time::sleep(Duration::from_millis(10 * tries)).await;
    }
    let crowd = (0..16).map(|_| node.consuming(account, 1)).collect();
    assert!(node.ask_in_one_batch(account, crowd).await.iter().all(is_accepted));
    assert!(!at_once().await);
    while !at_once().await {
        tries += 1;
        assert!(tries < 60, "no command was done at once after the crowd");
    }
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_plan_is_judged_by_from_the_next_batch_on() {
    on_both(|node, account| async move {
        for _ in 0..20 {
            let account = node.new_account().await;
            accepted(node.consume(account, 100).await);
            denied(node.consume(account, 1).await);
            node.upgrade(account).await;
            accepted(node.consume(account, 9_900).await);
            denied(node.consume(account, 1).await);
        }
        accepted(node.consume(account, 1).await);
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_is_drawn_by_the_command_after_it() {
    on_both(|node, account| async move {
        let tokens = |amount| node.request(account, Action::Consume, &[("tokens", amount)]);
        let asked = vec![tokens(1_001), node.granting(account, 1), tokens(1_001), tokens(1)];
        let answers = node.ask_in_one_batch(account, asked).await;
        assert_eq!(answers.iter().map(is_accepted).collect::<Vec<_>>(), [false, true, true, false]);
        node
    })
    .await;
}
