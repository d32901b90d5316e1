//! Looking for the callers' keys of a batch on PostgreSQL.

use deadpool_postgres::Object;
use domain::ids::AccountId;
use domain::time::Timestamp;

use super::batch::Batch;
use super::postgres::BatchError;
use super::postgres_loading::query;
use super::{Request, key_bucket, known_key};
use crate::StorageError;
use crate::value::Row;

const SELECT_KEYS: &str = "SELECT k.account_id, k.key_hash, k.content_hash, k.event_id FROM \
    unnest($1::text[], $2::bytea[]) AS w (account_id, key_hash) JOIN ledger_keys k \
    ON k.account_id = w.account_id AND k.key_hash = w.key_hash AND k.bucket BETWEEN $3 AND $4";

pub(crate) const STATEMENTS: &[&str] = &[SELECT_KEYS];

/// The rows of those keys that were used before, in the months that may still hold them.
pub(super) async fn select_keys(
    client: &Object,
    requests: &[&Request],
    now: Timestamp,
) -> Result<Vec<Row>, BatchError> {
    let keyed = requests.iter().filter_map(|request| request.key.map(|key| (request.command.event.account, key)));
    let (accounts, hashes): (Vec<_>, Vec<_>) =
        keyed.map(|(account, key)| (account.to_string(), key.hash.to_vec())).unzip();
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let statement = client.prepare_cached(SELECT_KEYS).await?;
    let bucket = key_bucket(now);
    query(client, &statement, &[&accounts, &hashes, &(bucket - 2), &(bucket + 1)]).await
}

pub(super) fn load_keys(batch: &mut Batch, found: &[Row]) -> Result<(), StorageError> {
    for row in found {
        let account = row.parsed("account_id", AccountId::parse)?;
        let hash =
            row.bytes("key_hash")?.try_into().map_err(|_| StorageError::unexpected("a key hash is not 16 bytes"))?;
        batch.keys.insert((account, hash), known_key(account, row.bytes("content_hash")?, row.text("event_id")?)?);
    }
    Ok(())
}
