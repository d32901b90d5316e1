//! What whoever follows an invitation's link sees before they decide.

use domain::permissions::Role;
use domain::time::Timestamp;
use storage::Tx;
use storage::records::{accounts, users};

use super::invite::inviter;
use super::joining::Joining;
use crate::identity::Device;
use crate::{App, AppError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownInvitation {
    pub account_name: String,
    /// A person's name, or the product's.
    pub inviter: String,
    pub email: String,
    pub role: Role,
    pub expires_at: Timestamp,
    /// Somebody has the address here: sign in. Otherwise: register.
    pub registered: bool,
}

/// # Errors
/// [`AppError::LinkInvalid`] when it is none, was settled, has another link now, or is over.
pub async fn show_invitation(app: &App, secret: &str) -> Result<ShownInvitation, AppError> {
    let invitation = Joining::new(app, secret, &Device::default()).find(app).await?;
    let inviter = inviter(app, &invitation.invited_by).await?;
    let read = move |tx: &mut Tx<'_>| -> Result<ShownInvitation, AppError> {
        let account = accounts::by_id(tx, invitation.account)?.ok_or(AppError::LinkInvalid)?;
        Ok(ShownInvitation {
            account_name: account.name,
            inviter: inviter.clone(),
            registered: users::by_email(tx, &invitation.email)?.is_some(),
            email: invitation.email.clone(),
            role: invitation.role,
            expires_at: invitation.expires_at,
        })
    };
    app.database.read("show_invitation", read).await
}
