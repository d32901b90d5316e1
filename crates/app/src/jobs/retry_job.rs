//! Lets a job that was given up run again, with all its attempts.

use domain::ids::JobId;
use storage::Tx;
use storage::records::jobs::{self, Job};

use crate::identity::scopes::OPERATIONS_WRITE;
use crate::{App, AppError, Caller};

/// # Errors
/// [`AppError::NotFound`] when there is no such job (one that is done is gone); [`AppError::NotFailed`] when it was not
/// given up.
pub async fn retry_job(app: &App, caller: &Caller, id: JobId) -> Result<Job, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(OPERATIONS_WRITE)?;
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| -> Result<Job, AppError> {
        if let Some(job) = jobs::retry(tx, id, now)? {
            return Ok(job);
        }
        match jobs::by_id(tx, id)? {
            Some(_) => Err(AppError::NotFailed { what: "job" }),
            None => Err(AppError::NotFound { what: "job", name: id.to_string() }),
        }
    };
    app.database.write("retry_job", write).await
}
