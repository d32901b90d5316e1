//! What can go wrong in a database, by what a caller can do about it.

/// Answered by every transaction.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Too much is waiting. Nothing was done; try again in a moment.
    #[error("the database has more work waiting than it takes on")]
    Busy,
    /// The database cannot be reached or cannot write (a full disk). Nothing was done.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection was lost while a commit was under way, and no answer could be had in time.
    #[error("it is not known whether the last change was made")]
    OutcomeUnknown,
    /// A unique value exists already.
    #[error("{0} is taken")]
    Taken(String),
    /// Another process owns the file.
    #[error(
        "{path} is in use by another Tollway process. A SQLite file has one owner: stop the other process, or use PostgreSQL to run several"
    )]
    Owned { path: String },
    /// A statement or a row is not what this build expects: a defect, or a database changed by hand.
    #[error("{0}")]
    Unexpected(String),
    #[error(
        "the database was made by a newer Tollway (schema {found}, this build knows {known}); install that version or restore a backup"
    )]
    NewerSchema { found: i64, known: i64 },
}

impl StorageError {
    /// A defect, or a database changed by hand.
    pub fn unexpected(what: impl std::fmt::Display) -> Self {
        Self::Unexpected(what.to_string())
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => match unique_column(&error.to_string()) {
                Some(column) => Self::Taken(column),
                None => Self::unexpected(error),
            },
            Some(ErrorCode::DiskFull) => {
                Self::Unavailable("the disk is full; free some space, the server goes on by itself".into())
            }
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory,
            ) => Self::Unavailable(error.to_string()),
            _ => Self::unexpected(error),
        }
    }
}

/// `UNIQUE constraint failed: accounts.external_id` names `accounts.external_id`.
fn unique_column(message: &str) -> Option<String> {
    let (_, columns) = message.split_once("UNIQUE constraint failed: ")?;
    Some(columns.split(',').next_back()?.trim().to_owned())
}

impl From<tokio_postgres::Error> for StorageError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else {
            return Self::Unavailable(with_cause(&error));
        };
        match told.code().code() {
            "23505" => Self::Taken(told.constraint().unwrap_or("a unique value").to_owned()),
            // Cancelled, shutting down, out of connections, disk full, read only, deadlock, serialization, a lock not had in time.
            code if code.starts_with("57") || code.starts_with("53") || code.starts_with("08") => {
                Self::Unavailable(told.message().to_owned())
            }
            "25006" | "40001" | "40P01" | "55P03" => Self::Unavailable(told.message().to_owned()),
            _ => Self::Unexpected(format!("{} ({})", told.message(), told.code().code())),
        }
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl From<deadpool_postgres::PoolError> for StorageError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Timeout(_) => Self::Busy,
            deadpool_postgres::PoolError::Backend(error) => error.into(),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
