//! Deletes mails from the outbox that were sent long ago. Those that failed or wait are kept.

use domain::time::MICROS_PER_DAY;
use storage::records::mails;
use storage::{StorageError, Tx};

use crate::{App, AppError};

/// Days that a sent mail stays in the outbox.
const KEPT_DAYS: i64 = 30;

pub(crate) async fn delete_old(app: &App) -> Result<(), AppError> {
    let before = app.now().minus_micros(KEPT_DAYS * MICROS_PER_DAY);
    let delete = move |tx: &mut Tx<'_>| mails::delete_sent(tx, before);
    while app.database.write::<_, StorageError, _>("delete_old_mails", delete).await? {}
    Ok(())
}
