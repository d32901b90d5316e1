//! The duty that marks invitations whose time is over and gives their seats back.

use storage::Tx;
use storage::records::invitations;

use super::seats::SeatsChanged;
use crate::{App, AppError};

/// Invitations in one transaction.
const TOGETHER: u32 = 200;

pub(crate) async fn expire_invitations(app: &App) -> Result<(), AppError> {
    let now = app.now();
    let read = move |tx: &mut Tx<'_>| -> Result<bool, AppError> { Ok(invitations::any_over(tx, now)?) };
    while app.database.read("find_invitations_over", read).await? {
        let seats = SeatsChanged::new(app).await?;
        let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
            for (place, account) in invitations::expire(tx, now, TOGETHER)?.iter().enumerate() {
                seats.note(tx, *account, place)?;
            }
            Ok(())
        };
        app.database.write("expire_invitations", write).await?;
    }
    Ok(())
}
