//! The server engine: a pool of connections for the cold paths and the ledger's lanes.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use parking_lot::Mutex;
use tokio_postgres::NoTls;

use crate::ledger::journal::{Hold, Journal};
use crate::ledger::postgres_journal;
use crate::ledger::solitude::NAME_PREFIX;
use crate::tx::{Changed, Engine, Tx};
use crate::{Entropy, StorageError};

/// How often a transaction that failed on a serialization failure, a deadlock or a lost connection is run again.
const ATTEMPTS: usize = 5;

pub(crate) struct Postgres {
    pub pool: Pool,
    /// What this process is called among the server's connections; no other is called so.
    pub name: Arc<str>,
    /// The account up to which idle accounts were written back.
    pub written_back: Mutex<String>,
    pub journal: Arc<Journal>,
}

/// What a transaction leaves beside its value.
#[derive(Default)]
pub(crate) struct Left {
    pub changed: Changed,
    /// Dropped when the change has been told.
    pub holds: Vec<Hold>,
}

/// Whether and how a transaction is run again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    No,
    Yes,
    /// After the ledger's journal has been ended.
    Unfenced,
}

impl Postgres {
    /// Connects lazily: a database that is down is found by the first statement.
    pub fn open(url: &str, connections: usize, journal: Arc<Journal>) -> Result<Self, StorageError> {
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|error| StorageError::Unavailable(format!("the database URL cannot be read: {error}")))?;
        let name = format!("{NAME_PREFIX}{:016x}", Entropy::system().bits() as u64);
        config.application_name(&name);
        config.connect_timeout(Duration::from_secs(5));
        // A request that left does not stop its statement; the server does.
        config.options("-c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000");
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(Duration::from_secs(5)))
            .create_timeout(Some(Duration::from_secs(5)))
            .build()
            .map_err(StorageError::unexpected)?;
        Ok(Self { pool, name: name.into(), written_back: Mutex::default(), journal })
    }

    /// Runs a closure in one transaction, again when that can help. Returns what it changed beside its value; also when
    /// it failed, since it may have been committed all the same.
    pub async fn run<T, E, F>(&self, mut closure: F, read_only: bool) -> (Result<T, E>, Left)
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let client = match self.pool.get().await {
                Ok(client) => client,
                Err(error) => return (Err(StorageError::from(error).into()), Left::default()),
            };
            let (runtime, journal) = (tokio::runtime::Handle::current(), self.journal.clone());
            let run = move || {
                let (outcome, left, again) = run_once(&client, (runtime, &journal), &mut closure, read_only);
                (outcome, left, again, closure)
            };
            let (outcome, left, again, returned) = match tokio::task::spawn_blocking(run).await {
                Ok(ran) => ran,
                Err(error) => return (Err(StorageError::unexpected(error).into()), Left::default()),
            };
            closure = returned;
            if outcome.is_ok() || again == Again::No || attempt == ATTEMPTS {
                return (outcome, left);
            }
            drop(left);
            if again == Again::Yes {
                tokio::time::sleep(Duration::from_millis(10 << attempt)).await;
            } else if let Err(error) = postgres_journal::end(&self.pool, &self.journal).await {
                tracing::warn!(%error, "the ledger's journal could not be ended; trying again");
            }
        }
    }
}

fn run_once<T, E: From<StorageError>>(
    client: &Object,
    (runtime, journal): (tokio::runtime::Handle, &Arc<Journal>),
    closure: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    read_only: bool,
) -> (Result<T, E>, Left, Again) {
    // What is read is of one moment, as on SQLite; a transaction that only reads cannot fail to be serialized.
    let begin = if read_only { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" } else { "BEGIN" };
    if let Err(error) = runtime.block_on(client.batch_execute(begin)) {
        let again = if error.is_closed() { Again::Yes } else { Again::No };
        return (Err(StorageError::from(error).into()), Left::default(), again);
    }
    let mut tx = Tx::new(Engine::Postgres { client, runtime: runtime.clone(), journal });
    let outcome = match catch_unwind(AssertUnwindSafe(|| closure(&mut tx))) {
        Ok(outcome) => outcome,
        Err(panic) => {
            // The connection goes back to the pool, and must not be in a transaction when the next one takes it.
            let _ = runtime.block_on(client.batch_execute("ROLLBACK"));
            resume_unwind(panic);
        }
    };
    let again = match (tx.fenced, tx.retry) {
        (true, _) => Again::Unfenced,
        (false, true) => Again::Yes,
        (false, false) => Again::No,
    };
    let left = Left { holds: tx.take_holds(), changed: tx.changed };
    if outcome.is_err() {
        // A connection that cannot roll back is dropped by the pool when it is next used.
        let _ = runtime.block_on(client.batch_execute("ROLLBACK"));
        return (outcome, left, again);
    }
    match runtime.block_on(client.batch_execute("COMMIT")) {
        Ok(()) => (outcome, left, Again::No),
        Err(error) if error.as_db_error().is_none() => (Err(StorageError::OutcomeUnknown.into()), left, Again::No),
        Err(error) => {
            let may_help = error.code().is_some_and(|code| matches!(code.code(), "40001" | "40P01"));
            (Err(StorageError::from(error).into()), left, if may_help { Again::Yes } else { Again::No })
        }
    }
}
