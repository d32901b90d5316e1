//! A fresh database of each engine, and the run of a test on both.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::ids::{AccountId, Id, Kind};
use domain::time::Timestamp;
use storage::ledger::LedgerSettings;
use storage::records::accounts::{self, Account, AccountStatus};
use storage::records::catalogs;
use storage::{Clock, Database, DatabaseUrl, Entropy, StorageError, Tx};
use testkit::postgres::TestDatabase;

pub const CATALOG: &str = r#"
    product = "Test"
    default_plan = "free"
    [meters.requests]
    [plans.free]
    limits = { requests = 10 }
    [plans.pro]
    price = 15
    limits = { requests = 100 }
"#;

/// An open database that a test has for itself.
#[derive(Clone)]
pub struct Opened {
    pub database: Database,
    entropy: Arc<Entropy>,
}

/// Runs a test on SQLite, then on PostgreSQL where that is installed.
pub async fn on_both<F: Future<Output = ()>>(test: impl Fn(Opened) -> F) {
    let folder = Folder::new();
    let opened = open(&DatabaseUrl::Sqlite(folder.0.join("test.db"))).await;
    test(opened.clone()).await;
    opened.database.close().await;
    if let Some(server) = TestDatabase::create() {
        test(open(&DatabaseUrl::Postgres(server.url())).await).await;
    }
}

async fn open(url: &DatabaseUrl) -> Opened {
    let opened = Database::open(url, Arc::new(Clock::new()), LedgerSettings::default()).await;
    let (database, _) = opened.expect("a fresh database opens");
    Opened { database, entropy: Arc::new(Entropy::system()) }
}

/// A time that tests count from.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

impl Opened {
    pub fn id<K: Kind>(&self, made_at: Timestamp) -> Id<K> {
        Id::new(made_at, self.entropy.bits())
    }

    pub async fn read<T: Send + 'static>(
        &self,
        closure: impl FnMut(&mut Tx<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> T {
        self.database.read("test", closure).await.unwrap()
    }

    pub async fn write<T: Send + 'static>(
        &self,
        closure: impl FnMut(&mut Tx<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> T {
        self.try_write(closure).await.unwrap()
    }

    pub async fn try_write<T: Send + 'static>(
        &self,
        closure: impl FnMut(&mut Tx<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.database.write("test", closure).await
    }

    pub fn new_account(&self, external_id: Option<&str>, made_at: Timestamp) -> Account {
        Account {
            id: self.id(made_at),
            external_id: external_id.map(str::to_owned),
            name: "Ada".into(),
            email: None,
            billing_email: None,
            metadata: serde_json::Map::new(),
            status: AccountStatus::Active,
            created_at: made_at,
            updated_at: made_at,
        }
    }

    /// Adds an account without a plan of its own.
    pub async fn add_account(&self, external_id: Option<&str>) -> AccountId {
        let account = self.new_account(external_id, at(0));
        let (id, subscription) = (account.id, self.id(at(0)));
        assert!(self.write(move |tx| accounts::insert(tx, &account, subscription, None)).await);
        id
    }

    pub async fn apply_catalog(&self) {
        let catalog = domain::catalog::parse(CATALOG).expect("a good catalog");
        let entropy = self.entropy.clone();
        self.write(move |tx| catalogs::apply(tx, &catalog, CATALOG, at(0), || Id::new(at(0), entropy.bits()))).await;
    }

    pub async fn epoch(&self, account: AccountId) -> i64 {
        self.read(move |tx| {
            let values = [account.into()];
            let row =
                tx.query_optional("SELECT entitlement_epoch FROM ledger_accounts WHERE account_id = $1", &values)?;
            row.expect("every account has a row in the ledger").integer("entitlement_epoch")
        })
        .await
    }
}

/// A folder that goes with its value.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("storage-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
