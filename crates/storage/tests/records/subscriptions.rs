//! Subscriptions and overrides on both engines.

use domain::entitlements::{LimitOverride, Overrides};
use domain::ids::{AccountId, PlanVersionId};
use domain::name::Name;
use domain::windows::WindowKind;
use storage::records::catalogs;
use storage::records::subscriptions::{self, Source, Subscription};

use crate::engines::{Opened, at, on_both};

async fn versions(opened: &Opened) -> (PlanVersionId, PlanVersionId) {
    opened.apply_catalog().await;
    let plans = opened.read(catalogs::load_plan_book).await.unwrap();
    (plans.current["free"].id, plans.current["pro"].id)
}

async fn of(opened: &Opened, account: AccountId) -> Subscription {
    opened.read(move |tx| subscriptions::by_account(tx, account)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_keeps_the_anchor_and_ends_on_the_default_plan() {
    on_both(|opened| async move {
        let (free, pro) = versions(&opened).await;
        let account = opened.add_account(None).await;
        let granted = move |tx: &mut storage::Tx<'_>| subscriptions::grant(tx, account, pro, Some(at(100)), at(10));
        assert!(opened.write(granted).await);
        let subscription = of(&opened, account).await;
        assert_eq!((subscription.plan_version, subscription.source), (Some(pro), Source::Granted));
        assert_eq!((subscription.anchor, subscription.granted_until), (at(0), Some(at(100))));
        assert_eq!(opened.epoch(account).await, 2);

        assert!(opened.write(move |tx| subscriptions::end_grant(tx, account, Some(free), at(20))).await);
        let subscription = of(&opened, account).await;
        assert_eq!((subscription.plan_version, subscription.source), (Some(free), Source::Default));
        assert_eq!((subscription.anchor, subscription.granted_until), (at(0), None));
        assert_eq!(opened.epoch(account).await, 3);

        assert!(!opened.write(move |tx| subscriptions::end_grant(tx, account, Some(free), at(30))).await);
        assert_eq!(opened.epoch(account).await, 3);
        let nobody = AccountId::from_bits(1);
        assert!(!opened.write(move |tx| subscriptions::grant(tx, nobody, pro, None, at(10))).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_grants_that_are_over_are_due() {
    on_both(|opened| async move {
        let (free, pro) = versions(&opened).await;
        let mut accounts = Vec::new();
        for until in [Some(at(100)), Some(at(50)), Some(at(200)), None] {
            let account = opened.add_account(None).await;
            opened.write(move |tx| subscriptions::grant(tx, account, pro, until, at(10))).await;
            accounts.push(account);
        }
        let due = opened.read(|tx| subscriptions::due_grants(tx, at(100), 10)).await;
        assert_eq!(due, [accounts[1], accounts[0]]);
        let extended = accounts[1];
        opened.write(move |tx| subscriptions::grant(tx, extended, pro, Some(at(300)), at(99))).await;
        for (account, ends) in [(accounts[0], true), (extended, false)] {
            let end = move |tx: &mut storage::Tx<'_>| subscriptions::end_due_grant(tx, account, Some(free), at(100));
            assert_eq!(opened.write(end).await, ends);
        }
        assert_eq!(of(&opened, extended).await.granted_until, Some(at(300)));
        assert_eq!(opened.read(|tx| subscriptions::due_grants(tx, at(100), 10)).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overrides_are_replaced_and_deleted_and_raise_the_epoch() {
    on_both(|opened| async move {
        let account = opened.add_account(None).await;
        assert_eq!(opened.read(move |tx| subscriptions::overrides(tx, account)).await, None);
        for (amount, epoch) in [(Some(5), 2), (None, 3)] {
            let limit = LimitOverride {
                meter: Name::new("requests"),
                per: WindowKind::Day,
                each: domain::catalog::LimitScope::Member,
                amount,
                past: None,
            };
            let overrides = Overrides { limits: vec![limit], ..Overrides::default() };
            let kept = overrides.clone();
            opened.write(move |tx| subscriptions::put_overrides(tx, account, &kept, at(1))).await;
            assert_eq!(opened.read(move |tx| subscriptions::overrides(tx, account)).await, Some(overrides));
            assert_eq!(opened.epoch(account).await, epoch);
        }
        assert!(opened.write(move |tx| subscriptions::delete_overrides(tx, account)).await);
        assert!(!opened.write(move |tx| subscriptions::delete_overrides(tx, account)).await);
        assert_eq!(opened.epoch(account).await, 4);
    })
    .await;
}
