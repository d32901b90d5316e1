//! API keys. The secret itself is never stored, only its SHA-256 hash and the prefix that people know it by.

use domain::ids::{AccountId, KeyId};
use domain::name::Name;
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO api_keys (id, account_id, kind, name, prefix, hash, scopes, member, created_at, \
    expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const BY_HASH: &str = "SELECT id, account_id, kind, name, prefix, hash, scopes, member, created_at, expires_at, \
    last_used_at, revoked_at FROM api_keys WHERE hash = $1";
const BY_ID: &str = "SELECT id, account_id, kind, name, prefix, hash, scopes, member, created_at, expires_at, \
    last_used_at, revoked_at FROM api_keys WHERE id = $1";
const OF_ACCOUNT: &str = "SELECT id, account_id, kind, name, prefix, hash, scopes, member, created_at, expires_at, \
    last_used_at, revoked_at FROM api_keys WHERE account_id = $1 ORDER BY id DESC LIMIT $2";
const OF_SERVICE: &str = "SELECT id, account_id, kind, name, prefix, hash, scopes, member, created_at, expires_at, \
    last_used_at, revoked_at FROM api_keys WHERE account_id IS NULL ORDER BY id DESC LIMIT $1";
const COUNT_OF_ACCOUNT: &str = "SELECT COUNT(*) AS keys FROM api_keys WHERE account_id = $1 AND revoked_at IS NULL";
const REVOKE: &str = "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
const REVOKE_OF_ACCOUNT: &str = "UPDATE api_keys SET revoked_at = $2 WHERE account_id = $1 AND revoked_at IS NULL";
const REVOKE_OF_MEMBER: &str =
    "UPDATE api_keys SET revoked_at = $3 WHERE account_id = $1 AND member = $2 AND revoked_at IS NULL";
const TOUCH: &str =
    "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";

const ANY_SERVICE_KEY: &str = "SELECT id FROM api_keys WHERE kind = 'service' AND revoked_at IS NULL LIMIT 1";

pub(crate) const STATEMENTS: &[&str] = &[
    ANY_SERVICE_KEY,
    INSERT,
    BY_HASH,
    BY_ID,
    OF_ACCOUNT,
    OF_SERVICE,
    COUNT_OF_ACCOUNT,
    REVOKE,
    REVOKE_OF_ACCOUNT,
    REVOKE_OF_MEMBER,
    TOUCH,
];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    pub id: KeyId,
    pub owner: KeyOwner,
    /// What people call it.
    pub name: String,
    /// The first characters of the secret, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the whole secret.
    pub hash: [u8; 32],
    /// Empty: everything its kind may do.
    pub scopes: Vec<Name>,
    /// The member of the account that it acts for; limits for each member go by it.
    pub member: Option<Name>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// Whom a key acts for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyOwner {
    /// The platform's own backend.
    Service,
    Account(AccountId),
}

impl KeyOwner {
    fn kind(self) -> &'static str {
        match self {
            KeyOwner::Service => "service",
            KeyOwner::Account(_) => "account",
        }
    }

    fn account(self) -> Option<AccountId> {
        match self {
            KeyOwner::Service => None,
            KeyOwner::Account(account) => Some(account),
        }
    }
}

pub fn insert(tx: &mut Tx<'_>, key: &ApiKey) -> Result<(), StorageError> {
    let scopes = serde_json::to_string(&key.scopes).map_err(StorageError::unexpected)?;
    let values: [Value; 10] = [
        key.id.into(),
        key.owner.account().into(),
        key.owner.kind().into(),
        (&key.name).into(),
        (&key.prefix).into(),
        key.hash.as_slice().into(),
        scopes.into(),
        key.member.as_ref().map(Name::as_str).into(),
        key.created_at.into(),
        key.expires_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// Expired and revoked keys are found too.
pub fn by_hash(tx: &mut Tx<'_>, hash: &[u8; 32]) -> Result<Option<ApiKey>, StorageError> {
    tx.query_optional(BY_HASH, &[hash.as_slice().into()])?.as_ref().map(decode).transpose()
}

pub fn by_id(tx: &mut Tx<'_>, id: KeyId) -> Result<Option<ApiKey>, StorageError> {
    tx.query_optional(BY_ID, &[id.into()])?.as_ref().map(decode).transpose()
}

/// The newest first, revoked ones included.
pub fn list(tx: &mut Tx<'_>, owner: KeyOwner, limit: u32) -> Result<Vec<ApiKey>, StorageError> {
    let limit = Value::from(i64::from(limit));
    let rows = match owner {
        KeyOwner::Account(account) => tx.query(OF_ACCOUNT, &[account.into(), limit])?,
        KeyOwner::Service => tx.query(OF_SERVICE, &[limit])?,
    };
    rows.iter().map(decode).collect()
}

/// How many keys of an account are not revoked.
pub fn count(tx: &mut Tx<'_>, account: AccountId) -> Result<i64, StorageError> {
    tx.query_optional(COUNT_OF_ACCOUNT, &[account.into()])?.map_or(Ok(0), |row| row.integer("keys"))
}

/// Whether the platform's backend has any key that is good.
pub fn has_service_key(tx: &mut Tx<'_>) -> Result<bool, StorageError> {
    Ok(tx.query_optional(ANY_SERVICE_KEY, &[])?.is_some())
}

/// False: it was revoked before, or there is no such key.
pub fn revoke(tx: &mut Tx<'_>, id: KeyId, now: Timestamp) -> Result<bool, StorageError> {
    let revoked = tx.execute(REVOKE, &[id.into(), now.into()])? == 1;
    if revoked {
        tx.note_keys_changed();
    }
    Ok(revoked)
}

pub fn revoke_of_account(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(REVOKE_OF_ACCOUNT, &[account.into(), now.into()])?;
    tx.note_keys_changed();
    Ok(())
}

/// The keys that act for one member of an account.
pub fn revoke_of_member(tx: &mut Tx<'_>, account: AccountId, member: &str, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(REVOKE_OF_MEMBER, &[account.into(), member.into(), now.into()])?;
    tx.note_keys_changed();
    Ok(())
}

/// Notes when keys were last used; an earlier time than the one noted changes nothing. `used` is in the order of ids,
/// so that two nodes never wait for each other's rows.
pub fn touch(tx: &mut Tx<'_>, used: &[(KeyId, Timestamp)]) -> Result<(), StorageError> {
    for (id, at) in used {
        tx.execute(TOUCH, &[(*id).into(), (*at).into()])?;
    }
    Ok(())
}

fn decode(row: &Row) -> Result<ApiKey, StorageError> {
    let account = row.parsed_or_null("account_id", AccountId::parse)?;
    let owner = match (row.text("kind")?, account) {
        ("service", None) => KeyOwner::Service,
        ("account", Some(account)) => KeyOwner::Account(account),
        (kind, _) => {
            return Err(StorageError::Unexpected(format!("a key is of the kind {kind:?} and its owner does not fit")));
        }
    };
    let hash = row.bytes("hash")?;
    Ok(ApiKey {
        id: row.parsed("id", KeyId::parse)?,
        owner,
        name: row.text("name")?.to_owned(),
        prefix: row.text("prefix")?.to_owned(),
        hash: hash.try_into().map_err(|_| StorageError::unexpected("a key's hash is not 32 bytes"))?,
        scopes: row.json("scopes")?,
        member: row.text_or_null("member")?.map(Name::new),
        created_at: row.time("created_at")?,
        expires_at: row.time_or_null("expires_at")?,
        last_used_at: row.time_or_null("last_used_at")?,
        revoked_at: row.time_or_null("revoked_at")?,
    })
}
