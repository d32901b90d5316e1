//! Lists the invitations of an account, a page at a time: first those that are open, then the others; the newest first.

use domain::ids::InvitationId;
use domain::permissions::Action;
use storage::Tx;
use storage::records::invitations;

use super::{Invitation, InvitationState};
use crate::identity::scopes::ACCOUNTS_READ;
use crate::{AccountRef, App, AppError, Caller};

const LONGEST_PAGE: u32 = 200;
/// Before the cursor of a page that begins among those that are not open.
const SETTLED: &str = "settled.";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvitationPage {
    pub invitations: Vec<Invitation>,
    /// What the next page is asked for with; `None` on the last.
    pub next_cursor: Option<String>,
}

/// Where a page begins.
#[derive(Clone, Copy)]
struct From {
    open: bool,
    before: Option<InvitationId>,
}

/// At most `limit` invitations (held between 1 and 200), from where `cursor` of the page before left off.
pub async fn list_invitations(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    cursor: Option<&str>,
    limit: u32,
) -> Result<InvitationPage, AppError> {
    let account = caller.account_of_person(app, account, (Action::InviteMembers, ACCOUNTS_READ)).await?;
    let from = cursor.map_or(Ok(From { open: true, before: None }), read_cursor)?;
    let (limit, now) = (limit.clamp(1, LONGEST_PAGE), app.now());
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<Invitation>, AppError> {
        // One more than asked for tells whether there is another page.
        let mut found = invitations::list(tx, account, (from.open, now), from.before, limit + 1)?;
        let left = (limit + 1).saturating_sub(found.len() as u32);
        if from.open && left > 0 {
            found.extend(invitations::list(tx, account, (false, now), None, left)?);
        }
        Ok(found)
    };
    let mut invitations = app.database.read("list_invitations", read).await?;
    let has_more = invitations.len() > limit as usize;
    invitations.truncate(limit as usize);
    for invitation in &mut invitations {
        if invitation.state == InvitationState::Open && !invitation.is_open(now) {
            invitation.state = InvitationState::Expired;
        }
    }
    let next_cursor = invitations.last().filter(|_| has_more).map(cursor_behind);
    Ok(InvitationPage { invitations, next_cursor })
}

fn cursor_behind(last: &Invitation) -> String {
    let mark = if last.state == InvitationState::Open { "" } else { SETTLED };
    format!("{mark}{}", last.id)
}

fn read_cursor(cursor: &str) -> Result<From, AppError> {
    let (open, id) = cursor.strip_prefix(SETTLED).map_or((true, cursor), |id| (false, id));
    let before = InvitationId::parse(id).ok_or_else(|| {
        let message = "`cursor` is not one that a page of invitations was answered with; leave it out to begin.";
        AppError::invalid("cursor", message)
    })?;
    Ok(From { open, before: Some(before) })
}
