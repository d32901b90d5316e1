//! Who is told about an account.

use storage::records::accounts::Account;
use storage::{StorageError, Tx};

/// The addresses that mails about an account go to: where its invoices go, else its own. None: nobody is told.
pub(crate) fn recipients(_: &mut Tx<'_>, account: &Account) -> Result<Vec<String>, StorageError> {
    Ok(account.billing_email.iter().chain(&account.email).take(1).cloned().collect())
}
