//! Gives an account to another member.

use domain::ids::UserId;
use domain::permissions::{Action, Role};
use serde_json::json;
use storage::Tx;
use storage::records::members;

use super::{ListedMember, Member, listed, lock, member, must_be_allowed, role_now};
use crate::audit::{self, Audited};
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::identity::{Device, must_be_recent};
use crate::webhooks::{Emitted, Event, emit_member};
use crate::{AccountRef, App, AppError, Caller};

/// Makes a member the owner and the caller an admin. By the platform's backend: the member is the only owner from now on.
pub async fn transfer(
    app: &App,
    caller: &Caller,
    (account, to): (&AccountRef, UserId),
    device: &Device,
) -> Result<ListedMember, AppError> {
    let account = caller.account_of_person(app, account, (Action::ChangeOwners, ACCOUNTS_WRITE)).await?;
    must_be_recent(app, caller)?;
    let event = Audited::new(app, "account.transferred", Some(device));
    let caller = caller.clone();
    let [lowered, raised] = [Event::MemberChanged; 2].map(|event| Emitted::new(app, event));
    let write = move |tx: &mut Tx<'_>| -> Result<ListedMember, AppError> {
        lock(tx, account)?;
        let own_role = role_now(tx, &caller, account)?;
        must_be_allowed(own_role, Action::ChangeOwners)?;
        let new_owner = member(tx, account, to)?;
        for owner in members::of_account(tx, account)? {
            if owner.role == Role::Owner && owner.user != to && gives(&caller, own_role, &owner) {
                members::set_role(tx, account, owner.user, Role::Admin)?;
                emit_member(tx, &lowered, &Member { role: Role::Admin, ..owner })?;
            }
        }
        members::set_role(tx, account, to, Role::Owner)?;
        emit_member(tx, &raised, &Member { role: Role::Owner, ..new_owner })?;
        audit::note(tx, &event, Some(account), caller.actor(), to, json!({ "from": new_owner.role.as_str() }))?;
        listed(tx, Member { role: Role::Owner, ..new_owner })
    };
    app.database.write("transfer_account", write).await
}

/// An owner gives away their own part; whoever is no member, everybody's.
fn gives(caller: &Caller, own_role: Option<Role>, owner: &Member) -> bool {
    match caller {
        Caller::Person(person) if own_role.is_some() => owner.user == person.user,
        _ => true,
    }
}
