//! Two nodes on one PostgreSQL: one truth for both, at once for a command and within a second from memory.

use std::time::Duration;

use domain::ids::AccountId;
use domain::ledger::{Action, Scopes};
use storage::ledger::Freshness;
use testkit::postgres::TestDatabase;

use super::node::*;

async fn two_nodes() -> Option<(Place, Node, Node, AccountId)> {
    let place = Place::on(TestDatabase::create()?);
    let (first, account) = place.node().await;
    let second = place.open().await;
    Some((place, first, second, account))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_across_nodes() {
    let Some((_place, first, second, account)) = two_nodes().await else { return };
    let asked: Vec<_> = (0..200)
        .map(|place| {
            let node = if place % 2 == 0 { &first } else { &second };
            node.asking(node.consuming(account, 1))
        })
        .collect();
    let mut yes = 0;
    for answer in asked {
        yes += usize::from(is_accepted(&answer.await.unwrap()));
    }
    assert_eq!((yes, first.usage(account).await, second.usage(account).await), (100, (100, 0), (100, 0)));
    first.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_accounts_on_two_nodes_wait_for_each_other_without_a_deadlock() {
    let Some((_place, first, second, account)) = two_nodes().await else { return };
    let mut accounts = vec![account];
    for _ in 0..7 {
        accounts.push(first.new_account().await);
    }
    let asked: Vec<_> = (0..1_200)
        .map(|place| {
            let node = if place % 2 == 0 { &first } else { &second };
            node.asking(node.consuming(accounts[(place / 2) % 8], 1))
        })
        .collect();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| is_accepted(answer)).count(), 800);
    assert_eq!(answers.iter().filter(|answer| is_denied(answer)).count(), 400);
    second.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_on_two_nodes_counts_once() {
    let Some((_place, first, second, account)) = two_nodes().await else { return };
    let asked: Vec<_> = (0..50)
        .map(|place| {
            let node = if place % 2 == 0 { &first } else { &second };
            node.asking(node.consuming(account, 1).keyed(1))
        })
        .collect();
    let mut yes = 0;
    for answer in asked {
        let answer = answer.await.unwrap();
        yes += usize::from(is_accepted(&answer));
        assert!(is_accepted(&answer) || replayed(answer).account == account);
    }
    assert_eq!((yes, first.events(account).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_on_one_node_ends_with_an_upgrade_on_the_other() {
    let Some((_place, first, second, account)) = two_nodes().await else { return };
    accepted(first.consume(account, 100).await);
    denied(second.consume(account, 1).await);
    assert!(second.ledger.remembered_denial(&second.consuming(account, 1).command).is_some());
    first.upgrade(account).await;
    accepted(second.consume(account, 1).await);

    // From memory, without a command that would tell the node: within a second.
    let other = first.new_account().await;
    accepted(second.consume(other, 100).await);
    denied(second.consume(other, 1).await);
    first.upgrade(other).await;
    let allowed = async {
        while second.ledger.remembered_denial(&second.consuming(other, 1).command).is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        loop {
            let standing = second.ledger.limits(other, &Scopes::default(), Freshness::WithinASecond).await.unwrap();
            let limits = standing.expect("the account is there").limits;
            if limits.iter().any(|limit| limit.meter.as_str() == "requests" && limit.limit == Some(units(10_000))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), allowed).await.expect("memory follows within a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_gives_back_the_other_can_use_at_once() {
    let Some((_place, first, second, account)) = two_nodes().await else { return };
    let (id, request) = first.reserving(account, 100, 600);
    accepted(first.ask(request).await);
    denied(second.consume(account, 1).await);
    accepted(second.ask(second.request(account, Action::Release { reservation: id }, &[])).await);
    accepted(first.consume(account, 60).await);
    accepted(second.consume(account, 40).await);
    denied(first.consume(account, 1).await);
    assert_eq!((first.usage(account).await, second.usage(account).await), ((100, 0), (100, 0)));
    accepted(first.ask(first.granting(account, 10)).await);
    accepted(second.ask(second.request(account, Action::Consume, &[("tokens", 1_010)])).await);
    denied(first.ask(first.request(account, Action::Consume, &[("tokens", 1)])).await);
    first.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_while_holds_expire_on_the_other_node_shows_one_moment() {
    let Some((_place, first, second, account)) = two_nodes().await else { return };
    let reader = tokio::spawn({
        let second = second.clone();
        async move {
            for _ in 0..300 {
                let (used, reserved) = second.usage(account).await;
                assert!(used == 0 && (0..=100).contains(&reserved), "{used} {reserved}");
            }
        }
    });
    while !reader.is_finished() {
        accepted(first.ask(first.reserving(account, 50, 0).1).await);
        first.ledger.settle(account).await.unwrap();
    }
    reader.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_leaves_no_connection_behind() {
    let Some((place, first, second, account)) = two_nodes().await else { return };
    // From another database of the same server.
    let (elsewhere, name) = (Place::postgres().unwrap(), place.server.as_ref().unwrap().name().to_owned());
    let (watcher, _) = elsewhere.node().await;
    let connections = async || {
        let name = name.clone();
        let count = move |tx: &mut storage::Tx<'_>| {
            let statement = "SELECT COUNT(*) AS count FROM pg_stat_activity WHERE datname = $1";
            tx.query_optional(statement, &[(&name).into()])?.expect("a count has a row").integer("count")
        };
        watcher.database.read("count_connections", count).await.unwrap()
    };
    accepted(second.consume(account, 1).await);
    assert!(connections().await > 0);
    for node in [first, second] {
        node.database.close().await;
    }
    let gone = async {
        while connections().await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("connections end with their node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_clock_is_wrong_writes_nothing_and_says_so() {
    let Some((_place, first, second, account)) = two_nodes().await else { return };
    assert!(first.ledger.may_write().await.unwrap() && second.ledger.may_write().await.unwrap());
    let ahead = second.clock.now().plus_micros(5 * domain::time::MICROS_PER_SECOND);
    second.clock.not_before(ahead);
    assert!(!second.ledger.may_write().await.unwrap());
    let refused = second.asking(second.consuming(account, 1)).await.unwrap();
    assert!(refused.as_ref().is_err_and(|error| error.to_string().contains("clock")), "{refused:?}");
    assert!(first.ledger.may_write().await.unwrap());
    assert!(is_accepted(&first.asking(first.consuming(account, 1)).await.unwrap()));
    assert_eq!(first.usage(account).await, (1, 0));
}

/// Requests left, as the node says within a second.
async fn remaining(node: &Node, account: AccountId) -> i64 {
    let (_, standing) = node.ledger.check(&node.consuming(account, 1).command).await.unwrap();
    let limit = standing.limits.iter().find(|limit| limit.meter.as_str() == "requests").expect("a limit");
    limit.remaining().expect("it is limited") / units(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_alone_reads_nothing_again_until_another_comes() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = place.node().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    accepted(node.consume(account, 10).await);
    assert_eq!(remaining(&node, account).await, 90);
    // Behind the back of the ledger, so that it shows what is read.
    let statement = "UPDATE balances SET used = 30000000 WHERE meter = 'requests'";
    let (client, connection) =
        tokio_postgres::connect(&place.server.as_ref().unwrap().url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    assert!(client.execute(statement, &[]).await.unwrap() > 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(remaining(&node, account).await, 90);

    // One that comes and goes at once may have written.
    place.open().await.database.close().await;
    let read_again = async {
        while remaining(&node, account).await != 70 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), read_again).await.expect("it is noticed within a second");
    drop(client);
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_of_a_node_that_is_alone_expire_in_time() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = place.node().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    accepted(node.ask(node.reserving(account, 60, 600).1).await);
    accepted(node.ask(node.reserving(account, 40, 2).1).await);
    assert_eq!(remaining(&node, account).await, 0);
    let given_back = async {
        while remaining(&node, account).await != 40 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), given_back).await.expect("the shorter hold ends after two seconds");
    accepted(node.consume(account, 40).await);
    denied(node.consume(account, 1).await);
    node.must_be_exact().await;
}
