//! Who may open a database.

use storage::ledger::LedgerSettings;
use storage::{DatabaseUrl, StorageError};

use super::node::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_one_owner_and_the_second_is_told_what_to_do() {
    let place = Place::sqlite();
    let (node, account) = place.node().await;
    let second = Node::open(&place.url, node.clock.clone(), LedgerSettings::default()).await;
    let Err(error) = second else { panic!("two own one file") };
    assert!(matches!(error, StorageError::Owned { .. }));
    let told = error.to_string();
    assert!(told.contains("in use by another Tollway process") && told.contains("PostgreSQL"), "{told}");
    accepted(node.consume(account, 1).await);
    node.database.close().await;
    drop(node);
    let next = place.open().await;
    assert_eq!(next.usage(account).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_reached_by_a_link_has_one_owner_too() {
    let place = Place::sqlite();
    let (node, account) = place.node().await;
    let DatabaseUrl::Sqlite(path) = &place.url else { unreachable!("the place is on SQLite") };
    let link = path.with_extension("link");
    std::os::unix::fs::symlink(path, &link).unwrap();
    let by_link = DatabaseUrl::Sqlite(link);
    let second = Node::open(&by_link, node.clock.clone(), LedgerSettings::default()).await;
    assert!(matches!(second.map(|_| ()), Err(StorageError::Owned { .. })));
    let clock = node.clock.clone();
    node.database.close().await;
    drop(node);
    let next = Node::open(&by_link, clock, LedgerSettings::default()).await.expect("it is free");
    accepted(next.consume(account, 1).await);
    next.must_be_exact().await;
    next.database.close().await;
    drop(next);
    assert_eq!(place.open().await.usage(account).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_a_newer_build_is_refused() {
    for place in Place::both() {
        let (node, _) = place.node().await;
        let newer = "INSERT INTO migrations (version, name, applied_at) VALUES (999, 'from_the_future', 0)";
        node.write(move |tx| tx.execute(newer, &[])).await;
        node.database.close().await;
        let clock = node.clock.clone();
        drop(node);
        let Err(error) = Node::open(&place.url, clock, LedgerSettings::default()).await else {
            panic!("a newer schema was opened")
        };
        assert!(matches!(error, StorageError::NewerSchema { found: 999, .. }), "{error}");
        assert!(error.to_string().contains("newer Tollway"), "{error}");
    }
}
