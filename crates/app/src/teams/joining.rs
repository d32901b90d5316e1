//! Taking up an invitation, by somebody who is a user already or becomes one by it.

use domain::ids::AccountId;
use domain::time::Timestamp;
use serde_json::json;
use storage::Tx;
use storage::records::users::User;
use storage::records::{invitations, members, users};

use super::seats::Seats;
use super::{Invitation, InvitationState, Member, lock};
use crate::audit::{self, Audited};
use crate::identity::{Device, hash_of_secret};
use crate::webhooks::{Emitted, Event, emit_member};
use crate::{App, AppError};

/// An invitation that somebody is about to take up.
#[derive(Clone)]
pub(crate) struct Joining {
    secret_hash: [u8; 32],
    event: Audited,
    told: Emitted,
    now: Timestamp,
}

impl Joining {
    pub fn new(app: &App, secret: &str, device: &Device) -> Self {
        let event = Audited::new(app, "member.joined", Some(device));
        let told = Emitted::new(app, Event::MemberJoined);
        Self { secret_hash: hash_of_secret(secret), event, told, now: app.now() }
    }

    /// The invitation, to be read again when it is accepted.
    ///
    /// # Errors
    /// [`AppError::LinkInvalid`] when it is none, was settled, has another link now, or is over.
    pub async fn find(&self, app: &App) -> Result<Invitation, AppError> {
        let this = self.clone();
        let read = move |tx: &mut Tx<'_>| this.open(tx);
        app.database.read("find_invitation", read).await
    }

    fn open(&self, tx: &mut Tx<'_>) -> Result<Invitation, AppError> {
        invitations::by_token(tx, &self.secret_hash, self.now)?.ok_or(AppError::LinkInvalid)
    }

    /// Makes the user, whose row is held, a member; who is one already stays what they are. The seat was held by the
    /// invitation; after a downgrade there may be fewer seats than invitations, and members count first.
    ///
    /// # Errors
    /// [`AppError::InvitationForOther`] when it was sent to another address, [`AppError::Denied`] when no seat is left.
    pub fn accept(&self, tx: &mut Tx<'_>, user: &User, seats: &Seats, account: AccountId) -> Result<Member, AppError> {
        lock(tx, account)?;
        let invitation = self.open(tx)?;
        if users::key(&invitation.email) != users::key(&user.email) {
            return Err(AppError::InvitationForOther);
        }
        invitations::settle(tx, invitation.id, InvitationState::Accepted, self.now)?;
        users::choose_account(tx, user.id, Some(account))?;
        if let Some(member) = members::get(tx, account, user.id)? {
            seats.note_changed(tx)?;
            return Ok(member);
        }
        let joined = members::count(tx, account)?;
        seats.must_have_one_more_than(tx, joined)?;
        let member = Member { account, user: user.id, role: invitation.role, joined_at: self.now };
        members::insert(tx, &member)?;
        seats.note_changed(tx)?;
        emit_member(tx, &self.told, &member)?;
        let told = json!({ "role": member.role.as_str(), "invitation": invitation.id.to_string() });
        audit::note(tx, &self.event, Some(account), user.id, user.id, told)?;
        Ok(member)
    }
}
