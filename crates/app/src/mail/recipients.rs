//! Who is told about an account.

use storage::records::accounts::Account;
use storage::records::{members, users};
use storage::{StorageError, Tx};

/// Owners and admins of one account who are told.
const MOST_MANAGERS: u32 = 20;

/// The addresses that mails about an account go to: where its invoices go, else its own, and those of its owners and admins
/// that are verified; each once. None: nobody is told.
pub(crate) fn recipients(tx: &mut Tx<'_>, account: &Account) -> Result<Vec<String>, StorageError> {
    let mut addresses: Vec<String> = account.billing_email.iter().chain(&account.email).take(1).cloned().collect();
    for address in members::addresses_of_managers(tx, account.id, MOST_MANAGERS)? {
        if !addresses.iter().any(|known| users::key(known) == users::key(&address)) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}
