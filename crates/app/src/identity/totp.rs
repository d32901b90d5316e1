//! The second factor: codes of an authenticator app (RFC 6238).

use domain::ids::UserId;
use storage::records::authenticators;
use storage::{StorageError, Tx};

use crate::{App, AppError};

/// Whether a sign-in of this user asks for a code.
pub(super) async fn is_enabled(app: &App, user: UserId) -> Result<bool, AppError> {
    let read = move |tx: &mut Tx<'_>| -> Result<bool, AppError> { Ok(is_enabled_in(tx, user)?) };
    app.database.read("has_second_factor", read).await
}

pub(super) fn is_enabled_in(tx: &mut Tx<'_>, user: UserId) -> Result<bool, StorageError> {
    Ok(authenticators::get(tx, user)?.is_some_and(|authenticator| authenticator.confirmed_at.is_some()))
}

/// Takes the second factor and its recovery codes away.
pub(super) fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), StorageError> {
    authenticators::delete(tx, user)
}
