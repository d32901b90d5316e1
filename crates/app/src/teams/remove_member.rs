//! Ends a membership: somebody is removed, or leaves.

use domain::ids::UserId;
use domain::permissions::Action;
use domain::time::Timestamp;
use serde_json::json;
use storage::records::{api_keys, members};
use storage::{StorageError, Tx};

use super::seats::SeatsChanged;
use super::{Member, action_on, lock, member, must_be_allowed, must_keep_owner, role_now};
use crate::audit::{self, Audited};
use crate::identity::Device;
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::webhooks::{Emitted, Event, emit_member};
use crate::{AccountRef, App, AppError, Caller};

/// Removes a member, or the caller themselves. Their keys in the account are revoked; what they used stays counted.
///
/// # Errors
/// [`AppError::LastOwner`].
pub async fn remove_member(
    app: &App,
    caller: &Caller,
    (account, user): (&AccountRef, UserId),
    device: &Device,
) -> Result<(), AppError> {
    let is_self = matches!(caller, Caller::Person(person) if person.user == user);
    let action = if is_self { Action::Leave } else { Action::ChangeMembers };
    let account = caller.account_of_person(app, account, (action, ACCOUNTS_WRITE)).await?;
    let event = Audited::new(app, if is_self { "member.left" } else { "member.removed" }, Some(device));
    let (caller, now, seats) = (caller.clone(), app.now(), SeatsChanged::new(app).await?);
    let told = Emitted::new(app, Event::MemberLeft);
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        lock(tx, account)?;
        let own_role = role_now(tx, &caller, account)?;
        let leaving = member(tx, account, user)?;
        if !is_self {
            must_be_allowed(own_role, action_on(&[leaving.role]))?;
        }
        must_keep_owner(tx, &leaving)?;
        leave(tx, &leaving, now)?;
        seats.note(tx, account, 0)?;
        emit_member(tx, &told, &leaving)?;
        Ok(audit::note(tx, &event, Some(account), caller.actor(), user, json!({ "role": leaving.role.as_str() }))?)
    };
    app.database.write("remove_member", write).await
}

/// Access ends with the next request.
pub(crate) fn leave(tx: &mut Tx<'_>, leaving: &Member, now: Timestamp) -> Result<(), StorageError> {
    api_keys::revoke_of_member(tx, leaving.account, &leaving.user.to_string(), now)?;
    members::delete(tx, leaving.account, leaving.user)?;
    Ok(())
}
