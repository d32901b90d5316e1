//! Who signs in by which provider: an issuer's subject is one user here.

use domain::ids::UserId;
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO identities (issuer, subject, user_id, provider, email, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const GET: &str = "SELECT issuer, subject, user_id, provider, email, created_at FROM identities \
    WHERE issuer = $1 AND subject = $2";
const OF_USER: &str = "SELECT issuer, subject, user_id, provider, email, created_at FROM identities \
    WHERE user_id = $1 ORDER BY created_at, issuer, subject";
const DELETE_OF_USER: &str = "DELETE FROM identities WHERE user_id = $1";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, GET, OF_USER, DELETE_OF_USER];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
    pub user: UserId,
    /// The provider's name in the configuration.
    pub provider: String,
    pub email: Option<String>,
    pub created_at: Timestamp,
}

/// False: the identity is somebody's already.
pub fn insert(tx: &mut Tx<'_>, identity: &Identity) -> Result<bool, StorageError> {
    let values: [Value; 6] = [
        (&identity.issuer).into(),
        (&identity.subject).into(),
        identity.user.into(),
        (&identity.provider).into(),
        identity.email.as_ref().into(),
        identity.created_at.into(),
    ];
    Ok(tx.execute(INSERT, &values)? == 1)
}

pub fn get(tx: &mut Tx<'_>, issuer: &str, subject: &str) -> Result<Option<Identity>, StorageError> {
    tx.query_optional(GET, &[issuer.into(), subject.into()])?.as_ref().map(decode).transpose()
}

pub fn of_user(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<Identity>, StorageError> {
    tx.query(OF_USER, &[user.into()])?.iter().map(decode).collect()
}

pub fn delete_of_user(tx: &mut Tx<'_>, user: UserId) -> Result<(), StorageError> {
    tx.execute(DELETE_OF_USER, &[user.into()]).map(|_| ())
}

fn decode(row: &Row) -> Result<Identity, StorageError> {
    Ok(Identity {
        issuer: row.text("issuer")?.to_owned(),
        subject: row.text("subject")?.to_owned(),
        user: row.parsed("user_id", UserId::parse)?,
        provider: row.text("provider")?.to_owned(),
        email: row.text_or_null("email")?.map(str::to_owned),
        created_at: row.time("created_at")?,
    })
}
