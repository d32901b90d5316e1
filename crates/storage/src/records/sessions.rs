//! Sessions: one a device, and the refresh tokens that keep it going. Secrets are kept as SHA-256 hashes.

use domain::ids::{AccountId, SessionId, UserId};
use domain::permissions::Role;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO sessions (id, user_id, visitor, cookie_hash, method, user_agent, address, created_at, \
    signed_in_at, last_seen_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8, $9)";
const BY_ID: &str = "SELECT id, user_id, visitor, method, user_agent, address, created_at, signed_in_at, last_seen_at, \
    expires_at, ended_at, ended_because FROM sessions WHERE id = $1";
const BY_COOKIE: &str = "SELECT id, user_id, visitor, method, user_agent, address, created_at, signed_in_at, \
    last_seen_at, expires_at, ended_at, ended_because FROM sessions WHERE cookie_hash = $1";
const OPEN_OF_USER: &str = "SELECT id, user_id, visitor, method, user_agent, address, created_at, signed_in_at, \
    last_seen_at, expires_at, ended_at, ended_because FROM sessions \
    WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 ORDER BY id DESC LIMIT 200";
const END: &str = "UPDATE sessions SET ended_at = $2, ended_because = $3 WHERE id = $1 AND ended_at IS NULL";
const END_OF_USER: &str = "UPDATE sessions SET ended_at = $2, ended_because = $3 \
    WHERE user_id = $1 AND ended_at IS NULL AND id <> $4 RETURNING id";
const SIGN_IN_AGAIN: &str = "UPDATE sessions SET signed_in_at = $2 WHERE id = $1 AND ended_at IS NULL";
const PROLONG: &str = "UPDATE sessions SET expires_at = $2, last_seen_at = $3, address = $4 WHERE id = $1";
const TOUCH: &str = "UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2";
const EXPIRED: &str = "SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2";
const DELETE: &str = "DELETE FROM sessions WHERE id = $1";

const INSERT_REFRESH: &str = "INSERT INTO refresh_tokens (hash, session_id, created_at) VALUES ($1, $2, $3)";
const REFRESH: &str = "SELECT session_id, used_at FROM refresh_tokens WHERE hash = $1";
const USE_REFRESH: &str = "UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1 AND used_at IS NULL";
const DELETE_REFRESH: &str = "DELETE FROM refresh_tokens WHERE session_id = $1";

pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    BY_ID,
    BY_COOKIE,
    OPEN_OF_USER,
    END,
    END_OF_USER,
    SIGN_IN_AGAIN,
    PROLONG,
    TOUCH,
    EXPIRED,
    DELETE,
    INSERT_REFRESH,
    REFRESH,
    USE_REFRESH,
    DELETE_REFRESH,
];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    pub id: SessionId,
    pub who: SessionOf,
    /// How it was begun: `password`, `oidc:google`, `hand_off`, ….
    pub method: String,
    pub user_agent: String,
    pub address: String,
    pub created_at: Timestamp,
    /// When whoever it is last proved it; sensitive changes ask for a recent one.
    pub signed_in_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub ended_because: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionOf {
    User(UserId),
    /// Somebody whom the app itself has signed in.
    Visitor(Visitor),
}

/// Somebody whom the app itself has signed in, acting for one account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Visitor {
    #[serde(with = "as_text")]
    pub account: AccountId,
    #[serde(with = "as_text")]
    pub role: Role,
    /// What the app calls the person; limits for each member go by it.
    pub member: Option<String>,
}

impl Session {
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && self.expires_at > now
    }
}

/// `cookie_hash`: for pages; sessions of API clients have none.
pub fn insert(tx: &mut Tx<'_>, session: &Session, cookie_hash: Option<[u8; 32]>) -> Result<(), StorageError> {
    let (user, visitor) = match &session.who {
        SessionOf::User(user) => (Some(*user), None),
        SessionOf::Visitor(visitor) => (None, Some(serde_json::to_string(visitor).map_err(StorageError::unexpected)?)),
    };
    let values: [Value; 9] = [
        session.id.into(),
        user.into(),
        visitor.into(),
        cookie_hash.as_ref().map(|hash| hash.as_slice()).into(),
        (&session.method).into(),
        (&session.user_agent).into(),
        (&session.address).into(),
        session.created_at.into(),
        session.expires_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// Ended and expired ones are found too.
pub fn by_id(tx: &mut Tx<'_>, id: SessionId) -> Result<Option<Session>, StorageError> {
    tx.query_optional(BY_ID, &[id.into()])?.as_ref().map(decode).transpose()
}

/// Ended and expired ones are found too.
pub fn by_cookie(tx: &mut Tx<'_>, hash: &[u8; 32]) -> Result<Option<Session>, StorageError> {
    tx.query_optional(BY_COOKIE, &[hash.as_slice().into()])?.as_ref().map(decode).transpose()
}

/// The open sessions of a user, the newest first; at most 200.
pub fn of_user(tx: &mut Tx<'_>, user: UserId, now: Timestamp) -> Result<Vec<Session>, StorageError> {
    tx.query(OPEN_OF_USER, &[user.into(), now.into()])?.iter().map(decode).collect()
}

/// False: it was ended before, or there is none.
pub fn end(tx: &mut Tx<'_>, id: SessionId, now: Timestamp, because: &'static str) -> Result<bool, StorageError> {
    let ended = tx.execute(END, &[id.into(), now.into(), because.into()])? == 1;
    tx.note_session_changed(id);
    Ok(ended)
}

/// Ends all sessions of a user but `kept`; how many.
pub fn end_of_user(
    tx: &mut Tx<'_>,
    user: UserId,
    kept: Option<SessionId>,
    now: Timestamp,
    because: &'static str,
) -> Result<usize, StorageError> {
    let kept = kept.map_or_else(String::new, |id| id.to_string());
    let ended = tx.query(END_OF_USER, &[user.into(), now.into(), because.into(), kept.into()])?;
    for row in &ended {
        let id = row.parsed("id", SessionId::parse)?;
        tx.note_session_changed(id);
    }
    Ok(ended.len())
}

/// Whoever it is has just proved it again.
pub fn sign_in_again(tx: &mut Tx<'_>, id: SessionId, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(SIGN_IN_AGAIN, &[id.into(), now.into()])?;
    tx.note_session_changed(id);
    Ok(())
}

/// A refresh keeps a session open for longer.
pub fn prolong(
    tx: &mut Tx<'_>,
    id: SessionId,
    until: Timestamp,
    now: Timestamp,
    address: &str,
) -> Result<(), StorageError> {
    tx.execute(PROLONG, &[id.into(), until.into(), now.into(), address.into()])?;
    tx.note_session_changed(id);
    Ok(())
}

/// Notes when sessions were last seen. `seen` is in the order of ids, so that two nodes never wait for each other's rows.
pub fn touch(tx: &mut Tx<'_>, seen: &[(SessionId, Timestamp)]) -> Result<(), StorageError> {
    for (id, at) in seen {
        tx.execute(TOUCH, &[(*id).into(), (*at).into()])?;
    }
    Ok(())
}

/// Deletes at most `limit` sessions that were over before this time, with their refresh tokens; how many.
pub fn delete_expired(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<usize, StorageError> {
    let expired = tx.query(EXPIRED, &[before.into(), i64::from(limit).into()])?;
    for row in &expired {
        let id: Value = row.text("id")?.into();
        tx.execute(DELETE_REFRESH, std::slice::from_ref(&id))?;
        tx.execute(DELETE, &[id])?;
    }
    Ok(expired.len())
}

pub fn insert_refresh_token(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
    session: SessionId,
    now: Timestamp,
) -> Result<(), StorageError> {
    tx.execute(INSERT_REFRESH, &[hash.as_slice().into(), session.into(), now.into()]).map(|_| ())
}

/// What became of a refresh token that somebody came with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefreshUse {
    Unknown,
    First(SessionId),
    /// It was used before: somebody has a copy.
    Again(SessionId),
}

/// Uses a refresh token. Of two who come with the same at once, one is the first.
pub fn use_refresh_token(tx: &mut Tx<'_>, hash: &[u8; 32], now: Timestamp) -> Result<RefreshUse, StorageError> {
    let Some(row) = tx.query_optional(REFRESH, &[hash.as_slice().into()])? else { return Ok(RefreshUse::Unknown) };
    let session = row.parsed("session_id", SessionId::parse)?;
    match tx.execute(USE_REFRESH, &[hash.as_slice().into(), now.into()])? {
        1 => Ok(RefreshUse::First(session)),
        _ => Ok(RefreshUse::Again(session)),
    }
}

fn decode(row: &Row) -> Result<Session, StorageError> {
    let user = row.parsed_or_null("user_id", UserId::parse)?;
    let who = match (user, row.text_or_null("visitor")?) {
        (Some(user), None) => SessionOf::User(user),
        (None, Some(visitor)) => SessionOf::Visitor(serde_json::from_str(visitor).map_err(StorageError::unexpected)?),
        _ => return Err(StorageError::unexpected("a session is of neither a user nor a visitor")),
    };
    Ok(Session {
        id: row.parsed("id", SessionId::parse)?,
        who,
        method: row.text("method")?.to_owned(),
        user_agent: row.text("user_agent")?.to_owned(),
        address: row.text("address")?.to_owned(),
        created_at: row.time("created_at")?,
        signed_in_at: row.time("signed_in_at")?,
        last_seen_at: row.time("last_seen_at")?,
        expires_at: row.time("expires_at")?,
        ended_at: row.time_or_null("ended_at")?,
        ended_because: row.text_or_null("ended_because")?.map(str::to_owned),
    })
}

/// Ids and roles in JSON, as the text they are known by.
mod as_text {
    use std::fmt::Display;

    use domain::ids::AccountId;
    use domain::permissions::Role;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub trait Parsed: Sized {
        fn parsed(text: &str) -> Option<Self>;
    }

    impl Parsed for AccountId {
        fn parsed(text: &str) -> Option<Self> {
            AccountId::parse(text)
        }
    }

    impl Parsed for Role {
        fn parsed(text: &str) -> Option<Self> {
            Role::parse(text)
        }
    }

    pub fn serialize<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T: Parsed, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::parsed(&text).ok_or_else(|| D::Error::custom(format!("{text:?} cannot be read")))
    }
}
