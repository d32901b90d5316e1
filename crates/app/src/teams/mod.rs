//! Teams: the people of an account. Who belongs to it and as what, who is asked to join, and how many a plan is for.
//!
//! What a role may do is in `domain::permissions`. Every change holds the account's row, so that an account keeps an owner
//! and its seats, whoever comes and goes at the same moment; see [`seats`]. Start at [`invite`] and [`accept_invitation`].

mod accept_invitation;
mod add_member;
mod change_role;
mod create_team;
pub(crate) mod expire_invitations;
mod invite;
pub(crate) mod joining;
mod list_invitations;
mod list_members;
mod remove_member;
pub(crate) mod seats;
mod show_invitation;
mod transfer;
mod withdraw_invitation;

pub use accept_invitation::accept_invitation;
pub use add_member::add_member;
pub use change_role::change_role;
pub use create_team::{NewTeam, create_team};
pub use invite::{invite, resend_invitation};
pub use list_invitations::{InvitationPage, list_invitations};
pub use list_members::{MemberPage, list_members};
pub use remove_member::remove_member;
pub use show_invitation::{ShownInvitation, show_invitation};
pub use storage::records::invitations::{Invitation, InvitationState};
pub use storage::records::members::{ListedMember, Member};
pub use transfer::transfer;
pub use withdraw_invitation::withdraw_invitation;

pub(crate) use remove_member::leave;

use domain::ids::{AccountId, UserId};
use domain::permissions::{Action, Role};
use storage::Tx;
use storage::records::accounts::{self, Account, AccountStatus};
use storage::records::{members, users};

use crate::{AppError, Caller};

/// The account, held until the transaction ends.
///
/// # Errors
/// [`AppError::AccountUnknown`] also for one that is closed: nobody belongs to it ever again.
fn lock(tx: &mut Tx<'_>, account: AccountId) -> Result<Account, AppError> {
    let found = accounts::lock(tx, account)?.filter(|account| account.status != AccountStatus::Closed);
    found.ok_or(AppError::AccountUnknown)
}

/// What the caller is to an account at this moment, whatever the session remembers. `None`: may do all, as the platform's
/// backend does.
fn role_now(tx: &mut Tx<'_>, caller: &Caller, account: AccountId) -> Result<Option<Role>, AppError> {
    let Caller::Person(person) = caller else { return Ok(caller.role_in(account)) };
    match members::get(tx, account, person.user)? {
        Some(member) => Ok(Some(member.role)),
        None if person.superadmin => Ok(None),
        None => Err(AppError::AccountUnknown),
    }
}

fn must_be_allowed(role: Option<Role>, action: Action) -> Result<(), AppError> {
    match role {
        Some(role) if !role.may(action) => Err(AppError::InsufficientRole { needed: action.lowest_role() }),
        _ => Ok(()),
    }
}

/// What it takes to change somebody who is, or is to be, of these roles.
fn action_on(roles: &[Role]) -> Action {
    if roles.contains(&Role::Owner) { Action::ChangeOwners } else { Action::ChangeMembers }
}

fn member(tx: &mut Tx<'_>, account: AccountId, user: UserId) -> Result<Member, AppError> {
    let unknown = || AppError::NotFound { what: "member", name: user.to_string() };
    members::get(tx, account, user)?.ok_or_else(unknown)
}

/// Refuses what would leave the account without an owner: `leaving` stops being one.
pub(crate) fn must_keep_owner(tx: &mut Tx<'_>, leaving: &Member) -> Result<(), AppError> {
    let is_other_owner = |member: &Member| member.role == Role::Owner && member.user != leaving.user;
    if leaving.role != Role::Owner || members::of_account(tx, leaving.account)?.iter().any(is_other_owner) {
        Ok(())
    } else {
        Err(AppError::LastOwner)
    }
}

/// A member as others see them.
fn listed(tx: &mut Tx<'_>, member: Member) -> Result<ListedMember, AppError> {
    let unknown = || AppError::NotFound { what: "user", name: member.user.to_string() };
    let user = users::by_id(tx, member.user)?.ok_or_else(unknown)?;
    Ok(ListedMember { member, name: user.name, email: user.email })
}
