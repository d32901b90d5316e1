//! The stores under simulation: a SQLite file with one node, or a PostgreSQL database with two, one of them behind a
//! proxy that can lose a commit.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::ids::{Id, Kind};
use domain::time::Timestamp;
use storage::ledger::{Ledger, LedgerSettings};
use storage::records::catalogs;
use storage::{Clock, Database, DatabaseUrl, Entropy, StorageError, Tx};

use super::plans::CATALOG;
use crate::postgres::TestDatabase;
use crate::proxy::Proxy;

/// A store that several seeds may share, each with accounts of its own.
pub struct Engine {
    store: Store,
    pub nodes: Vec<Node>,
    pub clock: Arc<Clock>,
    pub entropy: Arc<Entropy>,
}

enum Store {
    Sqlite { folder: PathBuf, lives: u32 },
    Postgres { server: TestDatabase, proxy: Proxy },
}

#[derive(Clone)]
pub struct Node {
    pub database: Database,
    pub ledger: Ledger,
}

impl Engine {
    pub async fn sqlite() -> Engine {
        let name = format!("tollway-simulation-{:016x}", RandomState::new().build_hasher().finish());
        // In memory where that is possible: what is simulated is what is written, not how the disk keeps it.
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() }.join(name);
        std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
        Self::of(Store::Sqlite { folder, lives: 0 }).await
    }

    /// `None`: PostgreSQL is missing and the test is skipped.
    pub async fn postgres() -> Option<Engine> {
        let server = TestDatabase::create()?;
        let proxy = Proxy::before(&server.url()).await.expect("a proxy can listen");
        Some(Self::of(Store::Postgres { server, proxy }).await)
    }

    async fn of(store: Store) -> Engine {
        let clock = Arc::new(Clock::new());
        let mut engine = Engine { store, nodes: Vec::new(), clock, entropy: Arc::new(Entropy::system()) };
        engine.open().await;
        engine.apply_catalog().await;
        engine
    }

    async fn open(&mut self) {
        for url in self.urls() {
            // Little waits, so that what waits is written back all the time.
            let settings = LedgerSettings { connections: 6, unwritten_balances: 8, ..LedgerSettings::default() };
            let opened = Database::open(&url, self.clock.clone(), settings).await;
            let (database, ledger) = opened.unwrap_or_else(|error| panic!("{url:?} does not open: {error}"));
            self.nodes.push(Node { database, ledger });
        }
    }

    fn urls(&self) -> Vec<DatabaseUrl> {
        match &self.store {
            Store::Sqlite { folder, lives } => vec![DatabaseUrl::Sqlite(file(folder, *lives))],
            Store::Postgres { server, proxy } => {
                let direct = server.url();
                vec![DatabaseUrl::Postgres(direct.clone()), DatabaseUrl::Postgres(proxy.url(&direct))]
            }
        }
    }

    /// The catalog again: every node reads its plans anew.
    pub async fn apply_catalog(&self) {
        let catalog = domain::catalog::parse(CATALOG).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let (now, entropy) = (self.clock.now(), self.entropy.clone());
        self.write(move |tx| catalogs::apply(tx, &catalog, CATALOG, now, || Id::new(now, entropy.bits()))).await;
    }

    /// Closes every node in order and opens it again.
    pub async fn restart(&mut self) {
        for node in std::mem::take(&mut self.nodes) {
            node.database.close().await;
        }
        self.open().await;
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.store, Store::Sqlite { .. })
    }

    pub fn proxy(&self) -> Option<&Proxy> {
        match &self.store {
            Store::Sqlite { .. } => None,
            Store::Postgres { proxy, .. } => Some(proxy),
        }
    }

    /// What a crash at this moment would leave on the disk: the file, then its log, while both may be written to. The
    /// log is only ever appended to between two checkpoints, and a torn end is recognised by its checksums.
    pub async fn copy_as_after_a_crash(&self) {
        let Store::Sqlite { folder, lives } = &self.store else { return };
        let (from, to) = (file(folder, *lives), file(folder, lives + 1));
        let copy = move || {
            for ending in ["", "-wal"] {
                let with = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
                if with(&from).exists() {
                    std::fs::copy(with(&from), with(&to)).expect("the database can be copied");
                }
            }
        };
        tokio::task::spawn_blocking(copy).await.expect("the copy is made");
    }

    /// Goes on with what [`Engine::copy_as_after_a_crash`] has left.
    pub async fn go_on_after_the_crash(&mut self) {
        for node in std::mem::take(&mut self.nodes) {
            node.database.close().await;
        }
        if let Store::Sqlite { lives, .. } = &mut self.store {
            *lives += 1;
        }
        self.open().await;
    }

    pub fn id<K: Kind>(&self, at: Timestamp) -> Id<K> {
        Id::new(at, self.entropy.bits())
    }

    pub async fn write<T: Send + 'static>(
        &self,
        closure: impl FnMut(&mut Tx<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> T {
        self.nodes[0].database.write("simulation", closure).await.expect("the simulation can write")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Store::Sqlite { folder, .. } = &self.store {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn file(folder: &Path, lives: u32) -> PathBuf {
    folder.join(format!("life-{lives}.db"))
}
