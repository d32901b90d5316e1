//! Makes a member something else.

use domain::ids::UserId;
use domain::permissions::{Action, Role};
use serde_json::json;
use storage::Tx;
use storage::records::members;

use super::{ListedMember, action_on, listed, lock, member, must_be_allowed, must_keep_owner, role_now};
use crate::audit::{self, Audited};
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::identity::{Device, must_be_recent};
use crate::webhooks::{Emitted, Event, emit_member};
use crate::{AccountRef, App, AppError, Caller};

/// Admins make members admins, and admins members. Only owners make owners, and take it back.
///
/// # Errors
/// [`AppError::LastOwner`]; [`AppError::RecentSignInRequired`] for who makes an owner.
pub async fn change_role(
    app: &App,
    caller: &Caller,
    (account, user): (&AccountRef, UserId),
    role: Role,
    device: &Device,
) -> Result<ListedMember, AppError> {
    let account = caller.account_of_person(app, account, (Action::ChangeMembers, ACCOUNTS_WRITE)).await?;
    if role == Role::Owner {
        must_be_recent(app, caller)?;
    }
    let event = Audited::new(app, "member.role_changed", Some(device));
    let (caller, changed) = (caller.clone(), Emitted::new(app, Event::MemberChanged));
    let write = move |tx: &mut Tx<'_>| -> Result<ListedMember, AppError> {
        lock(tx, account)?;
        let own_role = role_now(tx, &caller, account)?;
        let before = member(tx, account, user)?;
        must_be_allowed(own_role, action_on(&[before.role, role]))?;
        if before.role != role {
            must_keep_owner(tx, &before)?;
            members::set_role(tx, account, user, role)?;
            let told = json!({ "from": before.role.as_str(), "to": role.as_str() });
            audit::note(tx, &event, Some(account), caller.actor(), user, told)?;
            emit_member(tx, &changed, &super::Member { role, ..before })?;
        }
        listed(tx, super::Member { role, ..before })
    };
    app.database.write("change_role", write).await
}
