//! Writes to the tables what the rows of idle accounts keep back on PostgreSQL, a thousand accounts at a time.

use domain::time::MICROS_PER_MINUTE;

use crate::{App, AppError};

/// An account is idle when nothing came for so long.
const IDLE_MICROS: i64 = 10 * MICROS_PER_MINUTE;

pub(super) async fn write_back_idle(app: &App) -> Result<(), AppError> {
    Ok(app.database.write_back_idle(app.now().minus_micros(IDLE_MICROS)).await?)
}
