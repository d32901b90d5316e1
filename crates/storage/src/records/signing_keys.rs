//! The keys that access tokens are signed with. The secret half is sealed with the server's encryption key.

use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO signing_keys (id, public_key, secret_key, created_at, signs_until, published_until) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const PUBLISHED: &str = "SELECT id, public_key, secret_key, created_at, signs_until, published_until \
    FROM signing_keys WHERE published_until > $1 ORDER BY created_at DESC, id";
const DELETE: &str = "DELETE FROM signing_keys WHERE published_until <= $1";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, PUBLISHED, DELETE];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SigningKey {
    /// The `kid` that tokens name it by.
    pub id: String,
    /// Ed25519, 32 bytes.
    pub public_key: [u8; 32],
    /// Sealed.
    pub secret_key: Vec<u8>,
    pub created_at: Timestamp,
    pub signs_until: Timestamp,
    /// Longer than any token that it signed is good for.
    pub published_until: Timestamp,
}

pub fn insert(tx: &mut Tx<'_>, key: &SigningKey) -> Result<(), StorageError> {
    let values: [Value; 6] = [
        (&key.id).into(),
        key.public_key.as_slice().into(),
        key.secret_key.as_slice().into(),
        key.created_at.into(),
        key.signs_until.into(),
        key.published_until.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// Those that tokens may be verified with, the newest first.
pub fn published(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<SigningKey>, StorageError> {
    tx.query(PUBLISHED, &[now.into()])?.iter().map(decode).collect()
}

pub fn delete_unpublished(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StorageError> {
    tx.execute(DELETE, &[now.into()])
}

fn decode(row: &Row) -> Result<SigningKey, StorageError> {
    let public_key = row.bytes("public_key")?.try_into();
    Ok(SigningKey {
        id: row.text("id")?.to_owned(),
        public_key: public_key.map_err(|_| StorageError::unexpected("a signing key is not 32 bytes"))?,
        secret_key: row.bytes("secret_key")?.to_vec(),
        created_at: row.time("created_at")?,
        signs_until: row.time("signs_until")?,
        published_until: row.time("published_until")?,
    })
}
