//! Users: the people who sign in.
//!
//! An email and a username are unique by their keys, which are lower case; a deleted user has none, so that the address is
//! free again. Whoever changes what a signed-in person may do tells the caches by [`crate::Tx::note_people_changed`]; the
//! functions here do it themselves.

use domain::ids::{AccountId, UserId};
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO users (id, email, email_key, username, username_key, name, password_hash, \
    email_verified_at, status, superadmin, last_account, terms_version, terms_accepted_at, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14) ON CONFLICT DO NOTHING";
const BY_ID: &str = "SELECT id, email, username, name, password_hash, email_verified_at, status, superadmin, \
    last_account, terms_version, terms_accepted_at, created_at, updated_at FROM users WHERE id = $1";
const BY_EMAIL: &str = "SELECT id, email, username, name, password_hash, email_verified_at, status, superadmin, \
    last_account, terms_version, terms_accepted_at, created_at, updated_at FROM users WHERE email_key = $1";
const BY_USERNAME: &str = "SELECT id, email, username, name, password_hash, email_verified_at, status, superadmin, \
    last_account, terms_version, terms_accepted_at, created_at, updated_at FROM users WHERE username_key = $1";
const LOCK: &str = "UPDATE users SET updated_at = updated_at WHERE id = $1 RETURNING id, email, username, name, \
    password_hash, email_verified_at, status, superadmin, last_account, terms_version, terms_accepted_at, created_at, \
    updated_at";
const UPDATE: &str = "UPDATE users SET email = $2, email_key = $3, username = $4, username_key = $5, name = $6, \
    password_hash = $7, email_verified_at = $8, status = $9, superadmin = $10, terms_version = $11, \
    terms_accepted_at = $12, updated_at = $13 WHERE id = $1";
const CHOOSE_ACCOUNT: &str = "UPDATE users SET last_account = $2 WHERE id = $1";
/// Only in place of the hash that was verified, so that a password changed meanwhile stays.
const REHASH: &str = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
const NEWEST: &str = "SELECT id, email, username, name, password_hash, email_verified_at, status, superadmin, \
    last_account, terms_version, terms_accepted_at, created_at, updated_at FROM users ORDER BY id DESC LIMIT $1";
const BEFORE: &str = "SELECT id, email, username, name, password_hash, email_verified_at, status, superadmin, \
    last_account, terms_version, terms_accepted_at, created_at, updated_at FROM users WHERE id < $1 \
    ORDER BY id DESC LIMIT $2";
const ANY_SUPERADMIN: &str = "SELECT id FROM users WHERE superadmin = 1 AND status = 'active' LIMIT 1";

pub(crate) const STATEMENTS: &[&str] =
    &[INSERT, BY_ID, BY_EMAIL, BY_USERNAME, LOCK, UPDATE, CHOOSE_ACCOUNT, REHASH, NEWEST, BEFORE, ANY_SUPERADMIN];

/// A person who signs in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub id: UserId,
    /// As the person wrote it.
    pub email: String,
    pub username: Option<String>,
    pub name: String,
    /// In PHC form. `None`: signs in by other means only.
    pub password_hash: Option<String>,
    pub email_verified_at: Option<Timestamp>,
    pub status: UserStatus,
    /// Operates the platform. Given by a command on the server, never by a request.
    pub superadmin: bool,
    /// The account chosen last.
    pub last_account: Option<AccountId>,
    pub terms: Option<AcceptedTerms>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptedTerms {
    pub version: String,
    pub at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserStatus {
    Active,
    /// Cannot sign in, and whatever is signed in can do nothing, until active again.
    Suspended,
    /// For ever.
    Deleted,
}

impl UserStatus {
    pub const ALL: [UserStatus; 3] = [UserStatus::Active, UserStatus::Suspended, UserStatus::Deleted];

    pub fn as_str(self) -> &'static str {
        match self {
            UserStatus::Active => "active",
            UserStatus::Suspended => "suspended",
            UserStatus::Deleted => "deleted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl User {
    fn key_of(&self, text: &str) -> Option<String> {
        (self.status != UserStatus::Deleted).then(|| key(text))
    }
}

/// What emails and usernames are compared by.
pub fn key(text: &str) -> String {
    text.to_lowercase()
}

/// False, and nothing is added, when the email or the username is taken.
pub fn insert(tx: &mut Tx<'_>, user: &User) -> Result<bool, StorageError> {
    let values: [Value; 14] = [
        user.id.into(),
        (&user.email).into(),
        user.key_of(&user.email).into(),
        user.username.as_ref().into(),
        user.username.as_deref().and_then(|name| user.key_of(name)).into(),
        (&user.name).into(),
        user.password_hash.as_ref().into(),
        user.email_verified_at.into(),
        user.status.as_str().into(),
        i64::from(user.superadmin).into(),
        user.last_account.into(),
        user.terms.as_ref().map(|terms| terms.version.as_str()).into(),
        user.terms.as_ref().map(|terms| terms.at).into(),
        user.created_at.into(),
    ];
    Ok(tx.execute(INSERT, &values)? == 1)
}

pub fn by_id(tx: &mut Tx<'_>, id: UserId) -> Result<Option<User>, StorageError> {
    tx.query_optional(BY_ID, &[id.into()])?.as_ref().map(decode).transpose()
}

/// However the address is written.
pub fn by_email(tx: &mut Tx<'_>, email: &str) -> Result<Option<User>, StorageError> {
    tx.query_optional(BY_EMAIL, &[key(email).into()])?.as_ref().map(decode).transpose()
}

pub fn by_username(tx: &mut Tx<'_>, username: &str) -> Result<Option<User>, StorageError> {
    tx.query_optional(BY_USERNAME, &[key(username).into()])?.as_ref().map(decode).transpose()
}

/// The user, held until the transaction ends: nobody else changes it meanwhile.
pub fn lock(tx: &mut Tx<'_>, id: UserId) -> Result<Option<User>, StorageError> {
    tx.query_optional(LOCK, &[id.into()])?.as_ref().map(decode).transpose()
}

/// Writes everything but the id, the chosen account and when it was made.
///
/// # Errors
/// [`StorageError::Taken`] when another user has the email or the username.
pub fn update(tx: &mut Tx<'_>, user: &User) -> Result<(), StorageError> {
    let values: [Value; 13] = [
        user.id.into(),
        (&user.email).into(),
        user.key_of(&user.email).into(),
        user.username.as_ref().into(),
        user.username.as_deref().and_then(|name| user.key_of(name)).into(),
        (&user.name).into(),
        user.password_hash.as_ref().into(),
        user.email_verified_at.into(),
        user.status.as_str().into(),
        i64::from(user.superadmin).into(),
        user.terms.as_ref().map(|terms| terms.version.as_str()).into(),
        user.terms.as_ref().map(|terms| terms.at).into(),
        user.updated_at.into(),
    ];
    tx.execute(UPDATE, &values)?;
    tx.note_people_changed();
    Ok(())
}

/// The account that the user acts for where a request names none.
pub fn choose_account(tx: &mut Tx<'_>, id: UserId, account: Option<AccountId>) -> Result<(), StorageError> {
    tx.execute(CHOOSE_ACCOUNT, &[id.into(), account.into()])?;
    tx.note_people_changed();
    Ok(())
}

/// Puts a hash by newer parameters in the place of the one that was just verified.
pub fn rehash(tx: &mut Tx<'_>, id: UserId, verified: &str, newer: &str) -> Result<(), StorageError> {
    tx.execute(REHASH, &[id.into(), verified.into(), newer.into()]).map(|_| ())
}

/// The newest first, from the one made before `before`.
pub fn list(tx: &mut Tx<'_>, before: Option<UserId>, limit: u32) -> Result<Vec<User>, StorageError> {
    let limit = Value::from(i64::from(limit));
    let rows = match before {
        None => tx.query(NEWEST, &[limit])?,
        Some(before) => tx.query(BEFORE, &[before.into(), limit])?,
    };
    rows.iter().map(decode).collect()
}

pub fn has_superadmin(tx: &mut Tx<'_>) -> Result<bool, StorageError> {
    Ok(tx.query_optional(ANY_SUPERADMIN, &[])?.is_some())
}

fn decode(row: &Row) -> Result<User, StorageError> {
    let terms = match (row.text_or_null("terms_version")?, row.time_or_null("terms_accepted_at")?) {
        (Some(version), Some(at)) => Some(AcceptedTerms { version: version.to_owned(), at }),
        _ => None,
    };
    Ok(User {
        id: row.parsed("id", UserId::parse)?,
        email: row.text("email")?.to_owned(),
        username: row.text_or_null("username")?.map(str::to_owned),
        name: row.text("name")?.to_owned(),
        password_hash: row.text_or_null("password_hash")?.map(str::to_owned),
        email_verified_at: row.time_or_null("email_verified_at")?,
        status: row.parsed("status", UserStatus::parse)?,
        superadmin: row.integer("superadmin")? != 0,
        last_account: row.parsed_or_null("last_account", AccountId::parse)?,
        terms,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
