//! Runs the jobs that transactions have left behind: claims what is due by a lease, several at a time, and finishes,
//! puts back or gives up each. Start at [`Runner::run`].
//!
//! Any number of processes may run on one database. A job is at work in one of them; when that one dies, the lease runs
//! out and another begins the job again.

use std::collections::HashMap;
use std::time::Duration;

use domain::time::Timestamp;
use storage::records::jobs::{self, Job, Lease};
use storage::{StorageError, Tx};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::is_stopped;
use super::kinds::{JobFailure, JobKind};
use crate::App;

/// How often it is looked for jobs when nobody has told of any: those of other processes, and those whose time has come.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How much longer than its deadline a job is leased, for noting how it ended.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

pub(crate) struct Runner {
    app: App,
    /// Those that this process does.
    kinds: Vec<&'static JobKind>,
    /// Jobs at work; each gives its kind's name when it has ended.
    at_work: JoinSet<&'static str>,
    count: HashMap<&'static str, u32>,
    /// Whether the last look failed; told once.
    failing: bool,
}

impl Runner {
    pub fn new(app: App, kinds: &'static [JobKind]) -> Self {
        let kinds = kinds.iter().filter(|kind| (kind.is_done_by)(&app)).collect();
        Self { app, kinds, at_work: JoinSet::new(), count: HashMap::new(), failing: false }
    }

    /// Of the kinds that this process does, one.
    pub fn only(mut self, name: &'static str) -> Self {
        self.kinds.retain(|kind| kind.name == name);
        self
    }

    /// Runs jobs until it is told to stop, then lets those at work come to their end.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut added = self.app.jobs_added.subscribe();
        let mut look = true;
        while !is_stopped(&stopped) {
            // Before it is looked, so that what is added meanwhile is not missed.
            added.borrow_and_update();
            if look || self.any_due().await {
                self.begin_due().await;
            }
            look = tokio::select! {
                Some(ended) = self.at_work.join_next() => { self.note_end(ended); true }
                _ = added.changed() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
                _ = stopped.changed() => false,
            };
        }
        self.end_all().await;
    }

    /// Runs everything that is due, and what it leaves behind that is due by then. Nothing fails here: each job's failure
    /// is kept with it.
    pub async fn run_due(mut self) {
        while self.begin_due().await > 0 || !self.at_work.is_empty() {
            if let Some(ended) = self.at_work.join_next().await {
                self.note_end(ended);
            }
        }
    }

    async fn end_all(&mut self) {
        while let Some(ended) = self.at_work.join_next().await {
            self.note_end(ended);
        }
    }

    /// Takes note of one job that has ended, and of all others that have.
    fn note_end(&mut self, ended: Result<&'static str, tokio::task::JoinError>) {
        let mut next = Some(ended);
        while let Some(ended) = next {
            match ended {
                Ok(name) => *self.count.entry(name).or_default() -= 1,
                Err(error) => tracing::error!(%error, "a job's end could not be noted; its lease will run out"),
            }
            next = self.at_work.try_join_next();
        }
    }

    /// A look that writes nothing, since mostly nothing is due. A database that does not answer has nothing due.
    async fn any_due(&self) -> bool {
        let (now, unmoved) = (self.app.now(), self.app.clock().unmoved());
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.name).collect();
        let read = move |tx: &mut Tx<'_>| {
            names.iter().try_fold(false, |found, name| Ok(found || jobs::any_due(tx, name, now, unmoved)?))
        };
        self.app.database.read::<_, StorageError, _>("any_job_due", read).await.unwrap_or(false)
    }

    /// Claims as many due jobs as there is room for, and begins them. How many they are.
    async fn begin_due(&mut self) -> usize {
        let mut begun = 0;
        let mut failure = None;
        for kind in self.kinds.clone() {
            let room = kind.at_once.saturating_sub(self.count.get(kind.name).copied().unwrap_or(0));
            if room == 0 {
                continue;
            }
            match self.claim(kind, room).await {
                Ok(claimed) => {
                    begun += claimed.len();
                    claimed.into_iter().for_each(|job| self.begin(kind, job));
                }
                Err(error) => failure = Some(error),
            }
        }
        match &failure {
            Some(error) if !self.failing => tracing::error!(%error, "jobs cannot be claimed; trying again"),
            None if self.failing => tracing::info!("jobs are claimed again"),
            _ => {}
        }
        self.failing = failure.is_some();
        begun
    }

    async fn claim(&self, kind: &JobKind, room: u32) -> Result<Vec<Job>, StorageError> {
        let (name, now, from) = (kind.name, self.app.now(), self.app.clock().unmoved());
        let lease = Lease { from, until: from.plus_micros(micros(kind.deadline + LEASE_MARGIN)) };
        let write = move |tx: &mut Tx<'_>| jobs::claim(tx, name, now, lease, room);
        self.app.database.write("claim_jobs", write).await
    }

    fn begin(&mut self, kind: &'static JobKind, job: Job) {
        *self.count.entry(kind.name).or_default() += 1;
        let app = self.app.clone();
        self.at_work.spawn(async move {
            work(&app, kind, &job).await;
            kind.name
        });
    }
}

/// Does one job and notes how it ended.
#[expect(clippy::disallowed_methods, reason = "how long a job took is a duration, not a time of the product")]
async fn work(app: &App, kind: &'static JobKind, job: &Job) {
    let begun = std::time::Instant::now();
    let outcome = outcome_of(app, kind, job).await;
    let name = kind.name;
    metrics::histogram!("tollway_job_duration_seconds", "kind" => name).record(begun.elapsed().as_secs_f64());
    let told = match &outcome {
        Ok(()) => "done",
        Err(JobFailure::RetryLater(_)) if job.attempts < kind.attempts => "failed",
        Err(_) => "given_up",
    };
    metrics::counter!("tollway_jobs_total", "kind" => name, "outcome" => told).increment(1);
    let noted = match outcome {
        Ok(()) => finish(app, job.clone()).await,
        Err(JobFailure::RetryLater(error)) if told == "failed" => {
            tracing::warn!(kind = name, job = %job.id, error, "a job failed and will be tried again");
            let wait = kind.back_off.after(job.attempts, app.entropy.bits());
            fail(app, kind, job.clone(), error, Some(app.now().plus_micros(micros(wait)))).await
        }
        Err(JobFailure::RetryLater(error) | JobFailure::GiveUp(error)) => {
            tracing::error!(kind = name, job = %job.id, error, "a job failed and was given up");
            fail(app, kind, job.clone(), error, None).await
        }
    };
    match noted {
        Ok(true) => {}
        Ok(false) => tracing::warn!(kind = name, job = %job.id, "a job took longer than its lease; another has it now"),
        Err(error) => {
            tracing::error!(kind = name, job = %job.id, %error, "a job's end could not be noted; its lease will run out");
        }
    }
}

/// A job that panics or takes too long has failed like any other.
async fn outcome_of(app: &App, kind: &JobKind, job: &Job) -> Result<(), JobFailure> {
    if job.attempts > kind.attempts {
        let error = job.last_error.as_deref().unwrap_or("whoever ran it ended before it did");
        return Err(JobFailure::GiveUp(error.to_owned()));
    }
    let running = tokio::spawn((kind.run)(app.clone(), job.clone()));
    let _ends_with_this = EndsWithThis(running.abort_handle());
    match tokio::time::timeout(kind.deadline, running).await {
        Ok(Ok(outcome)) => outcome.map(|_| ()),
        Ok(Err(error)) => Err(JobFailure::RetryLater(format!("it panicked: {error}"))),
        Err(_) => Err(JobFailure::RetryLater(format!("it took longer than {} s", kind.deadline.as_secs_f32()))),
    }
}

/// Nothing of a job goes on once it counts as failed.
struct EndsWithThis(AbortHandle);

impl Drop for EndsWithThis {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn finish(app: &App, job: Job) -> Result<bool, StorageError> {
    app.database.write("finish_job", move |tx| jobs::finish(tx, &job)).await
}

async fn fail(
    app: &App,
    kind: &JobKind,
    job: Job,
    error: String,
    again_at: Option<Timestamp>,
) -> Result<bool, StorageError> {
    let note = kind.failed;
    let write = move |tx: &mut Tx<'_>| {
        let is_ours = jobs::fail(tx, &job, &error, again_at)?;
        if is_ours {
            note(tx, &job, &error, again_at.is_none())?;
        }
        Ok(is_ours)
    };
    app.database.write("fail_job", write).await
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
