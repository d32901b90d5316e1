//! On PostgreSQL accounts that are remembered are judged before their rows are held, and what they use stays in their rows
//! for a while: exact all the same, and nobody sees it.

use std::time::Duration;

use domain::ids::AccountId;
use domain::time::{MICROS_PER_DAY, MICROS_PER_MINUTE};
use storage::Tx;
use testkit::postgres::TestDatabase;

use super::node::*;

/// Used requests as the table of balances has them.
async fn in_the_table(node: &Node, account: AccountId) -> i64 {
    let read = move |tx: &mut Tx<'_>| {
        let statement = "SELECT used FROM balances WHERE account_id = $1 AND meter = 'requests'";
        tx.query_optional(statement, &[account.into()])?.map_or(Ok(0), |row| row.integer("used"))
    };
    node.database.read::<_, storage::StorageError, _>("read_balance", read).await.unwrap() / units(1)
}

/// Whether the account's row keeps something that the tables lack.
async fn keeps_something(node: &Node, account: AccountId) -> bool {
    let read = move |tx: &mut Tx<'_>| {
        let statement = "SELECT account_id FROM ledger_accounts WHERE account_id = $1 AND LENGTH(postponed) > 0";
        Ok(tx.query_optional(statement, &[account.into()])?.is_some())
    };
    node.database.read::<_, storage::StorageError, _>("read_account", read).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_row_keeps_counts_for_everybody_and_comes_to_the_tables_when_they_are_asked() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = place.node().await;
    let other = place.open().await;
    node.wait_until_beside_others().await;
    accepted(node.consume(account, 10).await);
    for _ in 0..5 {
        accepted(node.consume(account, 10).await);
    }
    assert_eq!(in_the_table(&node, account).await, 10);
    assert!(keeps_something(&node, account).await);
    assert_eq!(node.usage(account).await, (60, 0));
    node.must_be_exact().await;

    assert_eq!(other.usage(account).await, (60, 0));
    denied(other.consume(account, 41).await);
    accepted(other.consume(account, 39).await);
    accepted(node.consume(account, 1).await);
    denied(node.consume(account, 1).await);

    assert_eq!(node.days(account).await, (100, 8));
    assert_eq!((in_the_table(&node, account).await, keeps_something(&node, account).await), (100, false));
    assert_eq!(other.usage(account).await, (100, 0));
    denied(node.consume(account, 1).await);
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_to_the_tables_by_itself_after_a_while_and_when_the_account_is_idle() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = place.node().await;
    // Beside it nobody keeps a journal.
    let _other = place.open().await;
    node.wait_until_beside_others().await;
    accepted(node.consume(account, 1).await);
    accepted(node.consume(account, 1).await);
    assert!(keeps_something(&node, account).await);
    node.clock.set_offset_micros(6 * MICROS_PER_MINUTE);
    accepted(node.consume(account, 1).await);
    assert_eq!((in_the_table(&node, account).await, keeps_something(&node, account).await), (3, false));

    accepted(node.consume(account, 1).await);
    node.database.write_back_idle(node.clock.now().minus_micros(MICROS_PER_MINUTE)).await.unwrap();
    assert!(keeps_something(&node, account).await, "it was used just now");
    node.database.write_back_idle(node.clock.now().plus_micros(1)).await.unwrap();
    assert_eq!((in_the_table(&node, account).await, keeps_something(&node, account).await), (4, false));
    assert_eq!(node.days(account).await, (4, 4));
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_an_account_row_keeps_are_days_of_their_own() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = place.node().await;
    node.upgrade(account).await;
    for day in 0..40 {
        node.clock.set_offset_micros(day * MICROS_PER_DAY / 4);
        accepted(node.consume(account, 1).await);
        accepted(node.consume(account, 2).await);
    }
    assert_eq!(node.days(account).await, (120, 80));
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_while_two_nodes_remember_the_same_accounts_and_the_tables_are_asked() {
    let Some(server) = TestDatabase::create() else { return };
    let place = Place::on(server);
    let (first, account) = place.node().await;
    let second = place.open().await;
    let accounts = [account, first.new_account().await, first.new_account().await];
    for node in [&first, &second] {
        for account in accounts {
            accepted(node.consume(account, 1).await);
        }
    }
    let (asking_node, asked_account) = (first.clone(), account);
    let asking = tokio::spawn(async move {
        for _ in 0..20 {
            asking_node.database.write_back_of(asked_account).await.unwrap();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    });
    let asked: Vec<_> = (0..450)
        .map(|number| {
            let node = if number % 2 == 0 { &first } else { &second };
            let request = node.consuming(accounts[number % 3], 1);
            node.asking(if number % 5 == 0 { request.keyed(number as u64) } else { request })
        })
        .collect();
    let mut yes = 0;
    for answer in asked {
        let answer = answer.await.unwrap();
        assert!(is_accepted(&answer) || is_denied(&answer), "{answer:?}");
        yes += usize::from(is_accepted(&answer));
    }
    asking.await.unwrap();
    assert_eq!(yes, 3 * 98);
    for account in accounts {
        assert_eq!((first.usage(account).await, second.usage(account).await), ((100, 0), (100, 0)));
        assert_eq!(second.days(account).await, (100, 100));
    }
    first.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_keys_and_terms_are_as_exact_by_memory() {
    let Some(place) = Place::postgres() else { return };
    let (node, account) = place.node().await;
    accepted(node.consume(account, 1).await);
    let event = accepted(node.ask(node.consuming(account, 89).keyed(7)).await).event.id;
    assert_eq!(replayed(node.ask(node.consuming(account, 89).keyed(7)).await), event);
    let count = |tx: &mut Tx<'_>| {
        let row = tx.query_optional("SELECT COUNT(*) AS count FROM jobs WHERE kind = 'usage_threshold'", &[])?;
        row.expect("a count has a row").integer("count")
    };
    assert_eq!(node.database.read::<_, storage::StorageError, _>("count_jobs", count).await.unwrap(), 2);
    let asked = node.consuming(account, 11);
    denied(node.ask(asked).await);
    node.upgrade(account).await;
    accepted(node.consume(account, 11).await);
    assert_eq!(node.usage(account).await, (101, 0));
    node.must_be_exact().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_is_applied_while_accounts_are_busy_holds_for_them() {
    for place in Place::both() {
        let (node, account) = place.node().await;
        let busy = node.clone();
        let using = tokio::spawn(async move {
            for _ in 0..40 {
                let requests = (0..4).map(|_| busy.consuming(account, 1));
                busy.ask_all(requests.collect()).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        // Whoever is on the default plan without having chosen it is on its newest version.
        node.apply_catalog_with("limits = { requests = 7, tokens = 1_000, seats = 5 }").await;
        using.await.unwrap();
        let before = node.usage(account).await.0;
        denied(node.consume(account, 1).await);
        let other = node.new_account().await;
        accepted(node.consume(other, 7).await);
        denied(node.consume(other, 1).await);
        assert_eq!((node.usage(account).await.0, node.usage(other).await.0), (before, 7));
        node.must_be_exact().await;
    }
}
