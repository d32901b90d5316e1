//! The auditor of a live database finds what somebody changed behind the ledger's back.

use domain::ledger::Action;
use domain::time::MICROS_PER_HOUR;
use storage::ledger::verify::{Difference, verify_in_slices};

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
async fn every_account_is_verified_once_however_many_are_folded_together() {
    for place in Place::both() {
        let (node, first) = place.node().await;
        let accounts = [first, node.new_account().await, node.new_account().await];
        for account in accounts {
            accepted(node.consume(account, 3).await);
        }
        node.clock.set_offset_micros(node.clock.offset_micros() + MICROS_PER_HOUR);
        for account in accounts {
            accepted(node.consume(account, 1).await);
        }
        node.database.write_back().await.unwrap();
        node.write(|tx| tx.execute("UPDATE balances SET used = used + 1 WHERE meter = 'requests'", &[])).await;
        for slice in [1, 2, 3, 4] {
            let verified = verify_in_slices(&node.database, node.clock.now(), slice).await.unwrap();
            assert_eq!((verified.accounts, verified.events), (3, 6), "{slice} at a time");
            for account in accounts {
                let of_account = |line: &Difference| line.to_string().starts_with(&account.to_string());
                assert_eq!(verified.differences.iter().filter(|line| of_account(line)).count(), 1, "{slice} at a time");
            }
        }
    }
}

/// Takes back what the migration to events by time has made.
const EVENTS_BY_ACCOUNT: &str = "ALTER TABLE usage_events DROP CONSTRAINT usage_events_pkey;
    ALTER TABLE usage_events ADD PRIMARY KEY (account_id, id);
    CREATE INDEX usage_events_by_id ON usage_events USING brin (id) WITH (autosummarize = on)";
const EVENTS_BY_TIME: &str = include_str!("../../migrations/postgres/0013_events_by_time.sql");

#[tokio::test(flavor = "multi_thread")]
async fn events_that_postgresql_kept_by_account_are_all_there_when_they_are_kept_by_time() {
    let Some(place) = Place::postgres() else { return };
    let (node, first) = place.node().await;
    let accounts = [first, node.new_account().await];
    node.write(|tx| tx.execute_script(EVENTS_BY_ACCOUNT)).await;
    let mut events = Vec::new();
    for account in accounts {
        events.push(accepted(node.consume(account, 3).await).event.id);
        events.push(accepted(node.consume(account, 2).await).event.id);
    }
    node.write(|tx| tx.execute_script(EVENTS_BY_TIME)).await;
    for event in events {
        assert!(node.ledger.event(event).await.unwrap().is_some(), "{event}");
    }
    for account in accounts {
        accepted(node.consume(account, 1).await);
        assert_eq!((node.events(account).await, node.usage(account).await), (3, (6, 0)));
    }
    node.must_be_exact().await;
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
