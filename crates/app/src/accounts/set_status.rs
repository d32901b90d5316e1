//! Suspends an account, or lets it go on.

use serde_json::json;
use storage::Tx;
use storage::records::jobs::{self, NewJob};
use storage::records::{accounts, billing_customers};

use super::{Account, AccountStatus};
use crate::billing::expire_pages::EXPIRE_PAGES;
use crate::identity::scopes::ACCOUNTS_WRITE;
use crate::{AccountRef, App, AppError, Caller};

/// From the next call on, a suspended account is denied everything it would use, and the pages that it could buy on are
/// closed. What is counted stays, and what it pays for goes on.
pub async fn set_status(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    status: AccountStatus,
) -> Result<Account, AppError> {
    caller.must_operate()?;
    let id = caller.account(app, account, ACCOUNTS_WRITE).await?;
    let (now, job) = (app.now(), app.new_id());
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
            let is_customer = billing_customers::by_account(tx, id)?.is_some_and(|row| row.customer.is_some());
            if status == AccountStatus::Suspended && is_customer {
                let payload = json!({ "account": id.to_string() }).to_string();
                let job = NewJob { id: job, kind: EXPIRE_PAGES, account: Some(id), payload, run_at: now };
                jobs::insert(tx, &job, now)?;
            }
        }
        Ok(account)
    };
    app.database.write("set_account_status", write).await
}
