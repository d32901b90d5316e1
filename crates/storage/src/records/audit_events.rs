//! Who did what, when and from where: written in the transaction that did it, never changed.

use domain::ids::{AccountId, AuditEventId};
use domain::time::Timestamp;
use serde_json::Value as Json;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO audit_events (id, account_id, actor, action, resource, metadata, address, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const OF_ACCOUNT: &str = "SELECT id, account_id, actor, action, resource, metadata, address, created_at \
    FROM audit_events WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const OF_ACCOUNT_AND_ACTION: &str = "SELECT id, account_id, actor, action, resource, metadata, address, created_at \
    FROM audit_events WHERE account_id = $1 AND id < $2 AND action = $4 ORDER BY id DESC LIMIT $3";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, OF_ACCOUNT, OF_ACCOUNT_AND_ACTION];

/// Comes after every id.
const BEHIND_ALL: &str = "aud_~";

#[derive(Clone, PartialEq, Debug)]
pub struct AuditEvent {
    pub id: AuditEventId,
    pub account: Option<AccountId>,
    /// A user's, key's or account's id, or `server`.
    pub actor: String,
    /// Such as `user.signed_in`.
    pub action: String,
    /// The id of what was acted on.
    pub resource: String,
    pub metadata: Json,
    pub address: Option<String>,
    pub created_at: Timestamp,
}

pub fn insert(tx: &mut Tx<'_>, event: &AuditEvent) -> Result<(), StorageError> {
    let values: [Value; 8] = [
        event.id.into(),
        event.account.into(),
        (&event.actor).into(),
        (&event.action).into(),
        (&event.resource).into(),
        event.metadata.to_string().into(),
        event.address.as_ref().into(),
        event.created_at.into(),
    ];
    tx.execute(INSERT, &values).map(|_| ())
}

/// The newest first, from the one made before `before`; only those of an action, where one is named.
pub fn of_account(
    tx: &mut Tx<'_>,
    account: AccountId,
    action: Option<&str>,
    before: Option<AuditEventId>,
    limit: u32,
) -> Result<Vec<AuditEvent>, StorageError> {
    let before = before.map_or_else(|| BEHIND_ALL.into(), Value::from);
    let mut values: Vec<Value> = vec![account.into(), before, i64::from(limit).into()];
    let rows = match action {
        None => tx.query(OF_ACCOUNT, &values)?,
        Some(action) => {
            values.push(action.into());
            tx.query(OF_ACCOUNT_AND_ACTION, &values)?
        }
    };
    rows.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<AuditEvent, StorageError> {
    Ok(AuditEvent {
        id: row.parsed("id", AuditEventId::parse)?,
        account: row.parsed_or_null("account_id", AccountId::parse)?,
        actor: row.text("actor")?.to_owned(),
        action: row.text("action")?.to_owned(),
        resource: row.text("resource")?.to_owned(),
        metadata: row.json("metadata")?,
        address: row.text_or_null("address")?.map(str::to_owned),
        created_at: row.time("created_at")?,
    })
}
