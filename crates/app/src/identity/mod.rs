//! Who asks: people and how they sign in, API keys and what they may do, and finding a caller by whatever a request comes
//! with. Start at [`authenticate`]; for people at [`register`] and [`log_in`].
//!
//! A secret is shown once, when it is made. What is kept is its hash, so that a stolen database opens no door.

mod access_tokens;
mod authenticate;
pub(crate) mod by_mail;
mod change_password;
mod create_key;
mod create_superadmin;
mod external_token;
pub mod hand_off;
mod introspect;
mod key_cache;
mod letters;
mod links;
mod list_keys;
mod login;
mod me;
pub(crate) mod note_last_use;
mod password_rules;
mod passwords;
mod recent_sign_in;
pub(crate) mod register;
mod register_invited;
mod revoke_key;
pub mod scopes;
mod second_step;
mod secret;
mod session_cache;
pub(crate) mod sessions;
mod settings;
pub mod sign_in_by_provider;
pub mod signing_keys;
mod totp;
mod users;
mod verify_email;

pub(crate) use letters::Letter;
pub(crate) use links::{Purpose, hash as hash_of_secret};

pub use access_tokens::AccessToken;
pub use authenticate::{acting_for, authenticate, authenticate_cookie};
pub use change_password::{change_password, forgot_password, reset_password};
pub use create_key::{NewKey, create_key, issue_key};
pub use create_superadmin::{SuperadminPassword, create_superadmin};
pub use external_token::{is_external_token, verify_external_token};
pub use introspect::introspect;
pub use key_cache::KeyCache;
pub use list_keys::list_keys;
pub use login::{Credentials, LoggedIn, log_in};
pub use me::{Membership, Profile, ProfileChanges, confirm_new_email, delete_me, profile, update_profile};
pub use password_rules::PasswordRules;
pub use passwords::{PasswordCost, Passwords};
pub use providers::issuers::ExternalIdentity;
pub use recent_sign_in::{confirm_password, must_be_recent};
pub use register::{Registered, Registrant, register};
pub use revoke_key::revoke_key;
pub use second_step::log_in_with_code;
pub use secret::Secret;
pub use session_cache::SessionCache;
pub use sessions::{
    Device, Keep, SignedIn, end_other_sessions, end_session, list_sessions, refresh, sign_out,
    sign_out_by_refresh_token,
};
pub use settings::{PeopleSettings, Registration, Unverified};
pub use signing_keys::SigningKeys;
pub use storage::records::api_keys::{ApiKey, KeyOwner};
pub use storage::records::sessions::Session;
pub use storage::records::users::{User, UserStatus};
pub use totp::{Enrolment, Proof, confirm_totp, disable_totp, enrol_totp, recovery_codes_left, renew_recovery_codes};
pub use users::{UserPage, get_user, list_users, set_user_status};
pub use verify_email::{resend_verification, resend_verification_to, verify_email};

use domain::ids::AccountId;
use domain::permissions::Action;

use crate::{AccountRef, App, AppError, Caller};

/// Whose keys a request is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeysOf {
    /// The platform's own.
    Service,
    Account(AccountRef),
}

/// Who may manage keys: the platform's backend, people for themselves or, with the role for it, for everybody, and an
/// account's own key that names `keys:write` among its scopes. An account's key without scopes may do everything else.
fn must_manage_keys(caller: &Caller) -> Result<(), AppError> {
    match caller {
        Caller::Account { scopes, .. } if scopes.is_empty() => {
            Err(AppError::InsufficientScope { scope: scopes::KEYS_WRITE })
        }
        _ => caller.must_have_scope(scopes::KEYS_WRITE),
    }
}

/// A secret for a link, good for nothing before its hash is kept.
pub(crate) fn new_secret(app: &App) -> String {
    links::secret(&app.entropy)
}

/// Whose keys are meant, when this caller may manage them.
async fn owner_of(app: &App, caller: &Caller, of: &KeysOf) -> Result<KeyOwner, AppError> {
    must_manage_keys(caller)?;
    match of {
        KeysOf::Service => caller.must_operate().map(|()| KeyOwner::Service),
        KeysOf::Account(account) => caller.account(app, account, scopes::KEYS_WRITE).await.map(KeyOwner::Account),
    }
}

/// Whether a caller who may manage keys of this owner may see and revoke this one: a member only their own.
fn may_manage(caller: &Caller, key: &ApiKey) -> bool {
    let role = account_of(key.owner).and_then(|account| caller.role_in(account));
    role.is_none_or(|role| role.may(Action::ManageAllKeys)) || (key.member.is_some() && key.member == caller.member())
}

fn account_of(owner: KeyOwner) -> Option<AccountId> {
    match owner {
        KeyOwner::Service => None,
        KeyOwner::Account(account) => Some(account),
    }
}
