//! What every use case is given: the database, the ledger, the clock, randomness and settings.

use std::sync::Arc;

use domain::ids::{Id, Kind};
use domain::time::Timestamp;
use providers::issuers::Issuers;
use providers::oidc::Providers;
use storage::ledger::Ledger;
use storage::ledger::plan_book::PlanBook;
use storage::{Clock, Database, Entropy, StorageError};

use crate::AppError;
use crate::accounts::AccountNames;
use crate::gateway::Gateway;
use crate::identity::KeyCache;
use crate::rate_limits::RateLimits;

/// Cheap to clone; one a process.
#[derive(Clone)]
pub struct App {
    pub database: Database,
    pub ledger: Ledger,
    pub settings: Arc<Settings>,
    pub gateway: Arc<Gateway>,
    /// Who people may sign in by, beside a password.
    pub sign_in_providers: Arc<Providers>,
    /// Whose tokens are taken where the app has a sign-in of its own.
    pub issuers: Arc<Issuers>,
    pub(crate) entropy: Arc<Entropy>,
    pub(crate) keys: Arc<KeyCache>,
    pub(crate) account_names: Arc<AccountNames>,
    pub(crate) rate_limits: Arc<RateLimits>,
}

/// What the operator has set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the server is reached from outside; upgrade links begin with it.
    pub public_url: String,
    /// A consume or reservation for an unknown `external_id` makes the account on the default plan.
    pub auto_create_accounts: bool,
    /// Development: the clock can be moved.
    pub development: bool,
}

impl App {
    pub fn new(database: Database, ledger: Ledger, settings: Settings) -> Self {
        let keys = Arc::new(KeyCache::new(database.is_postgres()));
        let account_names = Arc::new(AccountNames::default());
        let (forget_keys, forget_names) = (keys.clone(), account_names.clone());
        database.on_change(move |changed| {
            if changed.keys {
                forget_keys.forget_all();
            }
            changed.accounts.iter().for_each(|account| forget_names.forget(*account));
        });
        let entropy = Arc::new(Entropy::system());
        Self {
            database,
            ledger,
            settings: Arc::new(settings),
            gateway: Arc::default(),
            sign_in_providers: Arc::default(),
            issuers: Arc::default(),
            entropy,
            keys,
            account_names,
            rate_limits: Arc::default(),
        }
    }

    /// The same application, with upstreams to call models at.
    #[must_use]
    pub fn with_gateway(mut self, gateway: Gateway) -> Self {
        self.gateway = Arc::new(gateway);
        self
    }

    /// The same application, with others that people may sign in by.
    #[must_use]
    pub fn with_sign_in_providers(mut self, providers: Providers) -> Self {
        self.sign_in_providers = Arc::new(providers);
        self
    }

    /// The same application, with issuers whose tokens are taken.
    #[must_use]
    pub fn with_issuers(mut self, issuers: Issuers) -> Self {
        self.issuers = Arc::new(issuers);
        self
    }

    /// The same application, with rate limits that are counted elsewhere.
    #[must_use]
    pub fn with_rate_limits(mut self, rate_limits: RateLimits) -> Self {
        self.rate_limits = Arc::new(rate_limits);
        self
    }

    pub fn clock(&self) -> &Arc<Clock> {
        self.ledger.clock()
    }

    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    pub fn new_id<K: Kind>(&self) -> Id<K> {
        Id::new(self.now(), self.entropy.bits())
    }

    /// The catalog in force with its plan versions.
    pub async fn plans(&self) -> Result<Arc<PlanBook>, AppError> {
        let none = || StorageError::Unavailable("no catalog has been applied; run `tollway catalog apply`".into());
        Ok(self.ledger.plans().await?.ok_or_else(none)?)
    }

    /// Where a customer goes to get more: the pricing page, with the plan that would fit.
    pub fn upgrade_url(&self, suggested_plan: Option<&domain::name::Name>) -> String {
        let base = self.settings.public_url.trim_end_matches('/');
        match suggested_plan {
            Some(plan) => format!("{base}/pricing?plan={plan}"),
            None => format!("{base}/pricing"),
        }
    }
}
