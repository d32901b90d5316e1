//! Who asks, and which account they mean.

use std::sync::Arc;

use domain::ids::{AccountId, KeyId, SessionId, UserId};
use domain::name::Name;
use domain::permissions::{Action, Role};
use domain::time::Timestamp;

use crate::identity::{Unverified, scopes};
use crate::{App, AppError};

/// An authenticated caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Caller {
    /// The platform's own backend: may name any account.
    Service { key: KeyId, scopes: Vec<Name> },
    /// A key of one account: may act for that account alone.
    Account { key: KeyId, account: AccountId, scopes: Vec<Name>, member: Option<Name> },
    /// Somebody who has signed in here.
    Person(Arc<Person>),
    /// Somebody whom the app itself has signed in.
    Visitor(Arc<Visiting>),
}

/// A signed-in user, as the session says at this moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    pub user: UserId,
    pub session: SessionId,
    pub verified: bool,
    /// Operates the platform: what a service key may do, this person may.
    pub superadmin: bool,
    /// When the person last proved who they are.
    pub signed_in_at: Timestamp,
    /// The accounts that the person belongs to, the one joined first at the front.
    pub memberships: Vec<(AccountId, Role)>,
    /// The account that is meant where a request names none.
    pub account: Option<AccountId>,
}

/// Somebody who acts for one account by the app's own word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Visiting {
    pub account: AccountId,
    pub role: Role,
    /// What the app calls the person; limits for each member go by it.
    pub member: Option<Name>,
    /// Where pages are shown to the visitor.
    pub session: Option<SessionId>,
    /// When the app last said so. `None`: by a token of its own sign-in, however old that is.
    pub signed_in_at: Option<Timestamp>,
}

/// How a request names an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountRef {
    Id(AccountId),
    /// The id that the caller's own system knows the customer by.
    External(String),
    /// None named: the key's own, or the one that a person has chosen.
    Own,
}

impl Caller {
    /// The key that came with the request, if it was one.
    pub fn key(&self) -> Option<KeyId> {
        match self {
            Caller::Service { key, .. } | Caller::Account { key, .. } => Some(*key),
            Caller::Person(_) | Caller::Visitor(_) => None,
        }
    }

    /// The member of the account who acts, where it is known: what limits for each member go by.
    pub fn member(&self) -> Option<Name> {
        match self {
            Caller::Service { .. } => None,
            Caller::Account { member, .. } => member.clone(),
            Caller::Person(person) => Some(Name::from(person.user.to_string())),
            Caller::Visitor(visiting) => visiting.member.clone(),
        }
    }

    /// Whose doing something is, in the audit trail.
    pub fn actor(&self) -> String {
        match self {
            Caller::Service { key, .. } | Caller::Account { key, .. } => key.to_string(),
            Caller::Person(person) => person.user.to_string(),
            Caller::Visitor(visiting) => match &visiting.member {
                Some(member) => format!("visitor:{member}"),
                None => format!("visitor:{}", visiting.account),
            },
        }
    }

    /// Somebody who has signed in here.
    ///
    /// # Errors
    /// [`AppError::SignInRequired`] for keys and visitors.
    pub fn person(&self) -> Result<&Person, AppError> {
        match self {
            Caller::Person(person) => Ok(person),
            _ => Err(AppError::SignInRequired),
        }
    }

    /// Only the platform's backend may, and who operates it.
    pub fn must_operate(&self) -> Result<(), AppError> {
        match self {
            Caller::Service { .. } => Ok(()),
            Caller::Person(person) if person.superadmin => Ok(()),
            _ => Err(AppError::ServiceKeyRequired),
        }
    }

    /// Tells of work that others have done, or gives it back: nothing that the customer may do from a browser.
    pub fn must_be_key(&self) -> Result<(), AppError> {
        match self {
            Caller::Service { .. } | Caller::Account { .. } => Ok(()),
            Caller::Person(person) if person.superadmin => Ok(()),
            Caller::Person(_) | Caller::Visitor(_) => Err(AppError::KeyRequired),
        }
    }

    /// Keys without scopes may do everything their kind may. What a person may do goes by the account; see
    /// [`Caller::account`].
    pub fn must_have_scope(&self, scope: &'static str) -> Result<(), AppError> {
        let (Caller::Service { scopes, .. } | Caller::Account { scopes, .. }) = self else { return Ok(()) };
        if scopes.is_empty() || scopes.iter().any(|held| held.as_str() == scope) {
            Ok(())
        } else {
            Err(AppError::InsufficientScope { scope })
        }
    }

    /// The account a request means, when the caller may do this with it: a key by its scopes, a person by the role they
    /// have there. An account that the caller may not act for is answered as if it did not exist.
    pub async fn account(&self, app: &App, named: &AccountRef, scope: &'static str) -> Result<AccountId, AppError> {
        self.must_have_scope(scope)?;
        let account = self.named(app, named).await?;
        self.must_be_allowed(app, account, scopes::action_of(scope))?;
        Ok(account)
    }

    /// As [`Caller::account`], for what people do with their account and a key of it does not: its members, its bills.
    pub async fn account_of_person(
        &self,
        app: &App,
        named: &AccountRef,
        (action, scope): (Action, &'static str),
    ) -> Result<AccountId, AppError> {
        self.must_have_scope(scope)?;
        let account = self.named(app, named).await?;
        if let Caller::Account { .. } = self {
            return Err(AppError::SignInRequired);
        }
        self.must_be_allowed(app, account, action)?;
        Ok(account)
    }

    /// What the caller is to an account. `None`: a key, which goes by scopes, or who operates the platform.
    pub fn role_in(&self, account: AccountId) -> Option<Role> {
        match self {
            Caller::Service { .. } | Caller::Account { .. } => None,
            Caller::Person(person) => person.role_in(account),
            Caller::Visitor(visiting) => (visiting.account == account).then_some(visiting.role),
        }
    }

    fn must_be_allowed(&self, app: &App, account: AccountId, action: Action) -> Result<(), AppError> {
        if let Caller::Person(person) = self {
            person.must_be_verified_for(app, action)?;
        }
        match self.role_in(account) {
            Some(role) if !role.may(action) => Err(AppError::InsufficientRole { needed: action.lowest_role() }),
            _ => Ok(()),
        }
    }

    async fn named(&self, app: &App, named: &AccountRef) -> Result<AccountId, AppError> {
        let own = match self {
            Caller::Service { .. } => None,
            Caller::Account { account, .. } => Some(*account),
            Caller::Person(person) => person.account,
            Caller::Visitor(visiting) => Some(visiting.account),
        };
        let meant = match named {
            AccountRef::Own => return own.ok_or(AppError::AccountNotNamed),
            AccountRef::Id(id) => *id,
            AccountRef::External(_) => crate::accounts::resolve(app, named).await?.ok_or(AppError::AccountUnknown)?,
        };
        let may_act = match self {
            Caller::Service { .. } => true,
            Caller::Person(person) => person.superadmin || person.role_in(meant).is_some(),
            Caller::Account { .. } | Caller::Visitor(_) => own == Some(meant),
        };
        if may_act { Ok(meant) } else { Err(AppError::AccountUnknown) }
    }
}

impl Person {
    /// `None`: no member.
    pub fn role_in(&self, account: AccountId) -> Option<Role> {
        self.memberships.iter().find(|(of, _)| *of == account).map(|(_, role)| *role)
    }

    /// # Errors
    /// [`AppError::EmailUnverified`] where people whose address is not verified may not do this.
    pub(crate) fn must_be_verified_for(&self, app: &App, action: Action) -> Result<(), AppError> {
        let only_looks = matches!(action, Action::SeeAccount | Action::SeeUsage | Action::SeeMembers | Action::Leave);
        let needs_it = app.settings.people.unverified != Unverified::MayUse && !only_looks;
        if needs_it && !self.verified { Err(AppError::EmailUnverified) } else { Ok(()) }
    }
}
