//! Jobs on both engines.

use storage::records::jobs::{self, Job, JobState, Lease, NewJob};

use crate::engines::{Opened, at, on_both};

async fn add(opened: &Opened, kind: &'static str, run_at: i64) -> domain::ids::JobId {
    let job = NewJob { id: opened.id(at(run_at)), kind, account: None, payload: "{}".into(), run_at: at(run_at) };
    let id = job.id;
    opened.write(move |tx| jobs::insert(tx, &job, at(0))).await;
    id
}

async fn claim(opened: &Opened, kind: &'static str, second: i64, limit: u32) -> Vec<Job> {
    let lease = Lease { from: at(second), until: at(second + 60) };
    opened.write(move |tx| jobs::claim(tx, kind, at(second), lease, limit)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn due_jobs_are_claimed_in_order_and_by_kind() {
    on_both(|opened| async move {
        let (late, early) = (add(&opened, "mail", 2).await, add(&opened, "mail", 1).await);
        let other = add(&opened, "webhook", 0).await;
        add(&opened, "mail", 50).await;
        let ids = |jobs: &[Job]| jobs.iter().map(|job| job.id).collect::<Vec<_>>();
        assert_eq!(ids(&claim(&opened, "mail", 10, 1).await), [early]);
        assert!(opened.read(|tx| jobs::any_due(tx, "mail", at(10), at(10))).await);
        assert_eq!(ids(&claim(&opened, "webhook", 10, 5).await), [other]);
        let claimed = claim(&opened, "mail", 10, 5).await;
        assert_eq!(ids(&claimed), [late]);
        assert!(claimed.iter().all(|job| job.state == JobState::Running && job.attempts == 1));
        assert_eq!(claimed[0].leased_until, Some(at(70)));
        assert_eq!(claim(&opened, "mail", 10, 5).await, []);
        assert!(!opened.read(|tx| jobs::any_due(tx, "mail", at(10), at(10))).await);
        // The development clock is moved: what is due by it is due, and no lease is over.
        let lease = Lease { from: at(10), until: at(70) };
        let moved = opened.write(move |tx| jobs::claim(tx, "mail", at(10_000), lease, 5)).await;
        assert_eq!((moved.len(), moved[0].run_at), (1, at(50)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_is_taken_over_and_the_first_runner_ends_nothing() {
    on_both(|opened| async move {
        add(&opened, "mail", 0).await;
        let first = claim(&opened, "mail", 0, 1).await.remove(0);
        assert_eq!(claim(&opened, "mail", 59, 1).await, []);
        let second = claim(&opened, "mail", 60, 1).await.remove(0);
        assert_eq!((second.id, second.attempts), (first.id, 2));
        let (lost, held) = (first.clone(), second.clone());
        assert!(!opened.write(move |tx| jobs::finish(tx, &lost)).await);
        assert!(!opened.write(move |tx| jobs::fail(tx, &first, "late", None)).await);
        assert!(opened.write(move |tx| jobs::finish(tx, &held)).await);
        assert_eq!(opened.read(|tx| jobs::list(tx, JobState::Running, None, 10)).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_waits_and_is_given_up_at_last() {
    on_both(|opened| async move {
        let id = add(&opened, "mail", 0).await;
        let job = claim(&opened, "mail", 0, 1).await.remove(0);
        assert!(opened.write(move |tx| jobs::fail(tx, &job, "no \0 route", Some(at(30)))).await);
        assert_eq!(claim(&opened, "mail", 29, 1).await, []);
        let job = claim(&opened, "mail", 30, 1).await.remove(0);
        assert_eq!((job.attempts, job.last_error.as_deref()), (2, Some("no  route")));
        assert!(opened.write(move |tx| jobs::fail(tx, &job, "still none", None)).await);
        assert_eq!(claim(&opened, "mail", 10_000, 1).await, []);
        let failed = opened.read(|tx| jobs::list(tx, JobState::Failed, None, 10)).await;
        assert_eq!((failed.len(), failed[0].id), (1, id));
        assert_eq!(opened.read(move |tx| jobs::list(tx, JobState::Failed, Some(id), 10)).await, []);
        let retried = opened.write(move |tx| jobs::retry(tx, id, at(20_000))).await.expect("it was given up");
        assert_eq!((retried.state, retried.attempts, retried.run_at), (JobState::Ready, 0, at(20_000)));
        assert_eq!(retried.last_error.as_deref(), Some("still none"));
        assert_eq!(opened.write(move |tx| jobs::retry(tx, id, at(20_000))).await, None);
        assert_eq!(claim(&opened, "mail", 20_000, 1).await[0].attempts, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_claimed_than_asked_for_whatever_the_engine_knows_of_the_table() {
    on_both(|opened| async move {
        add(&opened, "mail", 0).await;
        // PostgreSQL does so by itself from time to time, and plans for one row from then on.
        opened.write(|tx| tx.execute("ANALYZE jobs", &[])).await;
        for second in 1..=20 {
            add(&opened, "mail", second).await;
        }
        let claimed = claim(&opened, "mail", 100, 4).await;
        assert_eq!(claimed.iter().map(|job| job.run_at).collect::<Vec<_>>(), [at(0), at(1), at(2), at(3)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_claimed_by_one_runner_only() {
    on_both(|opened| async move {
        for second in 0..20 {
            add(&opened, "mail", second).await;
        }
        let claiming = (0..8).map(|_| {
            let opened = opened.clone();
            tokio::spawn(async move { claim(&opened, "mail", 100, 20).await })
        });
        let mut claimed = Vec::new();
        for one in claiming.collect::<Vec<_>>() {
            claimed.extend(one.await.unwrap().into_iter().map(|job| job.id));
        }
        claimed.extend(claim(&opened, "mail", 100, 20).await.into_iter().map(|job| job.id));
        let count = claimed.len();
        claimed.sort();
        claimed.dedup();
        assert_eq!((count, claimed.len()), (20, 20));
    })
    .await;
}
