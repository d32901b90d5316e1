//! Too much at once, too late, no room on the disk: told so, and nothing is lost or counted by half.

use std::time::Duration;

use domain::ledger::Action;
use storage::StorageError;
use storage::ledger::{Answer, Durability, LedgerError, LedgerSettings, Request};

use super::node::*;

fn settings(queue_capacity: usize, deadline: Duration) -> LedgerSettings {
    LedgerSettings { queue_capacity, deadline, lanes: 1, ..LedgerSettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_answers_busy_at_once_and_what_waits_is_done() {
    for place in Place::both() {
        let (node, account) = place.node_with(settings(8, PATIENCE)).await;
        let hold = node.hold(account).await;
        let mut asked = Vec::new();
        // One of them may be on its way already; more than nine do not fit.
        let busy = loop {
            assert!(asked.len() < 20, "twenty commands found room in a queue of eight");
            let depth = node.ledger.queue_depth();
            let mut asking = Box::pin(node.consume(account, 1));
            let now = std::future::poll_fn(|context| std::task::Poll::Ready(asking.as_mut().poll(context))).await;
            match now {
                std::task::Poll::Ready(answer) => break answer,
                std::task::Poll::Pending => asked.push(asking),
            }
            if asked.len() == 1 && node.database.is_postgres() {
                node.wait_for_depth(depth).await;
            }
        };
        assert!(matches!(busy, Err(LedgerError::Storage(StorageError::Busy))), "{busy:?}");
        hold.let_go().await;
        let count = asked.len() as i64;
        for asking in asked {
            accepted(asking.await);
        }
        assert_eq!(node.usage(account).await, (count, 0));
        accepted(node.consume(account, 1).await);
        node.must_be_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_past_its_deadline_is_not_applied() {
    for place in Place::both() {
        let deadline = Duration::from_millis(100);
        let (node, account) = place.node_with(settings(100, deadline)).await;
        let hold = node.hold(account).await;
        let mut first = Box::pin(node.consume(account, 1));
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context))).await.is_pending()
        );
        if node.database.is_postgres() {
            // The lane has it: once in a batch a command runs, however late.
            node.wait_for_depth(0).await;
        }
        let late: Vec<_> = (0..5).map(|_| node.asking(node.consuming(account, 10))).collect();
        node.wait_for_depth(if node.database.is_postgres() { 5 } else { 6 }).await;
        tokio::time::sleep(deadline).await;
        hold.let_go().await;
        let first = first.await;
        for answer in late {
            assert!(matches!(answer.await.unwrap(), Err(LedgerError::TooLate)));
        }
        let counted = i64::from(is_accepted(&first));
        assert_eq!((counted, node.usage(account).await), (i64::from(node.database.is_postgres()), (counted, 0)));
        accepted(node.consume(account, 1).await);
        node.must_be_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_does_not_stop_its_command() {
    on_both(|node, account| async move {
        let hold = node.hold(account).await;
        let mut asking = Box::pin(node.consume(account, 7));
        let asked = std::future::poll_fn(|context| std::task::Poll::Ready(asking.as_mut().poll(context))).await;
        assert!(asked.is_pending());
        drop(asking);
        hold.let_go().await;
        accepted(node.consume(account, 1).await);
        assert_eq!(node.usage(account).await, (8, 0));
        node
    })
    .await;
}

/// The file may not grow past the pages it has, or may again.
async fn let_grow(node: &Node, pages: Option<i64>) {
    let script = match pages {
        Some(more) => format!("PRAGMA max_page_count = {more}"),
        None => "PRAGMA max_page_count = 1000000".to_owned(),
    };
    node.write(move |tx| tx.execute_script(&script)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_goes_on_afterwards() {
    let place = Place::sqlite();
    let (node, account) = place.node().await;
    node.upgrade(account).await;
    let pages = |tx: &mut storage::Tx<'_>| {
        let row = tx.query_optional("SELECT page_count FROM pragma_page_count()", &[])?;
        row.expect("a file has pages").integer("page_count")
    };
    let pages = node.database.read("count_pages", pages).await.unwrap();
    let_grow(&node, Some(pages + 8)).await;
    let large = |key: u64| {
        let request = node.consuming(account, 1).keyed(key);
        Request { details: std::sync::Arc::from(format!(r#"{{"text":"{}"}}"#, "x".repeat(3_000))), ..request }
    };
    let mut told = vec![node.ask(large(0)).await];
    for first in (1..40).step_by(3) {
        told.extend(node.ask_all((first..first + 3).map(large).collect()).await);
    }
    let counted = told.iter().filter(|answer| is_accepted(answer)).count();
    assert!((1..40).contains(&counted), "{counted} of 40 were counted on a disk that is nearly full");
    for answer in told.iter().filter(|answer| !is_accepted(answer)) {
        assert!(matches!(answer, Err(LedgerError::Storage(StorageError::Unavailable(_)))), "{answer:?}");
    }
    // What is remembered is what is on the disk.
    assert_eq!(node.usage(account).await, (counted as i64, 0));
    node.must_be_exact().await;

    let_grow(&node, None).await;
    let again = node.ask_all((0..40).map(large).collect()).await;
    for (first, second) in told.into_iter().zip(again) {
        match first {
            Ok(Answer::Judged(_)) => assert_eq!(replayed(second), accepted(first).event.id),
            _ => drop(accepted(second)),
        }
    }
    assert_eq!((node.usage(account).await, node.events(account).await), ((40, 0), 40));
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_a_full_disk_could_not_book_is_booked_afterwards() {
    let (node, account) = Place::sqlite().node().await;
    let (reservation, hold) = node.reserving(account, 60, 600);
    accepted(node.ask(Request { durability: Durability::OfProcess, ..hold }).await);
    let commit = || {
        let request = node.request(account, Action::Commit { reservation }, &[("requests", 7)]);
        Request { details: std::sync::Arc::from(format!(r#"{{"text":"{}"}}"#, "x".repeat(100_000))), ..request }
    };
    let_grow(&node, Some(1)).await;
    let answer = node.ask(commit()).await;
    assert!(matches!(answer, Err(LedgerError::Storage(StorageError::Unavailable(_)))), "{answer:?}");
    assert_eq!(node.usage(account).await, (0, 60));
    denied(node.consume(account, 41).await);
    let_grow(&node, None).await;
    accepted(node.ask(commit()).await);
    assert_eq!(node.usage(account).await, (7, 0));
    node.must_be_exact().await;
}
