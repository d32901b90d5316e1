//! Which account a request means.

use domain::ids::AccountId;

use super::create_account::{NewAccount, insert};
use crate::{AccountRef, App, AppError};

/// The account of this name; `Ok(None)` when no account has the external id, or none was named. An id is taken as it is:
/// whether it exists is found by what is done with it.
pub async fn resolve(app: &App, account: &AccountRef) -> Result<Option<AccountId>, AppError> {
    let external_id = match account {
        AccountRef::Id(id) => return Ok(Some(*id)),
        AccountRef::Own => return Ok(None),
        AccountRef::External(external_id) => external_id,
    };
    if let Some(id) = app.account_names.get(external_id) {
        return Ok(Some(id));
    }
    // No account has such an external id, and PostgreSQL could not even be asked.
    if external_id.contains('\0') {
        return Ok(None);
    }
    let ticket = app.account_names.ticket();
    let Some(account) = app.ledger.account_named(external_id).await? else { return Ok(None) };
    app.account_names.put(ticket, external_id, account);
    Ok(Some(account))
}

/// As [`resolve`]; an external id that is new makes its account, where the settings say so.
///
/// # Errors
/// [`AppError::AccountUnknown`] where they do not, or none was named.
pub async fn resolve_or_create(app: &App, account: &AccountRef) -> Result<AccountId, AppError> {
    if let Some(id) = resolve(app, account).await? {
        return Ok(id);
    }
    let AccountRef::External(external_id) = account else { return Err(AppError::AccountUnknown) };
    if !app.settings.auto_create_accounts {
        return Err(AppError::AccountUnknown);
    }
    let new = NewAccount { external_id: Some(external_id.clone()), ..NewAccount::default() };
    let (account, _) = insert(app, new).await?;
    app.account_names.put(app.account_names.ticket(), external_id, account.id);
    Ok(account.id)
}
