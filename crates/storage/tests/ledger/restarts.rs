//! PostgreSQL stops, crashes and starts again under load: every answer is kept, every error can be asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::ids::AccountId;
use storage::ledger::{Answer, Durability, LedgerError, Request};
use testkit::postgres::{Cluster, TestDatabase, cluster};

use super::node::*;

/// Asks again with the same key until there is an answer. Returns whether the first answer was one.
async fn ask_until_answered(node: &Node, account: AccountId, key: u64) -> bool {
    for attempt in 0..200 {
        match node.ask(node.consuming(account, 1).keyed(key)).await {
            Ok(Answer::Judged(_) | Answer::Replayed { .. }) => return attempt == 0,
            Ok(Answer::Conflict(_)) => panic!("the same content is no conflict"),
            Err(LedgerError::AccountUnknown) => panic!("the account is there"),
            Err(LedgerError::TooLate | LedgerError::TermsChanged | LedgerError::Storage(_)) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    panic!("the database has been back for long, and the ledger has not noticed");
}

async fn under_load(disturb: impl Fn(&Cluster) + Send + 'static) {
    let Some(cluster) = cluster() else { return };
    let place = Place::on(TestDatabase::create_in(&cluster));
    let (node, account) = place.node().await;
    node.upgrade(account).await;
    let (stop, keys) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let askers: Vec<_> = (0..8)
        .map(|_| {
            let (node, stop, keys) = (node.clone(), stop.clone(), keys.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let key = keys.fetch_add(1, Ordering::Relaxed);
                    ask_until_answered(&node, account, key).await;
                }
            })
        })
        .collect();
    for _ in 0..3 {
        let seen = keys.load(Ordering::Relaxed);
        let going = async {
            while keys.load(Ordering::Relaxed) < seen + 50 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, going).await.expect("the ledger goes on after a restart");
        tokio::task::block_in_place(|| disturb(&cluster));
    }
    stop.store(true, Ordering::Relaxed);
    for asker in askers {
        asker.await.unwrap();
    }
    let asked = keys.load(Ordering::Relaxed) as i64;
    assert_eq!((node.usage(account).await, node.events(account).await), ((asked, 0), asked));
    node.must_be_exact().await;
    drop((node, place));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_counts_once_while_the_database_restarts() {
    under_load(|cluster| cluster.restart().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_counts_once_while_the_database_crashes() {
    under_load(|cluster| {
        cluster.kill().unwrap();
        cluster.start().unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_takes_back_that_did_not_wait_for_the_disk_is_not_remembered() {
    let Some(cluster) = cluster() else { return };
    let place = Place::on(TestDatabase::create_in(&cluster));
    let (node, account) = place.node().await;
    accepted(node.consume(account, 1).await);
    for round in 1..=3 {
        let (_, hold) = node.reserving(account, 10, 600);
        accepted(node.ask(Request { durability: Durability::Ordered, ..hold }).await);
        tokio::task::block_in_place(|| {
            cluster.kill().unwrap();
            cluster.start().unwrap();
        });
        ask_until_answered(&node, account, round).await;
        accepted(node.consume(account, 1).await);
        node.must_be_exact().await;
    }
    drop((node, place));
}
