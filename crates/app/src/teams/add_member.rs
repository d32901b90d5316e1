//! The platform's backend adds a user to an account, or says what they are there.

use domain::ids::{AccountId, UserId};
use domain::permissions::Role;
use serde_json::json;
use storage::Tx;
use storage::records::users::{User, UserStatus};
use storage::records::{invitations, members, users};

use super::seats::{Seats, write_with_seats};
use super::{InvitationState, ListedMember, Member, lock, must_keep_owner};
use crate::audit::{self, Audited};
use crate::identity::Device;
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::webhooks::{Emitted, Event, emit_member};
use crate::{AccountRef, App, AppError, Caller};

/// Makes the user a member of this role, and true when they were none before. An open invitation to their address counts
/// as accepted.
///
/// # Errors
/// [`AppError::Denied`] where the plan has no seat left; [`AppError::LastOwner`].
pub async fn add_member(
    app: &App,
    caller: &Caller,
    (account, user): (&AccountRef, UserId),
    role: Role,
    device: &Device,
) -> Result<(ListedMember, bool), AppError> {
    caller.must_operate()?;
    let account = caller.account(app, account, ACCOUNTS_WRITE).await?;
    let actor = caller.actor();
    let added = Audited::new(app, "member.added", Some(device));
    let changed = Audited::new(app, "member.role_changed", Some(device));
    let told_of = [Event::MemberJoined, Event::MemberChanged].map(|event| Emitted::new(app, event));
    let write = move |tx: &mut Tx<'_>, seats: &Seats| -> Result<(ListedMember, bool), AppError> {
        let user = active(tx, user)?;
        lock(tx, account)?;
        let (member, event, is_new) = match members::get(tx, account, user.id)? {
            Some(before) => {
                if before.role != role {
                    must_keep_owner(tx, &before)?;
                    members::set_role(tx, account, user.id, role)?;
                }
                (Member { role, ..before }, &changed, false)
            }
            None => (insert(tx, seats, (account, &user, role), added.at())?, &added, true),
        };
        emit_member(tx, &told_of[usize::from(!is_new)], &member)?;
        audit::note(tx, event, Some(account), &actor, user.id, json!({ "role": role.as_str() }))?;
        Ok((ListedMember { member, name: user.name, email: user.email }, is_new))
    };
    write_with_seats(app, account, "add_member", write).await
}

fn active(tx: &mut Tx<'_>, id: UserId) -> Result<User, AppError> {
    let user = users::lock(tx, id)?.filter(|user| user.status == UserStatus::Active);
    user.ok_or_else(|| AppError::NotFound { what: "user", name: id.to_string() })
}

fn insert(
    tx: &mut Tx<'_>,
    seats: &Seats,
    (account, user, role): (AccountId, &User, Role),
    joined_at: domain::time::Timestamp,
) -> Result<Member, AppError> {
    // Whoever has verified the address may have what was held for it.
    let invited = invitations::open_to(tx, account, &user.email)?.filter(|_| user.email_verified_at.is_some());
    if let Some(invitation) = invited {
        invitations::settle(tx, invitation.id, InvitationState::Accepted, joined_at)?;
    }
    let held = seats.held(tx)?;
    seats.must_have_one_more_than(tx, held)?;
    let member = Member { account, user: user.id, role, joined_at };
    members::insert(tx, &member)?;
    seats.note_changed(tx)?;
    Ok(member)
}
