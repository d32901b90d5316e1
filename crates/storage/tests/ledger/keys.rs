//! A caller's key: the same content counts once, other content is a conflict, a denial takes no key.

use domain::ledger::Action;
use storage::ledger::Answer;

use super::node::*;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_times_the_same_key_in_flight_count_once() {
    on_both(|node, account| async move {
        let answers = node.ask_all((0..50).map(|_| node.consuming(account, 3).keyed(1)).collect()).await;
        assert_eq!(answers.iter().filter(|answer| is_accepted(answer)).count(), 1);
        let events: Vec<_> =
            answers.into_iter().filter(|answer| !is_accepted(answer)).map(|answer| replayed(answer).own()).collect();
        assert_eq!(events.len(), 49);
        assert!(events.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!((node.usage(account).await, node.events(account).await), ((3, 0), 1));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_known_after_a_restart_and_in_another_month() {
    for place in Place::both() {
        let (node, account) = place.node().await;
        let event = accepted(node.ask(node.consuming(account, 3).keyed(1)).await).event.id;
        node.database.close().await;
        drop(node);
        let node = place.open().await;
        assert_eq!(replayed(node.ask(node.consuming(account, 3).keyed(1)).await), event);
        node.clock.set_offset_micros(32 * domain::time::MICROS_PER_DAY);
        assert_eq!(replayed(node.ask(node.consuming(account, 3).keyed(1)).await), event);
        assert_eq!(node.events(account).await, 1);
        node.must_be_exact().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_with_other_content_is_a_conflict() {
    on_both(|node, account| async move {
        let event = accepted(node.ask(node.consuming(account, 3).keyed(1)).await).event.id;
        let answer = node.ask(node.consuming(account, 4).keyed(1)).await;
        assert!(matches!(answer, Ok(Answer::Conflict(before)) if before == event), "{answer:?}");
        // In one batch too.
        let pair = vec![node.consuming(account, 1).keyed(2), node.consuming(account, 2).keyed(2)];
        let answers = node.ask_in_one_batch(account, pair).await;
        assert!(is_accepted(&answers[0]) && matches!(answers[1], Ok(Answer::Conflict(_))), "{answers:?}");
        assert_eq!(node.usage(account).await, (4, 0));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_belong_to_their_account() {
    on_both(|node, account| async move {
        let other = node.new_account().await;
        accepted(node.ask(node.consuming(account, 1).keyed(1)).await);
        accepted(node.ask(node.consuming(other, 1).keyed(1)).await);
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_takes_no_key() {
    on_both(|node, account| async move {
        accepted(node.consume(account, 100).await);
        denied(node.ask(node.consuming(account, 1).keyed(1)).await);
        node.upgrade(account).await;
        let event = accepted(node.ask(node.consuming(account, 1).keyed(1)).await).event.id;
        assert_eq!(replayed(node.ask(node.consuming(account, 1).keyed(1)).await), event);
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_tells_what_was_kept_and_how_the_limits_stand_now() {
    on_both(|node, account| async move {
        let (reservation, request) = node.reserving(account, 5, 60);
        let request = storage::ledger::Request { details: std::sync::Arc::from(r#"{"user":"ann"}"#), ..request };
        accepted(node.ask(request.clone().keyed(1)).await);
        accepted(node.consume(account, 2).await);
        let answer = node.ask(request.keyed(1)).await;
        let Ok(Answer::Replayed { limits, stored: Some(stored), .. }) = answer else {
            panic!("this should have been answered before: {answer:?}")
        };
        assert_eq!((limits[0].used, limits[0].reserved), (units(2), units(5)));
        assert_eq!((stored.reservation, &*stored.details), (Some(reservation), r#"{"user":"ann"}"#));
        node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_command_is_counted_once_by_its_key() {
    on_both(|node, account| async move {
        let kinds = [
            node.request(account, Action::Record, &[("requests", 2)]),
            node.request(account, Action::Adjust, &[("requests", 3)]),
            node.request(account, Action::SetLevel, &[("seats", 4)]),
            node.granting(account, 5),
        ];
        for (key, request) in kinds.into_iter().enumerate() {
            let event = accepted(node.ask(request.clone().keyed(key as u64)).await).event.id;
            assert_eq!(replayed(node.ask(request.keyed(key as u64)).await), event);
        }
        assert_eq!((node.usage(account).await, node.events(account).await), ((5, 0), 4));
        node
    })
    .await;
}
