//! Daily sums on both engines.

use domain::catalog::LimitScope;
use domain::ids::{AccountId, EventId};
use domain::name::Name;
use storage::records::usage_daily::{self, Days, MeterSum, ScopedDay};

use crate::engines::{Opened, at, on_both};

const DAYS: Days = Days { first: 10, last: 11 };

fn sum(meter: &str, amount: i64, events: i64) -> MeterSum {
    MeterSum { meter: Name::new(meter), amount, events }
}

async fn add_day(
    opened: &Opened,
    account: AccountId,
    day: i64,
    (meter, model): (&'static str, &'static str),
    amount: i64,
) {
    let insert =
        "INSERT INTO usage_daily (account_id, day, meter, model, amount, events) VALUES ($1, $2, $3, $4, $5, 2)";
    let values = [account.into(), day.into(), meter.into(), model.into(), amount.into()];
    opened.write(move |tx| tx.execute(insert, &values)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_summed_by_meter_by_model_and_by_day() {
    on_both(|opened| async move {
        let account = AccountId::from_bits(1);
        for (day, meter, model, amount) in [
            (9, "requests", "", 1_000),
            (10, "requests", "small", 1),
            (10, "requests", "large", 2),
            (11, "requests", "small", 4),
            (11, "tokens", "small", i64::MAX - 1),
            (12, "requests", "", 2_000),
        ] {
            add_day(&opened, account, day, (meter, model), amount).await;
        }
        add_day(&opened, AccountId::from_bits(2), 10, ("requests", ""), 7).await;
        let tokens = sum("tokens", i64::MAX - 1, 2);
        let totals = opened.read(move |tx| usage_daily::totals(tx, account, DAYS)).await;
        assert_eq!(totals, [sum("requests", 7, 6), tokens.clone()]);
        let by_model = opened.read(move |tx| usage_daily::by_model(tx, account, DAYS)).await;
        let (small, large) = (Name::new("small"), Name::new("large"));
        assert_eq!(
            by_model,
            [(large, sum("requests", 2, 2)), (small.clone(), sum("requests", 5, 4)), (small, tokens.clone())]
        );
        let by_day = opened.read(move |tx| usage_daily::by_day(tx, account, DAYS)).await;
        assert_eq!(by_day, [(10, sum("requests", 3, 4)), (11, sum("requests", 4, 2)), (11, tokens)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scoped_days_add_up() {
    on_both(|opened| async move {
        let account = AccountId::from_bits(1);
        for (scope, scope_id, day, amount) in [
            (LimitScope::Member, "ada", 10, 5),
            (LimitScope::Member, "ada", 10, -2),
            (LimitScope::Member, "ada", 11, 1),
            (LimitScope::Member, "bob", 12, 9),
            (LimitScope::Key, "ada", 10, 7),
        ] {
            let scope_id = Name::new(scope_id);
            let key = ScopedDay { account, scope, scope_id, day, meter: Name::new("requests") };
            opened.write(move |tx| usage_daily::add_scoped(tx, &key, amount, 1)).await;
        }
        let by_member = opened.read(move |tx| usage_daily::by_scope(tx, account, LimitScope::Member, DAYS)).await;
        assert_eq!(by_member, [(Name::new("ada"), sum("requests", 4, 3))]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_in_the_order_of_their_ids() {
    on_both(|opened| async move {
        let (one, other) = (AccountId::from_bits(1), AccountId::from_bits(2));
        let events: Vec<EventId> = [(one, 1), (other, 2), (one, 3), (one, 4)]
            .into_iter()
            .map(|(account, second)| EventId::new(account, at(second), 5))
            .collect();
        for event in &events {
            let insert = "INSERT INTO usage_events (account_id, id, action, at, occurred_at, flags, model, amounts, \
                postings, draws, details) VALUES ($1, $2, 'consume', $3, $3, 0, '', '[]', $4, '[]', '{}')";
            let postings = r#"[["account","","requests","period",0,3,0,0]]"#;
            let made_at = event.made_at();
            let values = [event.account.into(), event.own_text().into(), made_at.into(), postings.into()];
            opened.write(move |tx| tx.execute(insert, &values)).await;
        }
        let bound = move |second: i64| EventId::new(one, at(second), 0).own_text();
        let ids = |found: &[usage_daily::UsageEvent]| found.iter().map(|event| event.id).collect::<Vec<_>>();
        let (after, before) = (bound(0), bound(4));
        let found = opened.read(move |tx| usage_daily::events_between(tx, &after, &before, 10)).await;
        assert_eq!(ids(&found), events[..3]);
        assert_eq!((found[0].occurred_at, found[0].postings[0].used), (at(1), 3));
        let after = events[1].own_text();
        let found = opened.read(move |tx| usage_daily::events_between(tx, &after, "z", 1)).await;
        assert_eq!(ids(&found), events[2..3]);
        let found = opened.read(move |tx| usage_daily::events_of_account(tx, one, &bound(2), 10)).await;
        assert_eq!(ids(&found), events[2..]);
    })
    .await;
}
