//! A database of either engine, and the named transactions that run on it.

use std::path::PathBuf;
use std::sync::Arc;

use domain::ids::AccountId;
use domain::time::Timestamp;
use parking_lot::RwLock;

use crate::StorageError;
use crate::ledger::journal::Pause;
use crate::ledger::{Ledger, LedgerSettings, Shared, postgres_journal, postgres_write_back, solitude, write_back};
use crate::postgres::Postgres;
use crate::sqlite::{self, Sqlite};
use crate::tx::{Changed, Tx};
use crate::{Clock, migrations};

/// Where the data is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

impl DatabaseUrl {
    /// `postgres://…`, `sqlite:PATH` or a path. `None` for any other scheme.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Some(Self::Postgres(text.to_owned())),
            Some(("sqlite", path)) => Some(Self::Sqlite(path.trim_start_matches("//").into())),
            Some((_, rest)) if rest.starts_with("//") => None,
            _ => Some(Self::Sqlite(text.into())),
        }
    }
}

/// Told what a committed transaction has changed, before its caller is answered.
type Listener = Box<dyn Fn(&Changed) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Listeners(RwLock<Vec<Listener>>);

impl Listeners {
    pub fn tell(&self, changed: &Changed) {
        if !changed.is_empty() {
            self.0.read().iter().for_each(|listener| listener(changed));
        }
    }
}

enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Shared by everything that is not the ledger's hot path.
#[derive(Clone)]
pub struct Database {
    engine: Arc<Engine>,
    listeners: Arc<Listeners>,
}

impl Database {
    /// Opens a database, brings its schema up to this build's, and starts its ledger.
    ///
    /// # Errors
    /// [`StorageError::Owned`] when another process has the SQLite file, [`StorageError::NewerSchema`], or
    /// [`StorageError::Unavailable`].
    pub async fn open(
        url: &DatabaseUrl,
        clock: Arc<Clock>,
        settings: LedgerSettings,
    ) -> Result<(Self, Ledger), StorageError> {
        let listeners = Arc::new(Listeners::default());
        let shared = Arc::new(Shared::new(clock, settings, listeners.clone(), matches!(url, DatabaseUrl::Postgres(_))));
        // Held loosely: tasks of the ledger hold the database, and both must go when the last user of the ledger goes.
        let memory = Arc::downgrade(&shared);
        let forget = move |changed: &Changed| memory.upgrade().into_iter().for_each(|memory| memory.forget(changed));
        listeners.0.write().push(Box::new(forget));
        let database = match url {
            DatabaseUrl::Sqlite(path) => {
                let opened = sqlite::open(path)?;
                migrations::migrate_sqlite(&opened.writer, shared.clock.now())?;
                shared.start_after(&opened.writer)?;
                write_back::recover(&opened.writer, &shared.unwritten)?;
                let sqlite = Sqlite::start(opened, &shared)?;
                Self { engine: Arc::new(Engine::Sqlite(sqlite)), listeners }
            }
            DatabaseUrl::Postgres(url) => {
                let postgres = Postgres::open(url, settings.connections, shared.journal.clone())?;
                let now = shared.clock.now();
                let migrate = move |tx: &mut Tx<'_>| {
                    migrations::migrate(tx, now)?;
                    crate::ledger::upkeep::make_partitions(tx, now)?;
                    solitude::count_oneself(tx)
                };
                postgres.run::<_, StorageError, _>(migrate, false).await.0?;
                // What another process has noted, or one that was killed, is in the accounts' rows before anybody reads them.
                postgres_journal::end_at_last(&postgres.pool, &postgres.journal).await?;
                Self { engine: Arc::new(Engine::Postgres(postgres)), listeners }
            }
        };
        let ledger = Ledger::start(&database, shared).await?;
        Ok((database, ledger))
    }

    /// Runs a closure in a transaction that reads.
    pub async fn read<T, E, F>(&self, name: &'static str, closure: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let _counted = metrics::counter!("tollway_transactions_total", "name" => name, "kind" => "read");
        _counted.increment(1);
        match &*self.engine {
            Engine::Sqlite(sqlite) => {
                let mut closure = closure;
                sqlite.read(move |tx| closure(tx)).await
            }
            Engine::Postgres(postgres) => postgres.run(closure, true).await.0,
        }
    }

    /// Runs a closure in a transaction that writes, and commits it when it is Ok. The closure may run again (after a
    /// serialization failure, a deadlock, or a connection lost before the commit), so it touches nothing but `tx`.
    pub async fn write<T, E, F>(&self, name: &'static str, closure: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        metrics::counter!("tollway_transactions_total", "name" => name, "kind" => "write").increment(1);
        match &*self.engine {
            Engine::Sqlite(sqlite) => {
                let (answer, answered) = tokio::sync::oneshot::channel();
                let work = sqlite::writer::cold(closure, self.listeners.clone(), answer);
                sqlite.queue.push_cold(work)?;
                match answered.await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(StorageError::Unavailable("the server is stopping".into()).into()),
                }
            }
            Engine::Postgres(postgres) => {
                let (outcome, left) = postgres.run(closure, false).await;
                self.listeners.tell(&left.changed);
                drop(left.holds);
                outcome
            }
        }
    }

    /// Writes everything to `balances` and `usage_daily` that the ledger has left in its redo log, or on PostgreSQL in
    /// accounts' rows, so that the tables alone say how things stand.
    ///
    /// # Errors
    /// When the disk is full, say: then nothing is lost, and the tables stay behind.
    pub async fn write_back(&self) -> Result<(), StorageError> {
        match &*self.engine {
            Engine::Sqlite(sqlite) if !sqlite.unwritten.is_empty() => sqlite.write_back(None).await,
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(_) => {
                let _pause = self.without_journal().await?;
                let mut after = Some(String::new());
                while let Some(from) = after {
                    after = self.write_back_some(from, Timestamp::MAX).await?;
                }
                Ok(())
            }
        }
    }

    /// Ends the journal of a node that is alone at its PostgreSQL database, and keeps it ended as long as the value lives:
    /// accounts' rows alone say how things stand.
    pub(crate) async fn without_journal(&self) -> Result<Option<Pause>, StorageError> {
        let Engine::Postgres(postgres) = &*self.engine else { return Ok(None) };
        let pause = postgres.journal.pause();
        postgres_journal::end(&postgres.pool, &postgres.journal).await?;
        Ok(Some(pause))
    }

    /// On PostgreSQL: does the same for those of the next thousand accounts that were last used before that time, one
    /// transaction each. Goes on where it stopped the last time.
    pub async fn write_back_idle(&self, idle_since: Timestamp) -> Result<(), StorageError> {
        let Engine::Postgres(postgres) = &*self.engine else { return Ok(()) };
        let after = postgres.written_back.lock().clone();
        let next = self.write_back_some(after, idle_since).await?;
        *postgres.written_back.lock() = next.unwrap_or_default();
        Ok(())
    }

    /// Returns where to go on; `None` at the end.
    async fn write_back_some(&self, after: String, idle_since: Timestamp) -> Result<Option<String>, StorageError> {
        let read = move |tx: &mut Tx<'_>| postgres_write_back::accounts_after(tx, &after, idle_since);
        let (behind, last) = self.read("list_accounts_behind", read).await?;
        for account in behind {
            let write = move |tx: &mut Tx<'_>| postgres_write_back::write_back(tx, account);
            match self.write("write_back_account", write).await {
                // One that cannot be written does not keep the others waiting.
                Err(error @ StorageError::Unexpected(_)) => {
                    tracing::error!(%account, %error, "what an account's row keeps could not be written to its tables");
                }
                written => written?,
            }
        }
        Ok(last)
    }

    /// Does the same for one account. Whoever reads `balances` or `usage_daily` does this first, and then begins to read.
    pub async fn write_back_of(&self, account: AccountId) -> Result<(), StorageError> {
        match &*self.engine {
            Engine::Sqlite(sqlite) if sqlite.unwritten.has(account) => sqlite.write_back(Some(account)).await,
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(_) => {
                let is_behind = self.read("is_account_behind", move |tx| postgres_write_back::is_behind(tx, account));
                if is_behind.await? {
                    self.write("write_back_account", move |tx| postgres_write_back::write_back(tx, account)).await?;
                }
                Ok(())
            }
        }
    }

    /// Calls `listener` after every committed transaction that changed an account's terms, a key or the
    /// catalog, or added jobs.
    pub fn on_change(&self, listener: impl Fn(&Changed) + Send + Sync + 'static) {
        self.listeners.0.write().push(Box::new(listener));
    }

    pub fn is_postgres(&self) -> bool {
        matches!(&*self.engine, Engine::Postgres(_))
    }

    /// What this process is called among the connections of its PostgreSQL server.
    pub(crate) fn postgres_name(&self) -> Option<Arc<str>> {
        match &*self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(postgres) => Some(postgres.name.clone()),
        }
    }

    pub(crate) fn sqlite(&self) -> Option<&Sqlite> {
        match &*self.engine {
            Engine::Sqlite(sqlite) => Some(sqlite),
            Engine::Postgres(_) => None,
        }
    }

    pub(crate) fn pool(&self) -> Option<deadpool_postgres::Pool> {
        match &*self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(postgres) => Some(postgres.pool.clone()),
        }
    }

    /// Takes no more work and waits until what was taken is done.
    pub async fn close(&self) {
        match &*self.engine {
            Engine::Sqlite(sqlite) => {
                let queue = sqlite.queue.clone();
                let _ = tokio::task::spawn_blocking(move || queue.close()).await;
            }
            Engine::Postgres(postgres) => {
                postgres.journal.open_no_more();
                if postgres.journal.holder() == 0 {
                    return;
                }
                if let Err(error) = postgres_journal::end(&postgres.pool, &postgres.journal).await {
                    tracing::warn!(%error, "the ledger's journal could not be ended; the next process does it");
                }
            }
        }
    }
}
