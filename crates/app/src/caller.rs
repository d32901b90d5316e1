//! Who asks, and which account they mean.

use domain::ids::{AccountId, KeyId};
use domain::name::Name;

use crate::{App, AppError};

/// An authenticated caller. People who sign in come with identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Caller {
    /// The platform's own backend: may name any account.
    Service { key: KeyId, scopes: Vec<Name> },
    /// A key of one account: may act for that account alone.
    Account { key: KeyId, account: AccountId, scopes: Vec<Name>, member: Option<Name> },
}

/// How a request names an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountRef {
    Id(AccountId),
    /// The id that the caller's own system knows the customer by.
    External(String),
    /// None named: the key's own.
    Own,
}

impl Caller {
    pub fn key(&self) -> KeyId {
        match self {
            Caller::Service { key, .. } | Caller::Account { key, .. } => *key,
        }
    }

    /// Only the platform's backend may.
    pub fn must_be_service(&self) -> Result<(), AppError> {
        match self {
            Caller::Service { .. } => Ok(()),
            Caller::Account { .. } => Err(AppError::ServiceKeyRequired),
        }
    }

    /// Keys without scopes may do everything their kind may.
    pub fn must_have_scope(&self, scope: &'static str) -> Result<(), AppError> {
        let (Caller::Service { scopes, .. } | Caller::Account { scopes, .. }) = self;
        if scopes.is_empty() || scopes.iter().any(|held| held.as_str() == scope) {
            Ok(())
        } else {
            Err(AppError::InsufficientScope { scope })
        }
    }

    /// The account a request means. An account that the caller may not act for is answered as if it did not exist.
    pub async fn account(&self, app: &App, named: &AccountRef) -> Result<AccountId, AppError> {
        match (self, named) {
            (Caller::Account { account, .. }, AccountRef::Own) => Ok(*account),
            (Caller::Account { account, .. }, AccountRef::Id(named)) if named == account => Ok(*account),
            (Caller::Account { account, .. }, AccountRef::External(_)) => {
                let found = crate::accounts::resolve(app, named).await?;
                if found == Some(*account) { Ok(*account) } else { Err(AppError::AccountUnknown) }
            }
            (Caller::Account { .. }, AccountRef::Id(_)) => Err(AppError::AccountUnknown),
            (Caller::Service { .. }, AccountRef::Own) => Err(AppError::AccountNotNamed),
            (Caller::Service { .. }, _) => crate::accounts::resolve(app, named).await?.ok_or(AppError::AccountUnknown),
        }
    }
}
