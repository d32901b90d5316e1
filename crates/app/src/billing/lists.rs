//! Lists what was billed and what became of the plan, newest first, a page at a time.

use domain::ids::{AccountId, HistoryEntryId, InvoiceId, PaymentId};
use storage::records::invoices::{self, Invoice};
use storage::records::payments::{self, Payment};
use storage::records::subscription_history::{self, HistoryEntry};
use storage::{StorageError, Tx};

use crate::identity::scopes::ACCOUNTS_READ;
use crate::{AccountRef, App, AppError, Caller};

pub async fn list_invoices(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    (before, limit): (Option<InvoiceId>, u32),
) -> Result<Vec<Invoice>, AppError> {
    list(app, caller, account, move |tx, account| invoices::page(tx, account, before, limit)).await
}

pub async fn list_payments(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    (before, limit): (Option<PaymentId>, u32),
) -> Result<Vec<Payment>, AppError> {
    list(app, caller, account, move |tx, account| payments::page(tx, account, before, limit)).await
}

pub async fn list_history(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    (before, limit): (Option<HistoryEntryId>, u32),
) -> Result<Vec<HistoryEntry>, AppError> {
    list(app, caller, account, move |tx, account| subscription_history::page(tx, account, before, limit)).await
}

/// One invoice of the account.
pub async fn get_invoice(app: &App, caller: &Caller, account: &AccountRef, id: InvoiceId) -> Result<Invoice, AppError> {
    let found = list(app, caller, account, move |tx, account| invoices::by_id(tx, account, id)).await?;
    found.ok_or_else(|| AppError::NotFound { what: "invoice", name: id.to_string() })
}

async fn list<T: Send + 'static>(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    find: impl Fn(&mut Tx<'_>, AccountId) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, AppError> {
    let account = caller.account(app, account, ACCOUNTS_READ).await?;
    let read = move |tx: &mut Tx<'_>| -> Result<T, AppError> { Ok(find(tx, account)?) };
    app.database.read("list_billing", read).await
}
