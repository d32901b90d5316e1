//! The auditor of a live database finds what somebody changed behind the ledger's back.

use domain::ledger::Action;
use domain::time::MICROS_PER_HOUR;
use storage::ledger::verify::Difference;

use super::node::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_exact_has_no_differences_old_or_new() {
    on_both(|node, account| async move {
        for _ in 0..3 {
            accepted(node.consume(account, 3).await);
            accepted(node.ask(node.reserving(account, 2, 36_000).1).await);
            accepted(node.ask(node.granting(account, 5)).await);
            accepted(node.ask(node.request(account, Action::Consume, &[("tokens", 1)])).await);
            node.clock.set_offset_micros(node.clock.offset_micros() + MICROS_PER_HOUR);
        }
        let verified = node.verify().await;
        assert_eq!((verified.accounts, verified.events, verified.differences), (1, 12, vec![]));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_found() {
    for place in Place::both() {
        let (node, account) = place.node().await;
        accepted(node.consume(account, 3).await);
        accepted(node.ask(node.reserving(account, 2, 600).1).await);
        accepted(node.ask(node.granting(account, 5)).await);
        node.database.write_back().await.unwrap();
        for (statement, told) in [
            ("UPDATE balances SET used = used + 1 WHERE meter = 'requests'", "its events say"),
            ("UPDATE balances SET used = used - 1 WHERE meter = 'requests'", ""),
            ("UPDATE balances SET reserved = reserved + 1 WHERE meter = 'requests'", "its open reservations hold"),
            ("UPDATE balances SET reserved = reserved - 1 WHERE meter = 'requests'", ""),
            ("UPDATE credits SET remaining = remaining - 1", "remaining, its events say"),
            ("UPDATE credits SET remaining = remaining + 1", ""),
            ("UPDATE reservations SET state = 'released'", "its open reservations hold 0"),
            ("UPDATE reservations SET state = 'open'", ""),
            ("DELETE FROM balances WHERE meter = 'requests'", "is kept as 0 used"),
        ] {
            node.write(move |tx| tx.execute(statement, &[])).await;
            let found: Vec<String> = node.verify().await.differences.iter().map(Difference::to_string).collect();
            let is_found = found.iter().any(|line| line.contains(told) && line.starts_with(&account.to_string()));
            assert_eq!(is_found, !told.is_empty(), "{statement}: {found:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_verified_while_it_is_used() {
    on_both(|node, account| async move {
        let busy = tokio::spawn({
            let node = node.clone();
            async move {
                for _ in 0..50 {
                    let (_, reserving) = node.reserving(account, 1, 0);
                    node.ask_all(vec![node.consuming(account, 1), reserving]).await;
                }
            }
        });
        while !busy.is_finished() {
            node.must_be_exact().await;
        }
        busy.await.unwrap();
        node
    })
    .await;
}
