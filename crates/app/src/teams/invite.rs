//! Asks somebody by mail to join an account.

use domain::ids::{AccountId, InvitationId, UserId};
use domain::permissions::{Action, Role};
use domain::time::MICROS_PER_SECOND;
use serde_json::json;
use storage::Tx;
use storage::records::{invitations, members, users};

use super::seats::{Seats, write_with_seats};
use super::{Invitation, InvitationState, lock, must_be_allowed, role_now};
use crate::accounts::fields;
use crate::audit::{self, Audited};
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::identity::{Device, Letter, hash_of_secret, new_secret};
use crate::mail::product_name;
use crate::{AccountRef, App, AppError, Caller, rate_limits};

/// Open invitations of one account where its plan does not limit seats.
const MOST_OPEN: i64 = 1_000;

/// Invites an address, and true when it was not invited before; otherwise the link that was mailed before is useless from
/// now on. Whether somebody has the address here is not told.
///
/// # Errors
/// [`AppError::AlreadyMember`]; [`AppError::Denied`] when the plan has no seat left; [`AppError::RateLimited`].
pub async fn invite(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    (email, role): (&str, Role),
    device: &Device,
) -> Result<(Invitation, bool), AppError> {
    fields::email("email", email)?;
    let account = may_invite(app, caller, account).await?;
    send(app, caller, account, (email, role), device).await
}

/// Mails an open invitation again, with a new link that is good as long as a new invitation's.
///
/// # Errors
/// [`AppError::InvitationOver`] when it is not open any more.
pub async fn resend_invitation(
    app: &App,
    caller: &Caller,
    (account, id): (&AccountRef, InvitationId),
    device: &Device,
) -> Result<Invitation, AppError> {
    let account = may_invite(app, caller, account).await?;
    let now = app.now();
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(invitations::by_id(tx, account, id)?) };
    let found = app.database.read("find_invitation_to_resend", read).await?;
    let found = found.ok_or_else(|| AppError::NotFound { what: "invitation", name: id.to_string() })?;
    if !found.is_open(now) {
        return Err(AppError::InvitationOver);
    }
    send(app, caller, account, (&found.email, found.role), device).await.map(|(invitation, _)| invitation)
}

async fn may_invite(app: &App, caller: &Caller, account: &AccountRef) -> Result<AccountId, AppError> {
    let account = caller.account_of_person(app, account, (Action::InviteMembers, ACCOUNTS_WRITE)).await?;
    if caller.must_operate().is_err() {
        rate_limits::hold_account(app, account, "register").await?;
    }
    Ok(account)
}

async fn send(
    app: &App,
    caller: &Caller,
    account: AccountId,
    (email, role): (&str, Role),
    device: &Device,
) -> Result<(Invitation, bool), AppError> {
    let now = app.now();
    let lifetime = app.settings.people.invitation_seconds.saturating_mul(MICROS_PER_SECOND);
    let invitation = Invitation {
        id: app.new_id(),
        account,
        email: email.to_owned(),
        role,
        invited_by: caller.actor(),
        state: InvitationState::Open,
        created_at: now,
        expires_at: now.plus_micros(lifetime),
        settled_at: None,
    };
    let secret = new_secret(app);
    let letter = Letter::invitation(app, &invitation, inviter(app, &invitation.invited_by).await?, &secret);
    let event = Audited::new(app, "invitation.sent", Some(device));
    let (caller, hash) = (caller.clone(), hash_of_secret(&secret));
    let write = move |tx: &mut Tx<'_>, seats: &Seats| -> Result<(Invitation, bool), AppError> {
        let account = lock(tx, account)?;
        must_be_allowed(role_now(tx, &caller, account.id)?, needed(invitation.role))?;
        let (invitation, is_new) = put(tx, seats, &invitation, &hash)?;
        letter.about(&account.name).insert(tx)?;
        let told = json!({ "email": invitation.email, "role": invitation.role.as_str() });
        audit::note(tx, &event, Some(account.id), caller.actor(), invitation.id, told)?;
        Ok((invitation, is_new))
    };
    write_with_seats(app, account, "invite", write).await
}

/// An invitation makes its reader what it says, so only owners invite owners.
fn needed(role: Role) -> Action {
    if role == Role::Owner { Action::ChangeOwners } else { Action::InviteMembers }
}

/// Adds the invitation, or renews the one that is open and holds a seat already.
fn put(tx: &mut Tx<'_>, seats: &Seats, new: &Invitation, hash: &[u8; 32]) -> Result<(Invitation, bool), AppError> {
    if let Some(user) = users::by_email(tx, &new.email)?
        && members::get(tx, new.account, user.id)?.is_some()
    {
        return Err(AppError::AlreadyMember);
    }
    let now = new.created_at;
    if let Some(known) = invitations::open_to(tx, new.account, &new.email)? {
        if known.is_open(now) {
            let renewed = Invitation { id: known.id, created_at: known.created_at, ..new.clone() };
            invitations::renew(tx, &renewed, hash)?;
            return Ok((renewed, false));
        }
        // Its time is over, and its row does not say so yet.
        invitations::settle(tx, known.id, InvitationState::Expired, known.expires_at)?;
    }
    let held = seats.held(tx)?;
    seats.must_have_one_more_than(tx, held)?;
    must_have_few_open(tx, new)?;
    invitations::insert(tx, new, hash)?;
    seats.note_changed(tx)?;
    Ok((new.clone(), true))
}

fn must_have_few_open(tx: &mut Tx<'_>, new: &Invitation) -> Result<(), AppError> {
    if invitations::count_open(tx, new.account, new.created_at)? < MOST_OPEN {
        return Ok(());
    }
    let message = format!("{MOST_OPEN} invitations of this account are open; withdraw some of them first.");
    Err(AppError::invalid("email", message))
}

/// What the reader of an invitation knows its sender by: a person's name, or the product's.
pub(super) async fn inviter(app: &App, actor: &str) -> Result<String, AppError> {
    if let Some(user) = UserId::parse(actor) {
        let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(users::by_id(tx, user)?) };
        if let Some(user) = app.database.read("find_inviter", read).await? {
            return Ok(user.name);
        }
    }
    product_name(app).await
}
