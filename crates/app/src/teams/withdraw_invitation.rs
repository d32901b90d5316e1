//! Takes an invitation back: its link opens nothing any more, and its seat is free.

use domain::ids::InvitationId;
use domain::permissions::Action;
use serde_json::json;
use storage::Tx;
use storage::records::invitations;

use super::seats::SeatsChanged;
use super::{InvitationState, lock, must_be_allowed, role_now};
use crate::audit::{self, Audited};
use crate::identity::Device;
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// Withdrawing twice is as good as once.
///
/// # Errors
/// [`AppError::InvitationOver`] when it was accepted.
pub async fn withdraw_invitation(
    app: &App,
    caller: &Caller,
    (account, id): (&AccountRef, InvitationId),
    device: &Device,
) -> Result<(), AppError> {
    let account = caller.account_of_person(app, account, (Action::InviteMembers, ACCOUNTS_WRITE)).await?;
    let event = Audited::new(app, "invitation.withdrawn", Some(device));
    let (caller, now, seats) = (caller.clone(), app.now(), SeatsChanged::new(app).await?);
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        lock(tx, account)?;
        must_be_allowed(role_now(tx, &caller, account)?, Action::InviteMembers)?;
        let unknown = || AppError::NotFound { what: "invitation", name: id.to_string() };
        let invitation = invitations::by_id(tx, account, id)?.ok_or_else(unknown)?;
        if invitation.state == InvitationState::Accepted {
            return Err(AppError::InvitationOver);
        }
        if !invitations::settle(tx, id, InvitationState::Withdrawn, now)? {
            return Ok(());
        }
        seats.note(tx, account, 0)?;
        let told = json!({ "email": invitation.email, "role": invitation.role.as_str() });
        Ok(audit::note(tx, &event, Some(account), caller.actor(), id, told)?)
    };
    app.database.write("withdraw_invitation", write).await
}
