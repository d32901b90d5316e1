//! Reads one account.

use storage::Tx;
use storage::records::accounts;

use super::Account;
use crate::identity::scopes::ACCOUNTS_READ;
use crate::{AccountRef, App, AppError, Caller};

pub async fn get_account(app: &App, caller: &Caller, account: &AccountRef) -> Result<Account, AppError> {
    let id = caller.account(app, account, ACCOUNTS_READ).await?;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(accounts::by_id(tx, id)?) };
    app.database.read("get_account", read).await?.ok_or(AppError::AccountUnknown)
}
