//! Keeps the ledger's tables in shape: next months' partitions, and callers' keys that can no longer come again.

use storage::ledger::upkeep;
use storage::records::settings;
use storage::{StorageError, Tx};

use crate::{App, AppError};

/// The month up to which old keys were deleted.
const KEYS_DELETED_UP_TO: &str = "ledger_keys_deleted_up_to";

pub(super) async fn keep_ledger(app: &App) -> Result<(), AppError> {
    let now = app.now();
    let partition = move |tx: &mut Tx<'_>| {
        upkeep::make_partitions(tx, now)?;
        upkeep::drop_key_partitions(tx, now)
    };
    if app.database.write::<_, StorageError, _>("keep_ledger_partitions", partition).await? {
        return Ok(());
    }
    let oldest = upkeep::oldest_bucket(now).to_string();
    let read = |tx: &mut Tx<'_>| settings::get(tx, KEYS_DELETED_UP_TO);
    if app.database.read::<_, StorageError, _>("read_keys_deleted", read).await?.as_ref() == Some(&oldest) {
        return Ok(());
    }
    let mut after = Some(String::new());
    while let Some(slice) = after {
        let delete = move |tx: &mut Tx<'_>| upkeep::delete_old_keys(tx, &slice, now);
        after = app.database.write::<_, StorageError, _>("delete_old_keys", delete).await?;
    }
    let done = move |tx: &mut Tx<'_>| settings::put(tx, KEYS_DELETED_UP_TO, &oldest);
    app.database.write::<_, StorageError, _>("note_keys_deleted", done).await?;
    Ok(())
}
