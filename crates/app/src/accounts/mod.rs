//! Accounts: the customers that everything is counted for. One file a verb; [`fields`] says what their texts may hold.

mod create_account;
pub mod fields;
mod get_account;
mod list_accounts;
mod names;
mod resolve;
mod set_status;
mod update_account;

pub(crate) use create_account::insert;
pub use create_account::{NewAccount, create_account};
pub use get_account::get_account;
pub use list_accounts::{AccountPage, list_accounts};
pub use names::AccountNames;
pub use resolve::{resolve, resolve_or_create};
pub use set_status::set_status;
pub use storage::records::accounts::{Account, AccountStatus};
pub use update_account::{AccountChanges, update_account};
