//! Finds out who asks. On the path of every call: one hash or signature, and one look into memory where the key or the
//! session is known.

use std::sync::Arc;

use domain::ids::{AccountId, UserId};
use domain::name::Name;
use domain::permissions::Role;
use storage::Tx;
use storage::records::sessions::{self, Session, SessionOf};
use storage::records::users::{User, UserStatus};
use storage::records::{api_keys, members, users};
use subtle::ConstantTimeEq;

use super::access_tokens::{self, Bearer};
use super::session_cache::{Found, Named};
use super::sessions::chosen_account;
use super::settings::Unverified;
use super::{ApiKey, ExternalIdentity, KeyOwner, is_external_token, links, secret, verify_external_token};
use crate::accounts::{self, NewAccount};
use crate::caller::{Person, Visiting};
use crate::{AccountRef, App, AppError, Caller};

/// The caller that a secret belongs to: an API key, an access token, a hand-off token, or a token of the app's own
/// sign-in.
///
/// # Errors
/// [`AppError::Unauthenticated`] when nobody has it, or it is expired or revoked: which of them is not told.
pub async fn authenticate(app: &App, secret: &str) -> Result<Caller, AppError> {
    if secret::has_prefix(secret) { by_key(app, secret).await } else { by_token(app, secret).await }
}

async fn by_key(app: &App, secret: &str) -> Result<Caller, AppError> {
    let hash = secret::hash(secret);
    let now = app.now();
    if let Some(known) = app.keys.get(&hash, now) {
        return known;
    }
    if !secret::is_well_formed(secret) {
        return Err(AppError::Unauthenticated);
    }
    let ticket = app.keys.ticket();
    let unverified = app.settings.people.unverified;
    let read = move |tx: &mut Tx<'_>| -> Result<Option<ApiKey>, AppError> {
        let Some(key) = api_keys::by_hash(tx, &hash)? else { return Ok(None) };
        Ok(if acts_for_nobody(tx, &key, unverified)? { None } else { Some(key) })
    };
    let found = app.database.read("authenticate", read).await?;
    let is_good = |key: &ApiKey| {
        bool::from(key.hash.ct_eq(&hash))
            && key.revoked_at.is_none()
            && key.expires_at.is_none_or(|expiry| expiry > now)
    };
    match found.filter(is_good) {
        Some(key) => Ok(app.keys.put(ticket, &key, now)),
        None => Err(AppError::Unauthenticated),
    }
}

/// A key of a member who is a user here may no more than the user: nothing once the user is suspended, deleted, or no
/// member any more.
fn acts_for_nobody(tx: &mut Tx<'_>, key: &ApiKey, unverified: Unverified) -> Result<bool, AppError> {
    let KeyOwner::Account(account) = key.owner else { return Ok(false) };
    let Some(user) = key.member.as_ref().and_then(|member| UserId::parse(member.as_str())) else { return Ok(false) };
    let Some(user) = users::by_id(tx, user)? else { return Ok(true) };
    let may_act = user.status == UserStatus::Active
        && (user.email_verified_at.is_some() || unverified == Unverified::MayUse)
        && members::get(tx, account, user.id)?.is_some();
    Ok(!may_act)
}

async fn by_token(app: &App, token: &str) -> Result<Caller, AppError> {
    match access_tokens::verify(app, token).await? {
        Some(Bearer::Session { session, user }) => {
            let caller = by_session(app, Named::Id(session)).await?;
            match &caller {
                Caller::Person(person) if person.user == user => Ok(caller),
                _ => Err(AppError::Unauthenticated),
            }
        }
        Some(Bearer::HandOff { account, role, member, issued_at }) => {
            let visiting = Visiting {
                account,
                role,
                member: member.as_deref().map(Name::from),
                session: None,
                signed_in_at: Some(issued_at),
            };
            Ok(Caller::Visitor(Arc::new(visiting)))
        }
        None if is_external_token(app, token) => by_external_token(app, token).await,
        None => Err(AppError::Unauthenticated),
    }
}

/// Whoever the app has signed in itself acts for the account with that external id, which is made where there is none.
async fn by_external_token(app: &App, token: &str) -> Result<Caller, AppError> {
    let ExternalIdentity { external_id, email, name, .. } = verify_external_token(app, token).await?;
    let named = AccountRef::External(external_id.clone());
    let account = match accounts::resolve(app, &named).await? {
        Some(account) => account,
        None if app.settings.auto_create_accounts => {
            let email = email.filter(|email| accounts::fields::email("email", email).is_ok());
            let name = name.filter(|name| accounts::fields::name(name).is_ok());
            let new = NewAccount { external_id: Some(external_id), name, email, ..NewAccount::default() };
            accounts::insert(app, new).await?.0.id
        }
        None => return Err(AppError::AccountUnknown),
    };
    let visiting = Visiting { account, role: Role::Admin, member: None, session: None, signed_in_at: None };
    Ok(Caller::Visitor(Arc::new(visiting)))
}

/// The caller whose browser has this cookie.
pub async fn authenticate_cookie(app: &App, cookie: &str) -> Result<Caller, AppError> {
    by_session(app, Named::Cookie(links::hash(cookie))).await
}

async fn by_session(app: &App, named: Named) -> Result<Caller, AppError> {
    let now = app.now();
    if let Some(caller) = app.sessions.get(named, now) {
        return Ok(caller);
    }
    let ticket = app.sessions.ticket();
    let unverified = app.settings.people.unverified;
    let read = move |tx: &mut Tx<'_>| -> Result<Option<Found>, AppError> {
        let session = match named {
            Named::Id(id) => sessions::by_id(tx, id)?,
            Named::Cookie(hash) => sessions::by_cookie(tx, &hash)?,
        };
        match session.filter(|session| session.is_open(now)) {
            Some(session) => caller_of(tx, session, unverified),
            None => Ok(None),
        }
    };
    let found = app.database.read("authenticate_session", read).await?.ok_or(AppError::Unauthenticated)?;
    let caller = found.caller.clone();
    app.sessions.put(ticket, named, found, now);
    Ok(caller)
}

fn caller_of(tx: &mut Tx<'_>, session: Session, unverified: Unverified) -> Result<Option<Found>, AppError> {
    let caller = match &session.who {
        SessionOf::User(user) => {
            let Some(user) = users::by_id(tx, *user)?.filter(|user| may_be_signed_in(user, unverified)) else {
                return Ok(None);
            };
            let memberships = members::of_user(tx, user.id)?;
            Caller::Person(Arc::new(Person {
                user: user.id,
                session: session.id,
                verified: user.email_verified_at.is_some(),
                superadmin: user.superadmin,
                signed_in_at: session.signed_in_at,
                account: chosen_account(&memberships, &user).map(|(account, _)| account),
                memberships: memberships.iter().map(|member| (member.account, member.role)).collect(),
            }))
        }
        SessionOf::Visitor(visitor) => Caller::Visitor(Arc::new(Visiting {
            account: visitor.account,
            role: visitor.role,
            member: visitor.member.as_deref().map(Name::from),
            session: Some(session.id),
            signed_in_at: Some(session.signed_in_at),
        })),
    };
    let Session { id, last_seen_at, expires_at, .. } = session;
    Ok(Some(Found { id, caller, last_seen_at, expires_at }))
}

/// Whether a user may be signed in at all.
pub(super) fn may_be_signed_in(user: &User, unverified: Unverified) -> bool {
    user.status == UserStatus::Active && (user.email_verified_at.is_some() || unverified != Unverified::MayNothing)
}

/// A person as acting for another of their accounts than the one they chose last.
///
/// # Errors
/// [`AppError::AccountUnknown`] when they are no member of it.
pub fn acting_for(person: &Person, account: AccountId) -> Result<Caller, AppError> {
    if person.superadmin || person.role_in(account).is_some() {
        return Ok(Caller::Person(Arc::new(Person { account: Some(account), ..person.clone() })));
    }
    Err(AppError::AccountUnknown)
}
