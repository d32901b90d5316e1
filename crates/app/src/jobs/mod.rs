//! What is done without anybody asking: a few duties, each again and again for as long as the server runs, and the jobs
//! that transactions leave behind.
//!
//! Start at [`start`]. Jobs are rows; [`kinds`] says what does which and [`runner`] runs them; operators list and retry
//! them by [`list_jobs`] and [`retry_job`]. A duty is a plain function that does what is due and returns; running it twice, or on two nodes at
//! once, does no harm. One that fails is told once in the log, tried again at its next turn, and never stops the others.

mod keep_ledger;
pub(crate) mod kinds;
mod list_jobs;
mod retry_job;
mod roll_up_usage;
mod runner;
mod settle_expired;
mod write_back_idle;

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use list_jobs::{JobPage, list_jobs};
pub use retry_job::retry_job;
pub use roll_up_usage::scoped_usage;
pub use storage::records::jobs::{Job, JobState};

use kinds::KINDS;
use runner::Runner;

use crate::{App, AppError, billing, gateway, idempotency, identity, mail, teams, webhooks};

/// How often it is looked whether a duty has its turn.
const PULSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Duty {
    SettlePlans,
    SettleExpired,
    NoteLastUse,
    RollUpUsage,
    DeleteExpiredAnswers,
    KeepLedger,
    WriteBackIdle,
    KeepSessions,
    MakeSigningKeys,
    DeleteOldMessages,
    ExpireInvitations,
    Reconcile,
}

impl Duty {
    const ALL: [Duty; 12] = [
        Duty::SettlePlans,
        Duty::SettleExpired,
        Duty::NoteLastUse,
        Duty::RollUpUsage,
        Duty::DeleteExpiredAnswers,
        Duty::KeepLedger,
        Duty::WriteBackIdle,
        Duty::KeepSessions,
        Duty::MakeSigningKeys,
        Duty::DeleteOldMessages,
        Duty::ExpireInvitations,
        Duty::Reconcile,
    ];

    fn name(self) -> &'static str {
        match self {
            Duty::SettlePlans => "settle_plans",
            Duty::SettleExpired => "settle_expired_reservations",
            Duty::NoteLastUse => "note_last_use_of_keys",
            Duty::RollUpUsage => "roll_up_usage",
            Duty::DeleteExpiredAnswers => "delete_expired_answers",
            Duty::KeepLedger => "keep_ledger",
            Duty::WriteBackIdle => "write_back_idle_accounts",
            Duty::KeepSessions => "keep_sessions",
            Duty::MakeSigningKeys => "make_signing_keys",
            Duty::DeleteOldMessages => "delete_old_messages",
            Duty::ExpireInvitations => "expire_invitations",
            Duty::Reconcile => "reconcile_with_stripe",
        }
    }

    fn every(self) -> Duration {
        Duration::from_secs(match self {
            Duty::SettlePlans | Duty::ExpireInvitations => 5,
            Duty::SettleExpired => 2,
            Duty::NoteLastUse => 15,
            Duty::RollUpUsage | Duty::WriteBackIdle => 10,
            Duty::DeleteExpiredAnswers => 60,
            Duty::Reconcile => 300,
            Duty::KeepLedger | Duty::MakeSigningKeys | Duty::DeleteOldMessages => 3_600,
            Duty::KeepSessions => 30,
        })
    }

    async fn run(self, app: &App) -> Result<(), AppError> {
        match self {
            Duty::SettlePlans => billing::settle::settle_due(app).await,
            Duty::SettleExpired => settle_expired::settle_expired(app).await,
            Duty::NoteLastUse => identity::note_last_use::note_last_use(app).await,
            Duty::RollUpUsage => roll_up_usage::roll_up_usage(app).await,
            Duty::DeleteExpiredAnswers => idempotency::delete_expired(app).await,
            Duty::KeepLedger => keep_ledger::keep_ledger(app).await,
            Duty::WriteBackIdle => write_back_idle::write_back_idle(app).await,
            Duty::KeepSessions => identity::sessions::keep_sessions(app).await,
            Duty::MakeSigningKeys => identity::signing_keys::make_due(app).await,
            Duty::DeleteOldMessages => {
                mail::delete_old(app).await?;
                webhooks::delete_old(app).await
            }
            Duty::ExpireInvitations => teams::expire_invitations::expire_invitations(app).await,
            Duty::Reconcile => billing::reconcile::reconcile_due(app).await,
        }
    }
}

/// Does here what is due of one kind of jobs, and what it leaves behind that is due by then.
pub(crate) async fn run_due_of(app: &App, kind: &'static str) {
    Runner::new(app.clone(), KINDS).only(kind).run_due().await;
}

/// The running duties and jobs. Dropping it ends them after those at work; [`Jobs::stop`] waits for that.
#[derive(Debug)]
pub struct Jobs {
    stop: watch::Sender<bool>,
    duties: JoinHandle<()>,
    runner: JoinHandle<()>,
}

/// Starts all duties, and the runner of jobs.
pub fn start(app: App) -> Jobs {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(gateway::keep_open_calls(app.clone()));
    let runner = tokio::spawn(Runner::new(app.clone(), KINDS).run(stopped.clone()));
    Jobs { stop, duties: tokio::spawn(run(app, stopped)), runner }
}

impl Jobs {
    /// Lets the duty and the jobs at work come to their end, writes what is only in memory, and begins no more.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in [self.duties, self.runner] {
            if let Err(error) = task.await {
                tracing::error!(%error, "the jobs did not end by themselves");
            }
        }
    }
}

/// Does everything that is due, once: after the development clock was moved, and in tests.
pub async fn run_now(app: &App) -> Result<(), AppError> {
    for duty in Duty::ALL {
        duty.run(app).await?;
    }
    Runner::new(app.clone(), KINDS).run_due().await;
    Ok(())
}

/// A duty's next turn, and whether its last one failed.
struct Turn {
    duty: Duty,
    next: Instant,
    failing: bool,
}

#[expect(
    clippy::disallowed_methods,
    reason = "turns are durations of this process; what is due goes by the app's clock"
)]
async fn run(app: App, mut stopped: watch::Receiver<bool>) {
    let mut turns = Duty::ALL.map(|duty| Turn { duty, next: Instant::now(), failing: false });
    loop {
        for turn in &mut turns {
            if turn.next <= Instant::now() && !is_stopped(&stopped) {
                take(&app, turn).await;
                turn.next = Instant::now() + turn.duty.every();
            }
        }
        let _ = tokio::time::timeout(PULSE, stopped.changed()).await;
        if is_stopped(&stopped) {
            break;
        }
    }
    let mut last = Turn { duty: Duty::NoteLastUse, next: Instant::now(), failing: false };
    take(&app, &mut last).await;
}

/// Told to, or whoever could tell is gone.
fn is_stopped(stopped: &watch::Receiver<bool>) -> bool {
    *stopped.borrow() || stopped.has_changed().is_err()
}

/// Runs a duty in a task of its own, so that a panic ends no more than its turn.
async fn take(app: &App, turn: &mut Turn) {
    let (name, app, duty) = (turn.duty.name(), app.clone(), turn.duty);
    let outcome = tokio::spawn(async move { duty.run(&app).await }).await;
    let failure = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(panicked) => Some(panicked.to_string()),
    };
    let told = if failure.is_some() { "failed" } else { "done" };
    metrics::counter!("tollway_duties_total", "duty" => name, "outcome" => told).increment(1);
    match failure {
        Some(error) if !turn.failing => tracing::error!(duty = name, error, "a duty failed and will be tried again"),
        None if turn.failing => tracing::info!(duty = name, "the duty works again"),
        _ => {}
    }
    turn.failing = told == "failed";
}
