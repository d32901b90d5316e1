//! No limit is passed and nothing is lost, whatever comes at once.

use domain::ledger::Action;
use domain::time::MICROS_PER_DAY;

use super::node::*;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_on_a_limit_of_a_hundred_give_exactly_a_hundred() {
    on_both(|node, account| async move {
        let answers = node.ask_all((0..200).map(|_| node.consuming(account, 1)).collect()).await;
        let (yes, no) = (answers.iter().filter(|answer| is_accepted(answer)), answers.iter().filter(|a| is_denied(a)));
        assert_eq!((yes.count(), no.count()), (100, 100));
        assert_eq!(node.usage(account).await, (100, 0));
        assert_eq!(node.events(account).await, 100);
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_accounts_at_once_are_each_exact() {
    on_both(|node, first| async move {
        let mut accounts = vec![first];
        for _ in 0..9 {
            accounts.push(node.new_account().await);
        }
        let asked = (0..600).map(|place| node.consuming(accounts[place % 10], 2)).collect();
        let answers = node.ask_all(asked).await;
        assert_eq!(answers.iter().filter(|answer| is_accepted(answer)).count(), 500);
        for account in accounts {
            assert_eq!(node.usage(account).await, (100, 0));
        }
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_meters_in_one_command_move_together_or_not_at_all() {
    on_both(|node, account| async move {
        let both = || node.request(account, Action::Consume, &[("requests", 1), ("tokens", 30)]);
        let answers = node.ask_all((0..80).map(|_| both()).collect()).await;
        // Tokens run out first: 33 times 30 fit into a thousand.
        assert_eq!(answers.iter().filter(|answer| is_accepted(answer)).count(), 33);
        assert_eq!(node.usage(account).await, (33, 0));
        assert_eq!(node.limit(account, "tokens").await.used, units(990));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_period_has_its_whole_amount_at_once() {
    on_both(|node, account| async move {
        accepted(node.consume(account, 100).await);
        let denial = denied(node.consume(account, 1).await);
        assert!(node.ledger.remembered_denial(&node.consuming(account, 1).command).is_some());
        let resets_at = denial.limit.and_then(|limit| limit.resets_at).expect("a period ends");
        // The last moment before the reset, then the reset itself.
        node.clock.set_offset_micros(resets_at.since(node.clock.now()) - MICROS_PER_DAY);
        denied(node.consume(account, 1).await);
        node.clock.set_offset_micros(node.clock.offset_micros() + MICROS_PER_DAY + 1_000);
        assert!(node.ledger.remembered_denial(&node.consuming(account, 1).command).is_none());
        assert_eq!(node.usage(account).await, (0, 0));
        accepted(node.consume(account, 100).await);
        denied(node.consume(account, 1).await);
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_are_limited_and_survive_a_restart() {
    for place in Place::both() {
        let (node, account) = place.node().await;
        let seats = |action, amount| node.request(account, action, &[("seats", amount)]);
        accepted(node.ask(seats(Action::SetLevel, 4)).await);
        accepted(node.ask(seats(Action::Consume, 1)).await);
        denied(node.ask(seats(Action::Consume, 1)).await);
        accepted(node.ask(seats(Action::Consume, -2)).await);
        node.database.close().await;
        drop(node);
        let node = place.open().await;
        assert_eq!(node.limit(account, "seats").await.used, units(3));
        node.must_be_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_there_is_told_so() {
    on_both(|node, account| async move {
        let nobody = domain::ids::AccountId::from_bits(1);
        let answer = node.consume(nobody, 1).await;
        assert!(matches!(answer, Err(storage::ledger::LedgerError::AccountUnknown)), "{answer:?}");
        accepted(node.consume(account, 1).await);
        node
    })
    .await;
}
