//! A signed-in person takes up an invitation.

use storage::Tx;
use storage::records::one_time_tokens;
use storage::records::users::{self, User};

use super::ListedMember;
use super::joining::Joining;
use super::seats::{Seats, write_with_seats};
use crate::identity::{Device, Purpose};
use crate::{App, AppError, Caller};

/// Makes the caller a member of the account that invited them, and acts for it from now on where a request names none.
/// The link was mailed to the address, so it verifies the caller's too. An invitation is for the address it was sent to:
/// whoever is signed in with another one joins nothing, since a mail that was passed on is not an invitation.
///
/// # Errors
/// [`AppError::LinkInvalid`], [`AppError::InvitationForOther`], [`AppError::Denied`] when no seat is left.
pub async fn accept_invitation(
    app: &App,
    caller: &Caller,
    secret: &str,
    device: &Device,
) -> Result<ListedMember, AppError> {
    let id = caller.person()?.user;
    let joining = Joining::new(app, secret, device);
    let account = joining.find(app).await?.account;
    let now = app.now();
    let write = move |tx: &mut Tx<'_>, seats: &Seats| -> Result<ListedMember, AppError> {
        let mut user = users::lock(tx, id)?.ok_or(AppError::Unauthenticated)?;
        let member = joining.accept(tx, &user, seats, account)?;
        verify(tx, &mut user, now)?;
        Ok(ListedMember { member, name: user.name, email: user.email })
    };
    write_with_seats(app, account, "accept_invitation", write).await
}

fn verify(tx: &mut Tx<'_>, user: &mut User, now: domain::time::Timestamp) -> Result<(), AppError> {
    if user.email_verified_at.is_none() {
        user.email_verified_at = Some(now);
        user.updated_at = now;
        users::update(tx, user)?;
        one_time_tokens::delete_of(tx, &user.id.to_string(), Purpose::VerifyEmail.as_str())?;
    }
    Ok(())
}
