//! A node that is alone at its PostgreSQL database keeps a journal instead of writing accounts' rows: exact all the same, and
//! whoever comes after it or beside it finds everything.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::AccountId;
use domain::ledger::Action;
use storage::ledger::LedgerSettings;
use storage::records::accounts;
use storage::{Clock, StorageError, Tx};

use super::node::*;

/// Rows of the journal.
async fn rows(node: &Node) -> i64 {
    let count = |tx: &mut Tx<'_>| {
        let row = tx.query_optional("SELECT COUNT(*) AS count FROM ledger_journal", &[])?;
        row.expect("a count has a row").integer("count")
    };
    node.database.read::<_, StorageError, _>("count_rows", count).await.unwrap()
}

/// Alone, with one account that it remembers, and never idle for long enough to write by itself.
async fn node_alone(place: &Place, noted_accounts: usize) -> (Node, AccountId) {
    let write_back_after = Duration::from_secs(3_600);
    let settings = LedgerSettings { noted_accounts, write_back_after, ..LedgerSettings::default() };
    let (node, account) = place.node_with(settings).await;
    node.wait_until_alone().await;
    accepted(node.consume(account, 1).await);
    (node, account)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_noted_counts_for_every_reader_and_goes_to_the_tables_when_they_are_asked() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = node_alone(&place, 1_000).await;
    for _ in 0..5 {
        accepted(node.consume(account, 10).await);
    }
    assert_eq!((node.ledger.noted(), rows(&node).await), (Some(1), 5));
    assert_eq!(node.usage(account).await, (51, 0));
    denied(node.consume(account, 50).await);
    accepted(node.consume(account, 49).await);
    assert_eq!(node.days(account).await, (100, 7));
    assert_eq!(node.usage(account).await, (100, 0));
    denied(node.consume(account, 1).await);
    node.upgrade(account).await;
    accepted(node.consume(account, 1).await);
    assert_eq!((node.usage(account).await, node.days(account).await), ((101, 0), (101, 8)));
    node.must_be_exact().await;
    assert_eq!(rows(&node).await, 0);
    node.wait_until_alone().await;
    accepted(node.consume(account, 1).await);
    accepted(node.consume(account, 1).await);
    assert_eq!(rows(&node).await, 1);
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_finds_everything_and_both_go_on_without_a_journal() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = node_alone(&place, 1_000).await;
    accepted(node.consume(account, 59).await);
    assert_eq!(rows(&node).await, 1);
    let other = place.open().await;
    assert_eq!((rows(&node).await, other.usage(account).await), (0, (60, 0)));
    denied(other.consume(account, 41).await);
    accepted(other.consume(account, 30).await);
    denied(node.consume(account, 11).await);
    accepted(node.consume(account, 10).await);
    assert_eq!((node.usage(account).await, other.usage(account).await), ((100, 0), (100, 0)));
    assert_eq!((node.days(account).await, rows(&node).await, node.ledger.noted()), ((100, 4), 0, None));
    other.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_come_while_many_are_asking_change_no_answer() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = node_alone(&place, 1_000).await;
    let mut all = vec![account];
    for _ in 0..3 {
        all.push(node.new_account().await);
    }
    let asked: Vec<_> = (0..480).map(|number| node.asking(node.consuming(all[number % 4], 1))).collect();
    let mut others = Vec::new();
    for _ in 0..3 {
        let other = place.open().await;
        others.extend(all.iter().map(|account| other.asking(other.consuming(*account, 1))));
        drop(other);
    }
    let mut yes = 1;
    for answer in asked.into_iter().chain(others) {
        let answer = answer.await.unwrap();
        assert!(is_accepted(&answer) || is_denied(&answer), "{answer:?}");
        yes += i64::from(is_accepted(&answer));
    }
    assert_eq!(yes, 400);
    for account in all {
        assert_eq!((node.usage(account).await, node.days(account).await), ((100, 0), (100, 100)));
    }
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_that_change_and_tables_that_are_asked_wait_for_what_is_being_noted() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = node_alone(&place, 1_000).await;
    let (busy, asked) = (node.clone(), node.clone());
    let changing = tokio::spawn(async move {
        for _ in 0..30 {
            let raise = move |tx: &mut Tx<'_>| accounts::raise_epoch(tx, account);
            busy.database.write::<_, StorageError, _>("raise_epoch", raise).await.unwrap();
            busy.database.write_back_of(account).await.unwrap();
        }
    });
    let asking: Vec<_> = (0..300).map(|_| asked.asking(asked.consuming(account, 1))).collect();
    let mut yes = 1;
    for answer in asking {
        yes += i64::from(is_accepted(&answer.await.unwrap()));
    }
    changing.await.unwrap();
    assert_eq!((yes, node.usage(account).await, node.days(account).await), (100, (100, 0), (100, 100)));
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_accounts_are_written_while_others_are_noted() {
    let Some(place) = Place::postgres() else { return };
    let (node, first) = node_alone(&place, 8).await;
    let mut all = vec![first];
    for _ in 0..39 {
        all.push(node.new_account().await);
    }
    for round in 0..6 {
        for account in &all {
            accepted(node.consume(*account, 1 + round).await);
        }
        assert!(node.ledger.noted().is_some_and(|noted| noted <= 16), "{:?}", node.ledger.noted());
    }
    let few = async {
        while node.ledger.noted().is_none_or(|noted| noted > 8) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, few).await.expect("what is too much is written");
    assert_eq!((node.usage(first).await, node.usage(all[39]).await), ((22, 0), (21, 0)));
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_written_when_nothing_is_noted_for_a_while() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = place.node().await;
    node.wait_until_alone().await;
    for _ in 0..5 {
        accepted(node.consume(account, 1).await);
    }
    let nothing = async {
        while node.ledger.noted() != Some(0) || rows(&node).await != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, nothing).await.expect("everything is written");
    assert_eq!(node.usage(account).await, (5, 0));
    accepted(node.consume(account, 95).await);
    denied(node.consume(account, 1).await);
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_and_credits_go_on_from_what_is_noted() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = node_alone(&place, 1_000).await;
    accepted(node.consume(account, 9).await);
    let (id, request) = node.reserving(account, 40, 600);
    accepted(node.ask(request).await);
    assert_eq!(node.usage(account).await, (10, 40));
    accepted(node.consume(account, 50).await);
    denied(node.consume(account, 1).await);
    accepted(node.ask(node.request(account, Action::Commit { reservation: id }, &[("requests", 30)])).await);
    assert_eq!(node.usage(account).await, (90, 0));
    let request = node.granting(account, 500);
    accepted(node.ask(request).await);
    accepted(node.consume(account, 10).await);
    assert_eq!(node.days(account).await.0, 100);
    node.must_be_exact().await;
}

/// Accounts are forgotten, read again and written all the time.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_leave_memory_and_the_journal_meanwhile_are_read_as_they_stand() {
    let Some(place) = Place::postgres() else { return };
    let settings = LedgerSettings { noted_accounts: 4, remembered_accounts: 100, ..LedgerSettings::default() };
    let (node, _) = place.node_with(settings).await;
    let mut all = Vec::new();
    for number in 0..200 {
        all.push(node.new_account_named(Some(number.to_string())).await);
    }
    node.wait_until_alone().await;
    let askers: Vec<_> = (0..8)
        .map(|asker| {
            let (node, all) = (node.clone(), all.clone());
            tokio::spawn(async move {
                // Each asker has accounts of its own, which it knows the usage of.
                let own: Vec<(usize, AccountId)> = all.into_iter().enumerate().skip(asker).step_by(8).collect();
                for round in 0..10 {
                    for (number, account) in &own {
                        assert_eq!(node.ledger.account_named(&number.to_string()).await.unwrap(), Some(*account));
                        accepted(node.consume(*account, 1).await);
                        if round % 2 == 0 {
                            accepted(node.consume(*account, 2).await);
                            assert_eq!(node.usage(*account).await, (round + 1 + (round / 2 + 1) * 2, 0), "{round}");
                        }
                    }
                }
            })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap();
    }
    for account in all {
        assert_eq!((node.usage(account).await, node.days(account).await), ((20, 0), (20, 15)));
    }
    node.must_be_exact().await;
}

/// A backup reads every table for hours.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_the_tables_for_long_keeps_nobody_from_coming_or_going() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = node_alone(&place, 1_000).await;
    let (let_go, until) = std::sync::mpsc::channel::<()>();
    let (is_reading, reading) = tokio::sync::oneshot::channel();
    let (until, mut is_reading, database) = (std::sync::Mutex::new(until), Some(is_reading), node.database.clone());
    let backup = tokio::spawn(async move {
        let read = move |tx: &mut Tx<'_>| {
            tx.execute_script("LOCK TABLE ledger_fence, ledger_journal, ledger_accounts IN ACCESS SHARE MODE")?;
            is_reading.take().into_iter().for_each(|is_reading| is_reading.send(()).unwrap());
            let _ = until.lock().unwrap().recv_timeout(PATIENCE);
            Ok::<_, StorageError>(())
        };
        database.read("backup", read).await
    });
    reading.await.unwrap();
    accepted(node.consume(account, 9).await);
    let other = place.open().await;
    accepted(other.consume(account, 10).await);
    node.wait_until_beside_others().await;
    drop(other);
    node.wait_until_alone().await;
    accepted(node.consume(account, 10).await);
    accepted(node.consume(account, 10).await);
    assert_eq!((node.usage(account).await, rows(&node).await), ((40, 0), 1));
    let_go.send(()).unwrap();
    backup.await.unwrap().unwrap();
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_waits_for_those_that_are_writing_accounts_rows() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = node_alone(&place, 1_000).await;
    accepted(node.consume(account, 9).await);
    let (let_go, until) = std::sync::mpsc::channel::<()>();
    let (is_writing, writing) = tokio::sync::oneshot::channel();
    let (until, mut is_writing, database) = (std::sync::Mutex::new(until), Some(is_writing), node.database.clone());
    let raising = tokio::spawn(async move {
        let raise = move |tx: &mut Tx<'_>| {
            accounts::raise_epoch(tx, account)?;
            is_writing.take().into_iter().for_each(|is_writing| is_writing.send(()).unwrap());
            let _ = until.lock().unwrap().recv_timeout(PATIENCE);
            Ok::<_, StorageError>(())
        };
        database.write("raise_epoch", raise).await
    });
    writing.await.unwrap();
    let url = place.url.clone();
    let coming = tokio::spawn(async move { Node::open(&url, Arc::new(Clock::new()), LedgerSettings::default()).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!coming.is_finished());
    let_go.send(()).unwrap();
    raising.await.unwrap().unwrap();
    let other = coming.await.unwrap().unwrap();
    assert_eq!((other.usage(account).await, rows(&other).await), ((10, 0), 0));
    other.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_leaves_no_journal() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = node_alone(&place, 1_000).await;
    accepted(node.consume(account, 9).await);
    assert_eq!(rows(&node).await, 1);
    node.database.close().await;
    assert_eq!((rows(&node).await, node.ledger.noted()), (0, None));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(node.ledger.noted(), None, "it begins none any more");
    assert_eq!(node.usage(account).await, (10, 0));
}

/// Another process that is not seen among the connections, but has the journal.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_somebody_else_has_is_ended_before_anything_is_read_or_written() {
    let Some(place) = Place::postgres() else { return };
    for ask_first in [true, false] {
        let (node, account) = place.node().await;
        node.wait_until_alone().await;
        accepted(node.consume(account, 5).await);
        accepted(node.consume(account, 5).await);
        let take = |tx: &mut Tx<'_>| tx.execute("UPDATE ledger_fence SET holder = 999999", &[]);
        node.database.write::<_, StorageError, _>("take", take).await.unwrap();
        if ask_first {
            accepted(node.consume(account, 5).await);
            assert_eq!(node.usage(account).await, (15, 0));
        } else {
            assert_eq!(node.usage(account).await, (10, 0));
            accepted(node.consume(account, 5).await);
        }
        node.must_be_exact().await;
        drop(node);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_read_keeps_the_database_from_being_opened_and_says_so() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = node_alone(&place, 1_000).await;
    accepted(node.consume(account, 1).await);
    let spoil = |tx: &mut Tx<'_>| tx.execute("UPDATE ledger_journal SET content = content || '\\x00'::bytea", &[]);
    node.database.write::<_, StorageError, _>("spoil", spoil).await.unwrap();
    let opened = Node::open(&place.url, node.clock.clone(), LedgerSettings::default()).await;
    let Err(StorageError::Unexpected(told)) = opened.map(|_| ()) else { panic!("it was opened") };
    assert!(told.contains("journal cannot be read"), "{told}");
}
