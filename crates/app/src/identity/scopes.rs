//! What a key can be allowed to do. The one list of scopes: validation, messages and documents go by it.

use domain::name::Name;
use domain::permissions::Action;

use crate::AppError;

pub const USAGE_READ: &str = "usage:read";
pub const USAGE_WRITE: &str = "usage:write";
pub const ACCOUNTS_READ: &str = "accounts:read";
pub const ACCOUNTS_WRITE: &str = "accounts:write";
pub const KEYS_WRITE: &str = "keys:write";
pub const BILLING_WRITE: &str = "billing:write";
pub const MODELS_CALL: &str = "models:call";
pub const CATALOG_READ: &str = "catalog:read";
pub const OPERATIONS_READ: &str = "operations:read";
pub const OPERATIONS_WRITE: &str = "operations:write";

/// Every scope, with what it lets a key do.
pub const ALL: [(&str, &str); 10] = [
    (USAGE_READ, "read and check usage and entitlements"),
    (USAGE_WRITE, "consume, reserve, record and correct usage"),
    (MODELS_CALL, "call models through the gateway"),
    (ACCOUNTS_READ, "read accounts and their subscriptions"),
    (ACCOUNTS_WRITE, "create, change and suspend accounts"),
    (KEYS_WRITE, "list, create and revoke API keys"),
    (BILLING_WRITE, "grant plans and credits, and agree on limits of one account"),
    (CATALOG_READ, "read plans and meters"),
    (OPERATIONS_READ, "see jobs, mails and rate limits"),
    (OPERATIONS_WRITE, "retry jobs and mails, and clear rate limits"),
];

/// What a person does who does what a key needs this scope for; their role in the account decides.
pub fn action_of(scope: &'static str) -> Action {
    match scope {
        USAGE_READ => Action::SeeUsage,
        USAGE_WRITE | MODELS_CALL => Action::Use,
        ACCOUNTS_READ | CATALOG_READ => Action::SeeAccount,
        ACCOUNTS_WRITE => Action::ChangeAccount,
        KEYS_WRITE => Action::ManageOwnKeys,
        // What is new and not named here is for owners until it is.
        BILLING_WRITE => Action::Buy,
        _ => Action::DeleteAccount,
    }
}

/// Refuses scopes that nobody knows.
pub(super) fn must_be_known(scopes: &[Name]) -> Result<(), AppError> {
    let is_known = |scope: &&Name| ALL.iter().any(|(known, _)| *known == scope.as_str());
    match scopes.iter().find(|scope| !is_known(scope)) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<String> = ALL.iter().map(|(scope, _)| format!("`{scope}`")).collect();
            let message = format!("No scope is called `{unknown}`. Known are {}.", known.join(", "));
            Err(AppError::invalid("scopes", message))
        }
    }
}
