//! Lists the keys of the platform or an account, without their secrets.

use storage::Tx;
use storage::records::{accounts, api_keys};

use super::{ApiKey, KeysOf, account_of, may_manage, owner_of};
use crate::{App, AppError, Caller};

const MOST_LISTED: u32 = 1_000;

/// The newest first; revoked ones are among them. At most a thousand. A member sees their own.
pub async fn list_keys(app: &App, caller: &Caller, of: &KeysOf) -> Result<Vec<ApiKey>, AppError> {
    let owner = owner_of(app, caller, of).await?;
    let read = move |tx: &mut Tx<'_>| -> Result<Vec<ApiKey>, AppError> {
        if let Some(account) = account_of(owner) {
            accounts::by_id(tx, account)?.ok_or(AppError::AccountUnknown)?;
        }
        Ok(api_keys::list(tx, owner, MOST_LISTED)?)
    };
    let mut keys = app.database.read("list_api_keys", read).await?;
    keys.retain(|key| may_manage(caller, key));
    Ok(keys)
}
