//! Lists the jobs of one state for operators, the newest first, a page at a time.

use domain::ids::JobId;
use storage::Tx;
use storage::records::jobs::{self, Job, JobState};

use crate::identity::scopes::OPERATIONS_READ;
use crate::{App, AppError, Caller};

const LONGEST_PAGE: u32 = 200;

#[derive(Clone, PartialEq, Debug)]
pub struct JobPage {
    pub jobs: Vec<Job>,
    /// What the next page is asked for with; `None` on the last.
    pub next_cursor: Option<String>,
}

/// At most `limit` jobs (held between 1 and 200), from where `cursor` of the page before left off.
pub async fn list_jobs(
    app: &App,
    caller: &Caller,
    state: JobState,
    cursor: Option<&str>,
    limit: u32,
) -> Result<JobPage, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(OPERATIONS_READ)?;
    let unreadable = || {
        AppError::invalid("cursor", "`cursor` is not one that a page of jobs was answered with; leave it out to begin.")
    };
    let before = cursor.map(|cursor| JobId::parse(cursor).ok_or_else(unreadable)).transpose()?;
    let limit = limit.clamp(1, LONGEST_PAGE);
    // One more than asked for tells whether there is another page.
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(jobs::list(tx, state, before, limit + 1)?) };
    let mut jobs = app.database.read("list_jobs", read).await?;
    let has_more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next_cursor = jobs.last().filter(|_| has_more).map(|job| job.id.to_string());
    Ok(JobPage { jobs, next_cursor })
}
