//! What this crate's own tests play on: an application on a fresh database of each engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::time::MICROS_PER_SECOND;
use storage::ledger::LedgerSettings;
use storage::{Clock, Database, DatabaseUrl};
use testkit::postgres::TestDatabase;

use crate::billing::BillingSettings;
use crate::catalog::apply_catalog;
use crate::identity::PeopleSettings;
use crate::vault::Vault;
use crate::{App, Settings};

const CATALOG: &str =
    "product = \"Acme\"\ndefault_plan = \"free\"\n[meters.requests]\n[plans.free]\nlimits = { requests = 10 }\n";

/// A database that a test has for itself.
pub struct Place {
    url: DatabaseUrl,
    folder: PathBuf,
    _server: Option<TestDatabase>,
}

impl Place {
    /// One for each engine.
    pub fn all() -> Vec<Place> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("tollway-jobs-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let sqlite = DatabaseUrl::Sqlite(folder.join("test.db"));
        let postgres = TestDatabase::create().map(|server| Place {
            url: DatabaseUrl::Postgres(server.url()),
            folder: PathBuf::new(),
            _server: Some(server),
        });
        [Some(Place { url: sqlite, folder, _server: None }), postgres].into_iter().flatten().collect()
    }

    pub fn takes_several_nodes(&self) -> bool {
        matches!(self.url, DatabaseUrl::Postgres(_))
    }

    /// An application on it, its clock its own.
    pub async fn open(&self) -> App {
        let clock = Arc::new(Clock::new());
        let (database, ledger) = Database::open(&self.url, clock, LedgerSettings::default()).await.unwrap();
        let settings = Settings {
            public_url: "http://localhost".into(),
            product_name: Some("Acme Chat".into()),
            auto_create_accounts: true,
            development: false,
            people: PeopleSettings::default(),
            billing: BillingSettings::default(),
        };
        let app = App::new(database, ledger, settings, Vault::new("a key for tests", None));
        apply_catalog(&app, CATALOG, &[]).await.unwrap();
        app
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn advance(app: &App, seconds: i64) {
    app.clock().set_offset_micros(app.clock().offset_micros() + seconds * MICROS_PER_SECOND);
}
