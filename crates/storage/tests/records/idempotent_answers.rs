//! Answers kept by idempotency keys, on both engines.

use storage::records::idempotent_answers::{self, Answer, Found, RequestKey};

use crate::engines::{Opened, at, on_both};

const DAY: i64 = 86_400;

fn request(caller: &str, request_hash: u8) -> RequestKey {
    RequestKey { caller: caller.into(), key_hash: [7; 32], request_hash: [request_hash; 32] }
}

async fn begin(opened: &Opened, caller: &str, request_hash: u8, second: i64) -> Found {
    let request = request(caller, request_hash);
    let begin = move |tx: &mut storage::Tx<'_>| {
        idempotent_answers::begin(tx, &request, at(second), at(second - 60), at(second + DAY))
    };
    opened.write(begin).await
}

async fn finish(opened: &Opened, started: i64) -> bool {
    let answer = Answer { status: 201, content_type: Some("application/json".into()), body: b"{\0}".to_vec() };
    opened.write(move |tx| idempotent_answers::finish(tx, &request("key_1", 1), at(started), &answer)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_runs_once_and_is_answered_the_same_again() {
    on_both(|opened| async move {
        assert_eq!(begin(&opened, "key_1", 1, 0).await, Found::Run { started_at: at(0) });
        assert_eq!(begin(&opened, "key_1", 1, 1).await, Found::Running);
        assert_eq!(begin(&opened, "key_1", 2, 1).await, Found::OtherRequest);
        assert_eq!(begin(&opened, "key_2", 2, 1).await, Found::Run { started_at: at(1) });
        assert!(finish(&opened, 0).await);
        assert!(!finish(&opened, 0).await);
        let answered = begin(&opened, "key_1", 1, 100).await;
        let Found::Answered(answer) = answered else { panic!("{answered:?}") };
        assert_eq!((answer.status, answer.content_type.as_deref()), (201, Some("application/json")));
        assert_eq!(answer.body, b"{\0}");
        assert_eq!(begin(&opened, "key_1", 2, 100).await, Found::OtherRequest);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_request_may_run_again_and_a_dead_one_is_taken_over() {
    on_both(|opened| async move {
        begin(&opened, "key_1", 1, 0).await;
        opened.write(|tx| idempotent_answers::abandon(tx, &request("key_1", 1), at(0))).await;
        assert_eq!(begin(&opened, "key_1", 1, 1).await, Found::Run { started_at: at(1) });
        assert_eq!(begin(&opened, "key_1", 1, 60).await, Found::Running);
        assert_eq!(begin(&opened, "key_1", 2, 61).await, Found::OtherRequest);
        assert_eq!(begin(&opened, "key_1", 1, 61).await, Found::Run { started_at: at(61) });
        // The first runner lives after all: what it does has no effect.
        assert!(!finish(&opened, 1).await);
        opened.write(|tx| idempotent_answers::abandon(tx, &request("key_1", 1), at(1))).await;
        assert!(finish(&opened, 61).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_key_is_free_again_and_deleted_in_slices() {
    on_both(|opened| async move {
        for (caller, second) in [("key_1", 0), ("key_2", 1), ("key_3", 2)] {
            begin(&opened, caller, 1, second).await;
        }
        assert_eq!(begin(&opened, "key_1", 2, DAY).await, Found::Run { started_at: at(DAY) });
        let mut deleted = Vec::new();
        loop {
            let expired = opened.read(|tx| idempotent_answers::expired(tx, at(DAY + 2), 1)).await;
            let Some((caller, _)) = expired.first() else { break };
            deleted.push(caller.clone());
            opened.write(move |tx| idempotent_answers::delete_expired(tx, &expired, at(DAY + 2))).await;
        }
        assert_eq!(deleted, ["key_2", "key_3"]);
        assert_eq!(begin(&opened, "key_1", 2, DAY + 3).await, Found::Running);
    })
    .await;
}
