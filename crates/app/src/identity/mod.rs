//! Who asks: API keys, what they may do, and finding a caller by a secret. Start at [`authenticate`].
//!
//! A secret is shown once, when it is made. What is kept is its hash, so that a stolen database opens no door.

mod authenticate;
mod create_key;
mod external_token;
mod key_cache;
mod list_keys;
pub(crate) mod note_last_use;
mod revoke_key;
pub mod scopes;
mod secret;

pub use authenticate::authenticate;
pub use create_key::{NewKey, create_key, issue_key};
pub use external_token::{is_external_token, verify_external_token};
pub use key_cache::KeyCache;
pub use list_keys::list_keys;
pub use providers::issuers::ExternalIdentity;
pub use revoke_key::revoke_key;
pub use secret::Secret;
pub use storage::records::api_keys::{ApiKey, KeyOwner};

use domain::ids::AccountId;

use crate::{AccountRef, App, AppError, Caller};

/// Whose keys a request is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeysOf {
    /// The platform's own.
    Service,
    Account(AccountRef),
}

/// Who may manage keys: the platform's backend, and an account's own key that names `keys:write` among its scopes. An
/// account's key without scopes may do everything else.
fn must_manage_keys(caller: &Caller) -> Result<(), AppError> {
    match caller {
        Caller::Account { scopes, .. } if scopes.is_empty() => {
            Err(AppError::InsufficientScope { scope: scopes::KEYS_WRITE })
        }
        _ => caller.must_have_scope(scopes::KEYS_WRITE),
    }
}

/// Whose keys are meant, when this caller may manage them.
async fn owner_of(app: &App, caller: &Caller, of: &KeysOf) -> Result<KeyOwner, AppError> {
    must_manage_keys(caller)?;
    match of {
        KeysOf::Service => caller.must_be_service().map(|()| KeyOwner::Service),
        KeysOf::Account(account) => caller.account(app, account).await.map(KeyOwner::Account),
    }
}

fn account_of(owner: KeyOwner) -> Option<AccountId> {
    match owner {
        KeyOwner::Service => None,
        KeyOwner::Account(account) => Some(account),
    }
}
