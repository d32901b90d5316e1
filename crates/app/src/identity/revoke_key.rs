//! Revokes a key: the next call that comes with it is refused.

use domain::ids::KeyId;
use serde_json::json;
use storage::Tx;
use storage::records::api_keys;

use super::{ApiKey, KeysOf, account_of, may_manage, must_be_recent, owner_of};
use crate::audit::{self, Audited};
use crate::webhooks::{Emitted, Event, emit};
use crate::{App, AppError, Caller};

/// Revoking a key twice is as good as once. A key of another account, or one that a member may not manage, is answered as
/// if it did not exist.
pub async fn revoke_key(app: &App, caller: &Caller, of: &KeysOf, id: KeyId) -> Result<ApiKey, AppError> {
    let owner = owner_of(app, caller, of).await?;
    must_be_recent(app, caller)?;
    let (caller, now) = (caller.clone(), app.now());
    let (event, told) = (Audited::new(app, "api_key.revoked", None), Emitted::new(app, Event::KeyRevoked));
    let write = move |tx: &mut Tx<'_>| -> Result<ApiKey, AppError> {
        let key = api_keys::by_id(tx, id)?.filter(|key| key.owner == owner && may_manage(&caller, key));
        let key = key.ok_or_else(|| AppError::NotFound { what: "API key", name: id.to_string() })?;
        if api_keys::revoke(tx, id, now)? {
            audit::note(tx, &event, account_of(owner), caller.actor(), id, json!({}))?;
            if let Some(account) = account_of(owner) {
                emit(tx, &told, account, &json!({ "id": id.to_string(), "name": key.name, "prefix": key.prefix }))?;
            }
        }
        Ok(ApiKey { revoked_at: key.revoked_at.or(Some(now)), ..key })
    };
    app.database.write("revoke_api_key", write).await
}
