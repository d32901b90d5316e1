//! Writes down when keys were last used: noted in memory by every call, written in bulk, at most once a minute a key.

use storage::Tx;
use storage::records::api_keys;

use crate::{App, AppError};

/// Keys written in one transaction, so that none takes long.
const TOGETHER: usize = 200;

pub(crate) async fn note_last_use(app: &App) -> Result<(), AppError> {
    let used = app.keys.take_used();
    for (place, slice) in used.chunks(TOGETHER).enumerate() {
        let values = slice.to_vec();
        let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> { Ok(api_keys::touch(tx, &values)?) };
        if let Err(error) = app.database.write("note_last_use_of_keys", write).await {
            app.keys.put_back_used(used[place * TOGETHER..].to_vec());
            return Err(error);
        }
    }
    Ok(())
}
