//! The users of the platform, for who operates it: listed, shown, suspended.

use domain::ids::UserId;
use serde_json::json;
use storage::Tx;
use storage::records::users::{self, User, UserStatus};

use super::scopes::{ACCOUNTS_READ, ACCOUNTS_WRITE};
use super::sessions::{self, Device};
use crate::audit::{self, Audited};
use crate::{App, AppError, Caller};

const LONGEST_PAGE: u32 = 200;

pub struct UserPage {
    pub users: Vec<User>,
    /// What the next page is asked for with; `None` on the last.
    pub next_cursor: Option<String>,
}

/// At most `limit` users (held between 1 and 200), the newest first.
pub async fn list_users(app: &App, caller: &Caller, cursor: Option<&str>, limit: u32) -> Result<UserPage, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(ACCOUNTS_READ)?;
    let unreadable = || AppError::invalid("cursor", "`cursor` is not one that a page of users was answered with.");
    let before = cursor.map(|cursor| UserId::parse(cursor).ok_or_else(unreadable)).transpose()?;
    let limit = limit.clamp(1, LONGEST_PAGE);
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(users::list(tx, before, limit + 1)?) };
    let mut users = app.database.read("list_users", read).await?;
    let has_more = users.len() > limit as usize;
    users.truncate(limit as usize);
    let next_cursor = users.last().filter(|_| has_more).map(|user| user.id.to_string());
    Ok(UserPage { users, next_cursor })
}

pub async fn get_user(app: &App, caller: &Caller, id: UserId) -> Result<User, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(ACCOUNTS_READ)?;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(users::by_id(tx, id)?) };
    app.database.read("get_user", read).await?.ok_or_else(|| unknown(id))
}

/// Suspends a user, or lets them go on: whatever they are signed in with, and keys that act for them, do nothing from the
/// next request on. A deleted user stays deleted.
pub async fn set_user_status(
    app: &App,
    caller: &Caller,
    id: UserId,
    status: UserStatus,
    device: &Device,
) -> Result<User, AppError> {
    caller.must_operate()?;
    caller.must_have_scope(ACCOUNTS_WRITE)?;
    let (now, actor) = (app.now(), caller.actor());
    let event = Audited::new(app, "user.status_set", Some(device));
    let write = move |tx: &mut Tx<'_>| -> Result<User, AppError> {
        let user = users::lock(tx, id)?.filter(|user| user.status != UserStatus::Deleted);
        let mut user = user.ok_or_else(|| unknown(id))?;
        if user.status == status {
            return Ok(user);
        }
        user.status = status;
        user.updated_at = now;
        users::update(tx, &user)?;
        if status == UserStatus::Suspended {
            sessions::end_all(tx, id, now, "user_suspended")?;
        }
        audit::note(tx, &event, None, &actor, id, json!({ "status": status.as_str() }))?;
        Ok(user)
    };
    app.database.write("set_user_status", write).await
}

fn unknown(id: UserId) -> AppError {
    AppError::NotFound { what: "user", name: id.to_string() }
}
