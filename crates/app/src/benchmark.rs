//! What the benchmark measures against: the way quotas are usually counted, and a way to fill the database.

use storage::{StorageError, Tx, benchmark};

use crate::{App, AppError};

/// Rows that one transaction adds while seeding.
const SLICE: i64 = 50_000;

/// Adds accounts `bench-<from>` up to `bench-<to>`.
pub async fn seed_accounts(app: &App, from: i64, to: i64) -> Result<(), AppError> {
    let now = app.now();
    let mut next = from;
    while next < to {
        let end = to.min(next + SLICE);
        let write = move |tx: &mut Tx<'_>| benchmark::seed_accounts(tx, next, end, now);
        app.database.write::<_, StorageError, _>("benchmark_seed_accounts", write).await?;
        next = end;
    }
    Ok(())
}

/// Adds events number `from` up to `to`, spread over so many accounts.
pub async fn seed_events(app: &App, from: i64, to: i64, accounts: i64) -> Result<(), AppError> {
    let mut next = from;
    while next < to {
        let end = to.min(next + SLICE);
        let write = move |tx: &mut Tx<'_>| benchmark::seed_events(tx, next, end, accounts);
        app.database.write::<_, StorageError, _>("benchmark_seed_events", write).await?;
        next = end;
    }
    Ok(())
}

/// Makes the checkpoint that what was seeded has made due.
pub async fn checkpoint(app: &App) -> Result<(), AppError> {
    app.database.write::<_, StorageError, _>("benchmark_checkpoint", benchmark::checkpoint).await?;
    Ok(())
}

pub async fn clear_counters(app: &App) -> Result<(), AppError> {
    app.database.write::<_, StorageError, _>("benchmark_clear", benchmark::clear_counters).await?;
    Ok(())
}

/// Reads a counter, compares, writes it: three steps, each by itself, as most code does it. Callers that read at the
/// same time pass the limit together. Returns whether the call was let through.
pub async fn read_compare_write(app: &App, account: String, limit: i64) -> Result<bool, AppError> {
    let name = account.clone();
    let read = move |tx: &mut Tx<'_>| benchmark::read_counter(tx, &name);
    let used = app.database.read::<_, StorageError, _>("benchmark_read", read).await?;
    if used >= limit {
        return Ok(false);
    }
    let write = move |tx: &mut Tx<'_>| benchmark::write_counter(tx, &account, used + 1);
    app.database.write::<_, StorageError, _>("benchmark_write", write).await?;
    Ok(true)
}
