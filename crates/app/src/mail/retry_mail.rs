//! Lets a mail that was given up be sent after all: it waits again, and its job gets all its attempts.

use domain::ids::MailId;
use storage::Tx;
use storage::records::{jobs, mails};

use super::{MailRow, add_job, job_of};
use crate::identity::scopes::OPERATIONS_WRITE;
use crate::{App, AppError, Caller};

/// # Errors
/// [`AppError::NotFound`], and [`AppError::NotFailed`] when it was not given up.
pub async fn retry_mail(app: &App, caller: &Caller, id: MailId) -> Result<MailRow, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(OPERATIONS_WRITE)?;
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| -> Result<MailRow, AppError> {
        let not_found = || AppError::NotFound { what: "mail", name: id.to_string() };
        if !mails::wait_again(tx, id)? {
            mails::by_id(tx, id)?.ok_or_else(not_found)?;
            return Err(AppError::NotFailed { what: "mail" });
        }
        let mail = mails::by_id(tx, id)?.ok_or_else(not_found)?;
        if jobs::retry(tx, job_of(id), now)?.is_none() && jobs::by_id(tx, job_of(id))?.is_none() {
            add_job(tx, id, mail.account, now)?;
        }
        Ok(mail)
    };
    app.database.write("retry_mail", write).await
}
