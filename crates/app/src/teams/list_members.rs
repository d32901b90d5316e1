//! Lists who belongs to an account, in the order they joined, a page at a time.

use domain::ids::UserId;
use domain::permissions::Action;
use domain::time::Timestamp;
use storage::Tx;
use storage::records::members;

use super::ListedMember;
use crate::identity::scopes::ACCOUNTS_READ;
use crate::{AccountRef, App, AppError, Caller};

const LONGEST_PAGE: u32 = 200;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberPage {
    pub members: Vec<ListedMember>,
    /// What the next page is asked for with; `None` on the last.
    pub next_cursor: Option<String>,
}

/// At most `limit` members (held between 1 and 200), from where `cursor` of the page before left off.
pub async fn list_members(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    cursor: Option<&str>,
    limit: u32,
) -> Result<MemberPage, AppError> {
    let account = caller.account_of_person(app, account, (Action::SeeMembers, ACCOUNTS_READ)).await?;
    let after = cursor.map(read_cursor).transpose()?;
    let limit = limit.clamp(1, LONGEST_PAGE);
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(members::list(tx, account, after, limit + 1)?) };
    let mut members = app.database.read("list_members", read).await?;
    let has_more = members.len() > limit as usize;
    members.truncate(limit as usize);
    let next_cursor =
        members.last().filter(|_| has_more).map(|last| cursor_behind(last.member.joined_at, last.member.user));
    Ok(MemberPage { members, next_cursor })
}

/// Good even when that member has left meanwhile.
fn cursor_behind(joined_at: Timestamp, user: UserId) -> String {
    format!("{}.{user}", joined_at.micros())
}

fn read_cursor(cursor: &str) -> Result<(Timestamp, UserId), AppError> {
    let read = cursor
        .split_once('.')
        .and_then(|(joined_at, user)| Some((Timestamp::from_micros(joined_at.parse().ok()?), UserId::parse(user)?)));
    read.ok_or_else(|| {
        let message = "`cursor` is not one that a page of members was answered with; leave it out to begin.";
        AppError::invalid("cursor", message)
    })
}
