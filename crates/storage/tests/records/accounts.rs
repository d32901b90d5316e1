//! Accounts on both engines.

use domain::billing::Source;
use domain::catalog::Interval;
use serde_json::json;
use storage::StorageError;
use storage::records::accounts::{self, AccountStatus};
use storage::records::subscriptions;

use crate::engines::{at, on_both};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_reads_back_and_changes() {
    on_both(|opened| async move {
        let mut account = opened.new_account(Some("user-1"), at(0));
        account.email = Some("ada@example.com".into());
        account.metadata.insert("team".into(), json!({"name": "blau ü", "size": 3}));
        let (kept, subscription) = (account.clone(), opened.id(at(0)));
        assert!(opened.write(move |tx| accounts::insert(tx, &kept, subscription, None)).await);
        let id = account.id;
        assert_eq!(opened.read(move |tx| accounts::by_id(tx, id)).await.as_ref(), Some(&account));
        let found = opened.read(|tx| accounts::by_external_id(tx, "user-1")).await;
        assert_eq!(found.as_ref(), Some(&account));
        assert_eq!(opened.read(|tx| accounts::by_external_id(tx, "USER-1")).await, None);

        account.status = AccountStatus::Suspended;
        account.email = None;
        account.updated_at = at(5);
        let kept = account.clone();
        opened.write(move |tx| accounts::update(tx, &kept)).await;
        assert_eq!(opened.write(move |tx| accounts::lock(tx, id)).await, Some(account));
        let unknown = opened.id(at(0));
        assert_eq!(opened.write(move |tx| accounts::lock(tx, unknown)).await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_has_a_subscription_and_an_epoch() {
    on_both(|opened| async move {
        let id = opened.add_account(None).await;
        let found = opened.read(move |tx| subscriptions::by_account(tx, id)).await.unwrap();
        assert_eq!((found.source, found.interval), (Source::Default, Interval::Monthly));
        assert_eq!((found.anchor, found.periods_since, found.granted), (at(0), at(0), None));
        assert_eq!(opened.epoch(id).await, 1);
        opened.write(move |tx| accounts::raise_epoch(tx, id)).await;
        assert_eq!(opened.epoch(id).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_external_id_is_one_account_however_many_make_it_at_once() {
    on_both(|opened| async move {
        let making = (0..16).map(|_| {
            let opened = opened.clone();
            tokio::spawn(async move {
                let (account, subscription) = (opened.new_account(Some("user-1"), at(0)), opened.id(at(0)));
                opened
                    .write(move |tx| {
                        let is_new = accounts::insert(tx, &account, subscription, None)?;
                        let found = accounts::by_external_id(tx, "user-1")?.expect("one of them was first");
                        Ok((is_new, found.id))
                    })
                    .await
            })
        });
        let mut made = Vec::new();
        for one in making.collect::<Vec<_>>() {
            made.push(one.await.unwrap());
        }
        assert_eq!(made.iter().filter(|(is_new, _)| *is_new).count(), 1);
        assert!(made.iter().all(|(_, id)| *id == made[0].1));
        assert_eq!(opened.read(|tx| accounts::list(tx, None, 100)).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_id_cannot_be_taken_twice_by_a_change() {
    on_both(|opened| async move {
        opened.add_account(Some("user-1")).await;
        let id = opened.add_account(None).await;
        let change = move |tx: &mut storage::Tx<'_>| {
            let mut account = accounts::lock(tx, id)?.expect("it was just added");
            account.external_id = Some("user-1".into());
            accounts::update(tx, &account)
        };
        assert!(matches!(opened.try_write(change).await, Err(StorageError::Taken(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_listed_newest_first_in_pages() {
    on_both(|opened| async move {
        let mut ids = Vec::new();
        for second in 0..5 {
            let (account, subscription) = (opened.new_account(None, at(second)), opened.id(at(second)));
            ids.insert(0, account.id);
            opened.write(move |tx| accounts::insert(tx, &account, subscription, None)).await;
        }
        let mut listed = Vec::new();
        loop {
            let before = listed.last().copied();
            let page = opened.read(move |tx| accounts::list(tx, before, 2)).await;
            if page.is_empty() {
                break;
            }
            listed.extend(page.iter().map(|account| account.id));
        }
        assert_eq!(listed, ids);
    })
    .await;
}
