//! Lists who did what with an account, the newest first, a page at a time.

use domain::ids::AuditEventId;
use domain::permissions::Action;
use storage::Tx;
use storage::records::audit_events::{self, AuditEvent};

use crate::identity::scopes::ACCOUNTS_READ;
use crate::{AccountRef, App, AppError, Caller};

const LONGEST_PAGE: u32 = 200;

#[derive(Clone, PartialEq, Debug)]
pub struct AuditPage {
    pub events: Vec<AuditEvent>,
    /// What the next page is asked for with; `None` on the last.
    pub next_cursor: Option<String>,
}

/// At most `limit` events (held between 1 and 200), from where `cursor` of the page before left off; only those of
/// `action`, where one is named.
pub async fn list_audit_events(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    (action, cursor): (Option<String>, Option<&str>),
    limit: u32,
) -> Result<AuditPage, AppError> {
    let account = caller.account_of_person(app, account, (Action::SeeAudit, ACCOUNTS_READ)).await?;
    let unreadable = || {
        let message = "`cursor` is not one that a page of audit events was answered with; leave it out to begin.";
        AppError::invalid("cursor", message)
    };
    let before = cursor.map(|cursor| AuditEventId::parse(cursor).ok_or_else(unreadable)).transpose()?;
    let limit = limit.clamp(1, LONGEST_PAGE);
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> {
        Ok(audit_events::of_account(tx, account, action.as_deref(), before, limit + 1)?)
    };
    let mut events = app.database.read("list_audit_events", read).await?;
    let has_more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let next_cursor = events.last().filter(|_| has_more).map(|event| event.id.to_string());
    Ok(AuditPage { events, next_cursor })
}
