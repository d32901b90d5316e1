//! Compares every account with Stripe, by jobs of a few accounts each.
//!
//! How far it has come is written down after each account, so that whoever goes on, after a restart or on another node,
//! begins with the next. Start at [`begin_reconciliation`].

use std::time::Duration;

use domain::ids::{JobId, ReconciliationId};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::json;
use storage::records::jobs::{self, Job, NewJob};
use storage::records::reconciliations::{self, Finding, Reconciliation, ReconciliationState};
use storage::{StorageError, Tx};

use super::converge::Converged;
use super::reconcile::compare;
use crate::identity::scopes::BILLING_WRITE;
use crate::jobs::kinds::{Done, JobFailure};
use crate::{App, AppError, Caller};

/// The job that compares some accounts and leaves the next behind.
pub(crate) const RECONCILE_ALL: &str = "reconcile_all";

/// So many accounts a job.
const TOGETHER: u32 = 20;
/// What is shown of what was found.
const SHOWN: u32 = 1_000;
/// How often it is looked how far another process has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How a comparison of all accounts stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReconciliationView {
    pub run: Reconciliation,
    /// What was found so far, a thousand accounts at most.
    pub found: Vec<Finding>,
}

#[derive(Deserialize)]
struct Payload {
    reconciliation: String,
}

/// Begins to compare every account that is a customer of Stripe's. While one comparison runs, it is that one.
pub async fn begin_reconciliation(app: &App, caller: &Caller) -> Result<ReconciliationView, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(BILLING_WRITE)?;
    begin(app).await
}

/// # Errors
/// [`AppError::NotFound`] when there is none with this id.
pub async fn get_reconciliation(
    app: &App,
    caller: &Caller,
    id: ReconciliationId,
) -> Result<ReconciliationView, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(BILLING_WRITE)?;
    view(app, id).await
}

/// For the command line: begins, does here what no server beside it does, and waits for the end.
pub async fn reconcile_all(app: &App) -> Result<ReconciliationView, AppError> {
    let mut seen = begin(app).await?;
    while seen.run.state == ReconciliationState::Running && seen.run.last_error.is_none() {
        crate::jobs::run_due_of(app, RECONCILE_ALL).await;
        seen = view(app, seen.run.id).await?;
        if seen.run.state == ReconciliationState::Running {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(seen)
}

async fn begin(app: &App) -> Result<ReconciliationView, AppError> {
    app.stripe()?;
    let (now, id, job) = (app.now(), app.new_id(), app.new_id());
    let write = move |tx: &mut Tx<'_>| -> Result<ReconciliationId, AppError> {
        if let Some(running) = reconciliations::running(tx)? {
            return Ok(running.id);
        }
        reconciliations::insert(tx, id, now)?;
        leave_job(tx, job, id, now)?;
        Ok(id)
    };
    let id = app.database.write("begin_reconciliation", write).await?;
    view(app, id).await
}

async fn view(app: &App, id: ReconciliationId) -> Result<ReconciliationView, AppError> {
    let read = move |tx: &mut Tx<'_>| -> Result<Option<ReconciliationView>, AppError> {
        let Some(run) = reconciliations::by_id(tx, id)? else { return Ok(None) };
        Ok(Some(ReconciliationView { run, found: reconciliations::findings(tx, id, SHOWN)? }))
    };
    let found = app.database.read("get_reconciliation", read).await?;
    found.ok_or_else(|| AppError::NotFound { what: "comparison", name: id.to_string() })
}

fn leave_job(tx: &mut Tx<'_>, job: JobId, id: ReconciliationId, now: Timestamp) -> Result<(), StorageError> {
    let payload = json!({ "reconciliation": id.to_string() }).to_string();
    jobs::insert(tx, &NewJob { id: job, kind: RECONCILE_ALL, account: None, payload, run_at: now }, now)
}

pub(crate) async fn reconcile_some(app: &App, job: &Job) -> Result<Done, JobFailure> {
    let id = id_of(job).ok_or_else(|| JobFailure::GiveUp("the job names no comparison".into()))?;
    for _ in 0..TOGETHER {
        if !compare_next(app, id).await? {
            return Ok(Done);
        }
    }
    let (now, next) = (app.now(), app.new_id());
    let write = move |tx: &mut Tx<'_>| leave_job(tx, next, id, now);
    app.database.write("go_on_reconciling", write).await?;
    Ok(Done)
}

/// False: there is nothing left to compare.
async fn compare_next(app: &App, id: ReconciliationId) -> Result<bool, AppError> {
    let now = app.now();
    let find = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        let running = |run: &Reconciliation| run.state == ReconciliationState::Running;
        let Some(run) = reconciliations::by_id(tx, id)?.filter(running) else { return Ok(None) };
        let next = reconciliations::next_accounts(tx, &run.compared_to, 1)?.first().copied();
        if next.is_none() {
            reconciliations::end(tx, id, ReconciliationState::Done, now)?;
        }
        Ok(next.map(|account| (run, account)))
    };
    let Some((run, account)) = app.database.write("next_to_reconcile", find).await? else { return Ok(false) };
    let Converged { repaired, drift } = compare(app, account).await?;
    let found = Some(Finding { account, repaired, drift });
    let found = found.filter(|found| !found.repaired.is_empty() || found.drift.is_some());
    let write = move |tx: &mut Tx<'_>| -> Result<bool, AppError> {
        Ok(reconciliations::advance(tx, &run, account, found.as_ref())?)
    };
    // Where another process has compared it meanwhile, that one goes on.
    app.database.write("note_reconciled", write).await
}

fn id_of(job: &Job) -> Option<ReconciliationId> {
    let Payload { reconciliation } = serde_json::from_str(&job.payload).ok()?;
    ReconciliationId::parse(&reconciliation)
}

/// Why it does not get on, and that it has ended where it is given up.
pub(crate) fn note_failure(tx: &mut Tx<'_>, job: &Job, error: &str, is_given_up: bool) -> Result<(), StorageError> {
    let Some(id) = id_of(job) else { return Ok(()) };
    reconciliations::note_error(tx, id, error)?;
    if is_given_up {
        reconciliations::end(tx, id, ReconciliationState::Failed, job.run_at)?;
    }
    Ok(())
}
