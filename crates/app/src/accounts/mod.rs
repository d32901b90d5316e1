//! Accounts: the customers that everything is counted for. One file a verb; [`fields`] says what their texts may hold.

pub(crate) mod close_account;
mod create_account;
pub mod fields;
mod get_account;
mod list_accounts;
mod list_audit_events;
mod names;
mod resolve;
mod set_status;
mod update_account;

pub use close_account::close_account;
pub(crate) use create_account::insert;
pub use create_account::{NewAccount, create_account};
pub use get_account::get_account;
pub use list_accounts::{AccountPage, list_accounts};
pub use list_audit_events::{AuditPage, list_audit_events};
pub use names::AccountNames;
pub use resolve::{resolve, resolve_or_create};
pub use set_status::set_status;
pub use storage::records::accounts::{Account, AccountStatus};
pub use storage::records::audit_events::AuditEvent;
pub use update_account::{AccountChanges, update_account};
