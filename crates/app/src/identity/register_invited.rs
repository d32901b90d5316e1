//! Registers somebody by an invitation. The link was mailed to the address, so the address is verified, and it is asked of
//! nobody whether registrations are open; the account is the one that invited.

use domain::permissions::Role;
use storage::Tx;
use storage::records::sessions::SessionOf;
use storage::records::users;

use super::register::{Newcomer, Prepared, Registrant, check, taken};
use super::sessions::{Device, Keep, NewSession, SignedIn, signed_in};
use crate::rate_limits::Identity;
use crate::teams::joining::Joining;
use crate::teams::seats::{Seats, write_with_seats};
use crate::{App, AppError, rate_limits};

/// Registers whom the invitation is for, and signs them in.
///
/// # Errors
/// [`AppError::LinkInvalid`], [`AppError::InvitationForOther`] for another address than the invitation's,
/// [`AppError::EmailTaken`] when a user has it: then the invitation is accepted by signing in.
pub(super) async fn register_invited(
    app: &App,
    mut registrant: Registrant,
    secret: &str,
    (keep, device): (Keep, &Device),
) -> Result<SignedIn, AppError> {
    let joining = Joining::new(app, secret, device);
    let invitation = joining.find(app).await?;
    if registrant.email.is_empty() {
        registrant.email.clone_from(&invitation.email);
    }
    if users::key(&registrant.email) != users::key(&invitation.email) {
        return Err(AppError::InvitationForOther);
    }
    check(app, &registrant).await?;
    rate_limits::hold_anyone(app, "register", &[Identity::SignInName(registrant.email.clone())]).await?;
    let password_hash = app.passwords.hash(&app.entropy, &registrant.password).await?;
    let newcomer = Newcomer::invited(registrant, password_hash, device);
    let prepared = Prepared::invited(app, &newcomer, invitation.account).await?;
    let session = NewSession::new(app, SessionOf::User(prepared.user.id), "password".into(), device, keep);
    let (begun, user, account) = (session.clone(), prepared.user.clone(), invitation.account);
    let write = move |tx: &mut Tx<'_>, seats: &Seats| -> Result<Role, AppError> {
        if !prepared.insert(tx)? {
            return Err(taken(tx, &prepared.user)?);
        }
        begun.insert(tx)?;
        Ok(joining.accept(tx, &prepared.user, seats, account)?.role)
    };
    let role = write_with_seats(app, account, "register_invited", write).await?;
    signed_in(app, user, Some((account, role)), session).await
}
