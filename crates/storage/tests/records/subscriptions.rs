//! Subscriptions and overrides on both engines.

use domain::billing::{Grant, Source, Standing, Status, standing};
use domain::catalog::Interval;
use domain::entitlements::{LimitOverride, Overrides};
use domain::ids::{AccountId, PlanVersionId};
use domain::name::Name;
use domain::time::Timestamp;
use domain::windows::WindowKind;
use storage::records::catalogs;
use storage::records::subscriptions::{self, GrantedPlan, Subscription};
use storage::{StorageError, Tx};

use crate::engines::{Opened, at, on_both};

async fn versions(opened: &Opened) -> (PlanVersionId, PlanVersionId) {
    opened.apply_catalog().await;
    let plans = opened.read(catalogs::load_plan_book).await.unwrap();
    (plans.current["free"].id, plans.current["pro"].id)
}

async fn of(opened: &Opened, account: AccountId) -> Subscription {
    opened.read(move |tx| subscriptions::by_account(tx, account)).await.unwrap()
}

/// Settles the account on what follows from its grant alone.
fn settle(tx: &mut Tx<'_>, account: AccountId, free: PlanVersionId, now: Timestamp) -> Result<bool, StorageError> {
    let row = subscriptions::by_account(tx, account)?.expect("the account has a plan");
    let grant = row.granted.map(|granted| Grant { plan: granted.version, rank: 1, until: granted.until });
    subscriptions::put_standing(tx, &row, &standing(None, grant, 0, now), Some(free), now)
}

fn grant(
    tx: &mut Tx<'_>,
    account: AccountId,
    (version, until): (PlanVersionId, Option<Timestamp>),
    now: Timestamp,
) -> Result<bool, StorageError> {
    subscriptions::set_grant(tx, account, Some(GrantedPlan { version, until }), now)?;
    settle(tx, account, version, now)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_keeps_the_anchor_and_ends_on_the_default_plan() {
    on_both(|opened| async move {
        let (free, pro) = versions(&opened).await;
        let account = opened.add_account(None).await;
        assert!(opened.write(move |tx| grant(tx, account, (pro, Some(at(100))), at(10))).await);
        let subscription = of(&opened, account).await;
        assert_eq!((subscription.plan_version, subscription.source), (Some(pro), Source::Granted));
        assert_eq!((subscription.anchor, subscription.plan_until), (at(0), Some(at(100))));
        assert_eq!(opened.epoch(account).await, 2);

        let end = move |tx: &mut Tx<'_>| {
            subscriptions::set_grant(tx, account, None, at(20))?;
            settle(tx, account, free, at(20))
        };
        assert!(opened.write(end).await);
        let subscription = of(&opened, account).await;
        assert_eq!((subscription.plan_version, subscription.source), (Some(free), Source::Default));
        assert_eq!((subscription.anchor, subscription.plan_until), (at(0), None));
        assert_eq!(opened.epoch(account).await, 3);

        assert!(!opened.write(move |tx| settle(tx, account, pro, at(30))).await);
        assert_eq!((of(&opened, account).await.plan_version, opened.epoch(account).await), (Some(free), 3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_anchor_begins_periods_anew_and_the_own_one_comes_back() {
    on_both(|opened| async move {
        let (free, pro) = versions(&opened).await;
        let account = opened.add_account(None).await;
        let paid = Standing {
            plan: Some(pro),
            until: None,
            then: None,
            source: Source::Paid,
            status: Status::Active,
            interval: Interval::Annual,
            anchor: Some(at(7)),
        };
        let put = move |tx: &mut Tx<'_>| {
            let row = subscriptions::by_account(tx, account)?.expect("the account has a plan");
            subscriptions::put_standing(tx, &row, &paid, Some(free), at(10))
        };
        assert!(opened.write(put.clone()).await);
        assert!(!opened.write(put).await);
        let bought = of(&opened, account).await;
        assert_eq!((bought.anchor, bought.periods_since, bought.interval), (at(7), at(10), Interval::Annual));
        assert!(opened.write(move |tx| settle(tx, account, free, at(20))).await);
        let ended = of(&opened, account).await;
        assert_eq!((ended.anchor, ended.periods_since, ended.plan_version), (at(0), at(20), Some(free)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_plans_that_are_over_are_due() {
    on_both(|opened| async move {
        let (free, pro) = versions(&opened).await;
        let mut accounts = Vec::new();
        for until in [Some(at(100)), Some(at(50)), Some(at(200)), None] {
            let account = opened.add_account(None).await;
            opened.write(move |tx| grant(tx, account, (pro, until), at(10))).await;
            accounts.push(account);
        }
        let mut due = opened.read(|tx| subscriptions::due(tx, at(100), 10)).await;
        due.dedup();
        due.sort();
        due.dedup();
        let mut wanted = vec![accounts[1], accounts[0]];
        wanted.sort();
        assert_eq!(due, wanted);
        let extended = accounts[1];
        opened.write(move |tx| grant(tx, extended, (pro, Some(at(300))), at(99))).await;
        for (account, ends) in [(accounts[0], true), (extended, false)] {
            let end = move |tx: &mut Tx<'_>| {
                let ended = settle(tx, account, free, at(100))?;
                if ended {
                    subscriptions::set_grant(tx, account, None, at(100))?;
                }
                Ok::<_, StorageError>(ended)
            };
            assert_eq!(opened.write(end).await, ends);
        }
        assert_eq!(of(&opened, extended).await.plan_until, Some(at(300)));
        assert_eq!(opened.read(|tx| subscriptions::due(tx, at(100), 10)).await, []);
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
