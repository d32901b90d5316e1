//! Revokes a key: the next call that comes with it is refused.

use domain::ids::KeyId;
use storage::Tx;
use storage::records::api_keys;

use super::{ApiKey, KeyOwner, must_manage_keys};
use crate::{App, AppError, Caller};

/// Revoking a key twice is as good as once. A key of another account is answered as if it did not exist.
pub async fn revoke_key(app: &App, caller: &Caller, id: KeyId) -> Result<ApiKey, AppError> {
    must_manage_keys(caller)?;
    let unknown = move || AppError::NotFound { what: "API key", name: id.to_string() };
    let (caller, now) = (caller.clone(), app.now());
    let write = move |tx: &mut Tx<'_>| -> Result<ApiKey, AppError> {
        let key = api_keys::by_id(tx, id)?.ok_or_else(unknown)?;
        match &caller {
            Caller::Account { account, .. } if key.owner != KeyOwner::Account(*account) => return Err(unknown()),
            _ => {}
        }
        api_keys::revoke(tx, id, now)?;
        Ok(ApiKey { revoked_at: key.revoked_at.or(Some(now)), ..key })
    };
    app.database.write("revoke_api_key", write).await
}
