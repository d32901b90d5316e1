//! Suspends an account, or lets it go on.

use storage::Tx;
use storage::records::accounts;

use super::{Account, AccountStatus};
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// From the next call on, a suspended account is denied everything it would use. What is counted stays.
pub async fn set_status(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    status: AccountStatus,
) -> Result<Account, AppError> {
    caller.must_operate()?;
    let id = caller.account(app, account, ACCOUNTS_WRITE).await?;
    let now = app.now();
    let write = move |tx: &mut Tx<'_>| -> Result<Account, AppError> {
        let mut account = accounts::lock(tx, id)?.ok_or(AppError::AccountUnknown)?;
        if account.status == AccountStatus::Closed {
            return Err(AppError::invalid("status", "This account is closed for ever; make another one."));
        }
        if account.status != status {
            account.status = status;
            account.updated_at = now;
            accounts::update(tx, &account)?;
            accounts::raise_epoch(tx, id)?;
        }
        Ok(account)
    };
    app.database.write("set_account_status", write).await
}
