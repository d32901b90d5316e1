//! The connection to PostgreSQL is lost around a COMMIT: counted exactly once, whichever side of it.

use std::time::Duration;

use domain::ids::AccountId;
use storage::ledger::{LedgerError, LedgerSettings};
use storage::{Clock, DatabaseUrl, StorageError};
use testkit::postgres::TestDatabase;
use testkit::proxy::Fault::{LoseAnswer, LoseCommit};
use testkit::proxy::{Fault, Proxy};

use super::node::*;

/// A node behind a proxy, and one that is not, which made the account.
async fn behind_a_proxy() -> Option<(Place, Proxy, Node, Node, AccountId)> {
    behind_a_proxy_with(LedgerSettings::default()).await
}

async fn behind_a_proxy_with(settings: LedgerSettings) -> Option<(Place, Proxy, Node, Node, AccountId)> {
    let place = Place::on(TestDatabase::create()?);
    let (direct, account) = place.node().await;
    let url = place.server.as_ref()?.url();
    let proxy = Proxy::before(&url).await.unwrap();
    let url = DatabaseUrl::Postgres(proxy.url(&url));
    let node = Node::open(&url, Clock::new().into(), settings).await.unwrap();
    accepted(node.consume(account, 1).await);
    Some((place, proxy, node, direct, account))
}

async fn counts_once(faults: &[Fault]) {
    let Some((_place, proxy, node, direct, account)) = behind_a_proxy().await else { return };
    proxy.arm(faults);
    let event = accepted(node.ask(node.consuming(account, 10).keyed(1)).await).event.id;
    assert_eq!(proxy.happened(), faults.len());
    assert_eq!((direct.usage(account).await, direct.events(account).await), ((11, 0), 2));
    assert_eq!(replayed(node.ask(node.consuming(account, 10).keyed(1)).await), event);
    assert_eq!(node.usage(account).await, (11, 0));
    denied(node.consume(account, 90).await);
    accepted(node.consume(account, 89).await);
    direct.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_counts_once() {
    counts_once(&[LoseAnswer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_never_arrived_is_made_again() {
    counts_once(&[LoseCommit]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_one_commit_after_another_still_counts_once() {
    counts_once(&[LoseCommit, LoseCommit, LoseAnswer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_every_command_counts_once_while_commits_are_lost() {
    let Some((_place, proxy, node, direct, account)) = behind_a_proxy().await else { return };
    node.upgrade(account).await;
    for round in 0..10 {
        proxy.arm(&[[LoseAnswer, LoseCommit][round % 2]]);
        let keys = (round as u64 * 20)..(round as u64 * 20 + 20);
        let answers = node.ask_all(keys.map(|key| node.consuming(account, 1).keyed(key)).collect()).await;
        assert!(answers.iter().all(is_accepted), "{answers:?}");
    }
    assert_eq!(proxy.happened(), 10);
    assert_eq!((direct.usage(account).await, direct.events(account).await), ((201, 0), 201));
    direct.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_commit_at_the_limit_is_not_counted_twice_nor_denied() {
    let Some((_place, proxy, node, direct, account)) = behind_a_proxy().await else { return };
    accepted(node.consume(account, 98).await);
    proxy.arm(&[LoseAnswer]);
    accepted(node.consume(account, 1).await);
    denied(node.consume(account, 1).await);
    assert_eq!(direct.usage(account).await, (100, 0));
    direct.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_nobody_can_know_is_told_so_and_the_same_key_finds_out() {
    for fault in [LoseAnswer, LoseCommit] {
        let settings = LedgerSettings { deadline: Duration::from_millis(500), ..LedgerSettings::default() };
        let Some((_place, proxy, node, direct, account)) = behind_a_proxy_with(settings).await else { return };
        proxy.arm(&[fault]);
        proxy.cut_at_next_fault();
        let answer = node.ask(node.consuming(account, 10).keyed(1)).await;
        assert!(matches!(answer, Err(LedgerError::Storage(StorageError::OutcomeUnknown))), "{answer:?}");
        let unreachable = node.ask(node.consuming(account, 10).keyed(2)).await;
        assert!(matches!(unreachable, Err(LedgerError::Storage(StorageError::Unavailable(_)))), "{unreachable:?}");
        proxy.mend();
        let again = node.ask(node.consuming(account, 10).keyed(1)).await;
        match fault {
            LoseAnswer => assert_eq!(replayed(again).account, account),
            LoseCommit => drop(accepted(again)),
        }
        assert_eq!((direct.usage(account).await, direct.events(account).await), ((11, 0), 2));
        direct.must_be_exact().await;
    }
}
