//! Moves the clock of a development server forward. Kept in the database, so that a restart goes on from there.

use domain::time::{MICROS_PER_SECOND, Timestamp};
use storage::records::settings;
use storage::{StorageError, Tx};

use crate::{App, AppError, Caller};

/// Where to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    BySeconds(u64),
    To(Timestamp),
}

/// Moves the clock, and answers the time it then is. Everything that goes by time follows.
///
/// # Errors
/// [`AppError::Invalid`] for a time that is past already, or past the end of year 9999.
pub async fn move_clock(app: &App, caller: &Caller, to: Move) -> Result<Timestamp, AppError> {
    caller.must_operate()?;
    let now = app.now();
    let (field, ahead) = match to {
        Move::BySeconds(seconds) => {
            ("advance_seconds", i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(MICROS_PER_SECOND))
        }
        Move::To(time) => ("now", time.since(now)),
    };
    if ahead < 0 {
        return Err(AppError::invalid(field, format!("The clock goes forward only, and it is {now} already.")));
    }
    if ahead >= Timestamp::MAX.since(now) {
        return Err(AppError::invalid(field, "The clock ends with the year 9999."));
    }
    let offset = app.clock().offset_micros() + ahead;
    let write = move |tx: &mut Tx<'_>| -> Result<(), StorageError> {
        let kept = settings::lock(tx, settings::CLOCK_OFFSET, "0")?;
        let furthest = kept.parse::<i64>().unwrap_or(0).max(offset);
        settings::put(tx, settings::CLOCK_OFFSET, &furthest.to_string())
    };
    app.database.write::<_, StorageError, _>("move_clock", write).await?;
    app.clock().set_offset_micros(offset);
    if let Some(follow) = &app.clock_moved {
        follow(app.now());
    }
    // What is due by the new time is begun now.
    app.jobs_added.send_replace(());
    Ok(app.now())
}
