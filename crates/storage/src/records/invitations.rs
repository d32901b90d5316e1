//! Invitations: who was asked to join which account, as what, and what came of it.
//!
//! An account has one open invitation an address at most. The secret in its link is kept as a hash, and a new link takes
//! the place of the one before.

use domain::ids::{AccountId, InvitationId};
use domain::permissions::Role;
use domain::time::Timestamp;

use super::users::key;
use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO invitations (id, account_id, email, email_key, role, token_hash, invited_by, state, \
    created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', $8, $9)";
const RENEW: &str = "UPDATE invitations SET email = $2, role = $3, token_hash = $4, invited_by = $5, expires_at = $6 \
    WHERE id = $1 AND state = 'open'";
const BY_ID: &str = "SELECT id, account_id, email, role, invited_by, state, created_at, expires_at, settled_at \
    FROM invitations WHERE account_id = $1 AND id = $2";
const BY_TOKEN: &str = "SELECT id, account_id, email, role, invited_by, state, created_at, expires_at, settled_at \
    FROM invitations WHERE token_hash = $1 AND state = 'open' AND expires_at > $2";
const OPEN_TO: &str = "SELECT id, account_id, email, role, invited_by, state, created_at, expires_at, settled_at \
    FROM invitations WHERE account_id = $1 AND email_key = $2 AND state = 'open'";
const OPEN_PAGE: &str = "SELECT id, account_id, email, role, invited_by, state, created_at, expires_at, settled_at \
    FROM invitations WHERE account_id = $1 AND state = 'open' AND expires_at > $4 AND id < $2 \
    ORDER BY id DESC LIMIT $3";
const SETTLED_PAGE: &str = "SELECT id, account_id, email, role, invited_by, state, created_at, expires_at, settled_at \
    FROM invitations WHERE account_id = $1 AND (state <> 'open' OR expires_at <= $4) AND id < $2 \
    ORDER BY id DESC LIMIT $3";
const COUNT_OPEN: &str = "SELECT COUNT(*) AS invitations FROM invitations \
    WHERE account_id = $1 AND state = 'open' AND expires_at > $2";
const SETTLE: &str = "UPDATE invitations SET state = $2, settled_at = $3 WHERE id = $1 AND state = 'open'";
const WITHDRAW_ALL: &str = "UPDATE invitations SET state = 'withdrawn', settled_at = $2 \
    WHERE account_id = $1 AND state = 'open'";
const OVER: &str = "SELECT id, account_id, email, role, invited_by, state, created_at, expires_at, settled_at \
    FROM invitations WHERE state = 'open' AND expires_at <= $1 ORDER BY account_id, email_key LIMIT $2";
/// Only while it is over: it may have been renewed meanwhile.
const EXPIRE: &str = "UPDATE invitations SET state = 'expired', settled_at = expires_at \
    WHERE id = $1 AND state = 'open' AND expires_at <= $2";

pub(crate) const STATEMENTS: &[&str] =
    &[INSERT, RENEW, BY_ID, BY_TOKEN, OPEN_TO, OPEN_PAGE, SETTLED_PAGE, COUNT_OPEN, SETTLE, WITHDRAW_ALL, OVER, EXPIRE];

/// Comes after every id.
const BEHIND_ALL: &str = "ivt_~";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    pub id: InvitationId,
    pub account: AccountId,
    /// As the inviter wrote it.
    pub email: String,
    pub role: Role,
    /// The id of the user or key that invited.
    pub invited_by: String,
    pub state: InvitationState,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// When it was accepted, withdrawn, or over.
    pub settled_at: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvitationState {
    Open,
    Accepted,
    Withdrawn,
    Expired,
}

impl InvitationState {
    pub const ALL: [InvitationState; 4] =
        [InvitationState::Open, InvitationState::Accepted, InvitationState::Withdrawn, InvitationState::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            InvitationState::Open => "open",
            InvitationState::Accepted => "accepted",
            InvitationState::Withdrawn => "withdrawn",
            InvitationState::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl Invitation {
    /// Open and not over, whatever its row says still.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == InvitationState::Open && self.expires_at > now
    }
}

/// Adds an open invitation.
///
/// # Errors
/// [`StorageError::Taken`] when the account has an open one to this address.
pub fn insert(tx: &mut Tx<'_>, invitation: &Invitation, token_hash: &[u8; 32]) -> Result<(), StorageError> {
    let values: [Value; 9] = [
        invitation.id.into(),
        invitation.account.into(),
        (&invitation.email).into(),
        key(&invitation.email).into(),
        invitation.role.as_str().into(),
        token_hash.as_slice().into(),
        (&invitation.invited_by).into(),
        invitation.created_at.into(),
        invitation.expires_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// Gives an open invitation a new link, and what else was said this time. The link before opens nothing any more.
pub fn renew(tx: &mut Tx<'_>, invitation: &Invitation, token_hash: &[u8; 32]) -> Result<(), StorageError> {
    let values: [Value; 6] = [
        invitation.id.into(),
        (&invitation.email).into(),
        invitation.role.as_str().into(),
        token_hash.as_slice().into(),
        (&invitation.invited_by).into(),
        invitation.expires_at.into(),
    ];
    tx.execute(RENEW, &values).map(|_| ())
}

pub fn by_id(tx: &mut Tx<'_>, account: AccountId, id: InvitationId) -> Result<Option<Invitation>, StorageError> {
    tx.query_optional(BY_ID, &[account.into(), id.into()])?.as_ref().map(decode).transpose()
}

/// The open invitation that a link belongs to.
pub fn by_token(tx: &mut Tx<'_>, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<Invitation>, StorageError> {
    tx.query_optional(BY_TOKEN, &[token_hash.as_slice().into(), now.into()])?.as_ref().map(decode).transpose()
}

/// The open invitation to an address, however that is written. It may be over.
pub fn open_to(tx: &mut Tx<'_>, account: AccountId, email: &str) -> Result<Option<Invitation>, StorageError> {
    tx.query_optional(OPEN_TO, &[account.into(), key(email).into()])?.as_ref().map(decode).transpose()
}

/// Open ones, or those that are settled or over; the newest first, from the one made before `before`.
pub fn list(
    tx: &mut Tx<'_>,
    account: AccountId,
    (open, now): (bool, Timestamp),
    before: Option<InvitationId>,
    limit: u32,
) -> Result<Vec<Invitation>, StorageError> {
    let before = before.map_or_else(|| BEHIND_ALL.into(), Value::from);
    let statement = if open { OPEN_PAGE } else { SETTLED_PAGE };
    tx.query(statement, &[account.into(), before, i64::from(limit).into(), now.into()])?.iter().map(decode).collect()
}

/// Open ones that are not over.
pub fn count_open(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<i64, StorageError> {
    tx.query_optional(COUNT_OPEN, &[account.into(), now.into()])?.map_or(Ok(0), |row| row.integer("invitations"))
}

/// False: it was not open any more.
pub fn settle(tx: &mut Tx<'_>, id: InvitationId, state: InvitationState, now: Timestamp) -> Result<bool, StorageError> {
    Ok(tx.execute(SETTLE, &[id.into(), state.as_str().into(), now.into()])? == 1)
}

pub fn withdraw_all(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<(), StorageError> {
    tx.execute(WITHDRAW_ALL, &[account.into(), now.into()]).map(|_| ())
}

/// Whether there are open ones that are over.
pub fn any_over(tx: &mut Tx<'_>, now: Timestamp) -> Result<bool, StorageError> {
    Ok(tx.query_optional(OVER, &[now.into(), 1.into()])?.is_some())
}

/// Marks at most `limit` open invitations that are over, and answers their accounts, each once.
pub fn expire(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, StorageError> {
    let over = tx.query(OVER, &[now.into(), i64::from(limit).into()])?;
    let mut accounts = Vec::new();
    for invitation in over.iter().map(decode) {
        let invitation = invitation?;
        tx.execute(EXPIRE, &[invitation.id.into(), now.into()])?;
        accounts.push(invitation.account);
    }
    accounts.dedup();
    Ok(accounts)
}

fn decode(row: &Row) -> Result<Invitation, StorageError> {
    Ok(Invitation {
        id: row.parsed("id", InvitationId::parse)?,
        account: row.parsed("account_id", AccountId::parse)?,
        email: row.text("email")?.to_owned(),
        role: row.parsed("role", Role::parse)?,
        invited_by: row.text_or_null("invited_by")?.unwrap_or_default().to_owned(),
        state: row.parsed("state", InvitationState::parse)?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        settled_at: row.time_or_null("settled_at")?,
    })
}
