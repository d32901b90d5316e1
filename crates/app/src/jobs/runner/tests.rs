//! The runner on both engines: kinds of jobs that note what was done, fail, panic and dawdle.

use std::collections::BTreeMap;

use domain::ids::JobId;
use domain::time::MICROS_PER_SECOND;
use parking_lot::Mutex;
use storage::records::jobs::{JobState, NewJob};

use super::super::kinds::{BackOff, Done, nothing_to_note};
use super::*;
use crate::stage::{Place, advance};

/// How often each job was done, by its id: the tests of this file run side by side, and each looks at its own.
static DONE: Mutex<BTreeMap<JobId, u32>> = Mutex::new(BTreeMap::new());

const BACK_OFF: BackOff = BackOff { first: Duration::from_secs(10), most: Duration::from_secs(60) };

const fn kind(name: &'static str) -> JobKind {
    JobKind {
        name,
        at_once: 4,
        deadline: Duration::from_secs(20),
        attempts: 3,
        back_off: BACK_OFF,
        run: |_, job| Box::pin(async move { done(&job) }),
        failed: nothing_to_note,
        is_done_by: |_| true,
    }
}

static TEST_KINDS: [JobKind; 6] = [
    kind("notes"),
    JobKind {
        run: |_, job| Box::pin(async move { if job.attempts == 2 { done(&job) } else { later("not yet") } }),
        ..kind("second_try")
    },
    JobKind { run: |_, _| Box::pin(async { panic!("a defect") }), ..kind("panics") },
    JobKind { deadline: Duration::from_millis(50), run: |_, _| Box::pin(std::future::pending()), ..kind("never_ends") },
    JobKind { run: |_, _| Box::pin(async { Err(JobFailure::GiveUp("hopeless".into())) }), ..kind("hopeless") },
    JobKind { is_done_by: |_| false, ..kind("not_here") },
];

fn done(job: &Job) -> Result<Done, JobFailure> {
    *DONE.lock().entry(job.id).or_default() += 1;
    Ok(Done)
}

fn later(error: &str) -> Result<Done, JobFailure> {
    Err(JobFailure::RetryLater(error.into()))
}

fn times_done(id: JobId) -> u32 {
    DONE.lock().get(&id).copied().unwrap_or(0)
}

async fn add(app: &App, kind: &'static str) -> JobId {
    let (id, now) = (app.new_id(), app.now());
    let job = NewJob { id, kind, account: None, payload: "{}".into(), run_at: now };
    app.database.write::<_, StorageError, _>("test", move |tx| jobs::insert(tx, &job, now)).await.unwrap();
    id
}

async fn get(app: &App, id: JobId) -> Option<Job> {
    app.database.read::<_, StorageError, _>("test", move |tx| jobs::by_id(tx, id)).await.unwrap()
}

async fn run_due(app: &App) {
    Runner::new(app.clone(), &TEST_KINDS).run_due().await;
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), asking).await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_waits_and_is_done_once() {
    for place in Place::all() {
        let app = place.open().await;
        let id = add(&app, "second_try").await;
        run_due(&app).await;
        let job = get(&app, id).await.expect("it waits");
        assert_eq!((job.state, job.attempts, job.last_error.as_deref()), (JobState::Ready, 1, Some("not yet")));
        let wait = job.run_at.since(app.now());
        assert!((4 * MICROS_PER_SECOND..=10 * MICROS_PER_SECOND).contains(&wait), "{wait}");
        run_due(&app).await;
        assert_eq!(times_done(id), 0);
        advance(&app, 10);
        run_due(&app).await;
        assert_eq!((times_done(id), get(&app, id).await), (1, None));
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_or_takes_too_long_fails_and_is_given_up_at_last() {
    for place in Place::all() {
        let app = place.open().await;
        let (panics, never_ends) = (add(&app, "panics").await, add(&app, "never_ends").await);
        for attempt in 1..=3 {
            run_due(&app).await;
            for (id, told) in [(panics, "a defect"), (never_ends, "took longer than 0.05 s")] {
                let job = get(&app, id).await.expect("it is kept");
                let expected = if attempt < 3 { JobState::Ready } else { JobState::Failed };
                assert_eq!((job.state, job.attempts), (expected, attempt));
                assert!(job.last_error.as_ref().is_some_and(|error| error.contains(told)), "{job:?}");
            }
            advance(&app, 60);
        }
        run_due(&app).await;
        assert_eq!(get(&app, panics).await.map(|job| job.attempts), Some(3));
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hopeless_job_is_given_up_at_once_and_others_go_on() {
    for place in Place::all() {
        let app = place.open().await;
        let (hopeless, notes, elsewhere) =
            (add(&app, "hopeless").await, add(&app, "notes").await, add(&app, "not_here").await);
        run_due(&app).await;
        let job = get(&app, hopeless).await.expect("it is kept");
        assert_eq!((job.state, job.attempts, job.last_error.as_deref()), (JobState::Failed, 1, Some("hopeless")));
        assert_eq!(times_done(notes), 1);
        let job = get(&app, elsewhere).await.expect("it waits for whoever does it");
        assert_eq!((job.state, job.attempts), (JobState::Ready, 0));
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_begun_as_soon_as_it_is_committed() {
    for place in Place::all() {
        let app = place.open().await;
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(Runner::new(app.clone(), &TEST_KINDS).run(stopped));
        // So many that looking once a second would take longer than the test allows.
        for _ in 0..40 {
            let id = add(&app, "notes").await;
            until("it is done", async || times_done(id) == 1).await;
        }
        stop.send_replace(true);
        running.await.unwrap();
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_at_work_are_finished_before_the_runner_ends() {
    static SLOW: [JobKind; 1] = [JobKind {
        run: |_, job| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                done(&job)
            })
        },
        ..kind("slow")
    }];
    for place in Place::all() {
        let app = place.open().await;
        let id = add(&app, "slow").await;
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(Runner::new(app.clone(), &SLOW).run(stopped));
        until("it is begun", async || get(&app, id).await.is_some_and(|job| job.state == JobState::Running)).await;
        stop.send_replace(true);
        running.await.unwrap();
        assert_eq!((times_done(id), get(&app, id).await), (1, None));
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_do_every_job_once() {
    for place in Place::all().into_iter().filter(|place| place.takes_several_nodes()) {
        let nodes = [place.open().await, place.open().await];
        let mut added = Vec::new();
        for number in 0..200 {
            added.push(add(&nodes[number % 2], "notes").await);
        }
        let (stop, stopped) = watch::channel(false);
        let running = nodes.clone().map(|app| tokio::spawn(Runner::new(app, &TEST_KINDS).run(stopped.clone())));
        until("all are done", async || added.iter().all(|id| times_done(*id) > 0)).await;
        stop.send_replace(true);
        for runner in running {
            runner.await.unwrap();
        }
        assert!(added.iter().all(|id| times_done(*id) == 1));
        for id in added {
            assert_eq!(get(&nodes[0], id).await, None);
        }
    }
}

/// A runner that claims a job and is never heard of again; its lease is over at once.
async fn claim_and_die(app: &App) {
    let (now, from) = (app.now(), app.clock().unmoved());
    let claim = move |tx: &mut Tx<'_>| jobs::claim(tx, "notes", now, Lease { from, until: from }, 1);
    assert_eq!(app.database.write::<_, StorageError, _>("test", claim).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_runner_died_is_taken_over() {
    for place in Place::all() {
        let app = place.open().await;
        let id = add(&app, "notes").await;
        claim_and_die(&app).await;
        run_due(&app).await;
        assert_eq!((times_done(id), get(&app, id).await), (1, None));
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_every_runner_dies_of_is_given_up() {
    for place in Place::all() {
        let app = place.open().await;
        let id = add(&app, "notes").await;
        for _ in 0..3 {
            claim_and_die(&app).await;
        }
        run_due(&app).await;
        let job = get(&app, id).await.expect("it is kept");
        assert_eq!((job.state, times_done(id)), (JobState::Failed, 0));
        assert!(job.last_error.as_deref().is_some_and(|error| error.contains("ended before")), "{job:?}");
        app.database.close().await;
    }
}
