//! Lists the outbox for operators, the newest first, a page at a time.

use storage::Tx;
use storage::records::mails::{self, MailFilter};

use super::send_mail::sender;
use super::show_mail::{ListedMail, listed};
use crate::identity::scopes::OPERATIONS_READ;
use crate::{App, AppError, Caller};

const LONGEST_PAGE: u32 = 200;

#[derive(Clone, PartialEq, Debug)]
pub struct MailPage {
    pub mails: Vec<ListedMail>,
    /// What the next page is asked for with; `None` on the last.
    pub next_cursor: Option<String>,
}

/// At most `limit` mails (held between 1 and 200) that the filter lets through.
pub async fn list_mails(app: &App, caller: &Caller, filter: MailFilter, limit: u32) -> Result<MailPage, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(OPERATIONS_READ)?;
    let limit = limit.clamp(1, LONGEST_PAGE);
    // One more than asked for tells whether there is another page.
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(mails::list(tx, &filter, limit + 1)?) };
    let mut rows = app.database.read("list_mails", read).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| has_more).map(|row| row.id.to_string());
    let sender = sender(app).await?;
    let mails = rows.into_iter().map(|row| listed(app, row, &sender)).collect::<Result<_, _>>()?;
    Ok(MailPage { mails, next_cursor })
}
