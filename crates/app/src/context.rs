//! What every use case is given: the database, the ledger, the clock, randomness and settings.

use std::ops::Deref;
use std::sync::Arc;

use domain::ids::{Id, Kind};
use domain::time::Timestamp;
use providers::issuers::Issuers;
use providers::mail::MailServer;
use providers::oidc::Providers;
use providers::stripe::Stripe;
use providers::webhooks::WebhookSender;
use storage::ledger::Ledger;
use storage::ledger::plan_book::PlanBook;
use storage::{Clock, Database, Entropy, StorageError};
use tokio::sync::watch;

use crate::AppError;
use crate::accounts::AccountNames;
use crate::billing::BillingSettings;
use crate::gateway::Gateway;
use crate::identity::{KeyCache, Passwords, PeopleSettings, SessionCache, SigningKeys};
use crate::rate_limits::RateLimits;
use crate::vault::Vault;

/// Cheap to clone; one a process.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] consists of. It is shared as a whole: every call takes it along, and to count each part anew costs more.
#[derive(Clone)]
pub struct Parts {
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
    pub(crate) sessions: Arc<SessionCache>,
    pub(crate) signing_keys: Arc<SigningKeys>,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) account_names: Arc<AccountNames>,
    /// Sends whenever jobs were added by a transaction of this process.
    pub(crate) jobs_added: Arc<watch::Sender<()>>,
    /// `None`: mails wait in the outbox.
    pub(crate) mail_server: Option<MailServer>,
    /// `None`: this system trusts nobody that an endpoint could prove itself by.
    pub(crate) webhook_sender: Option<Arc<WebhookSender>>,
    pub(crate) rate_limits: Arc<RateLimits>,
    /// `None`: nothing is sold.
    pub(crate) stripe: Option<Arc<Stripe>>,
    /// Development: what has a clock of its own is told when this one was moved.
    pub(crate) clock_moved: Option<ClockMoved>,
}

/// Is told the time that a development clock was moved to.
pub type ClockMoved = Arc<dyn Fn(Timestamp) + Send + Sync>;

/// What the operator has set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the server is reached from outside; upgrade links begin with it.
    pub public_url: String,
    /// What the product is called in mails and pages. `None`: as the catalog says.
    pub product_name: Option<String>,
    /// A consume or reservation for an unknown `external_id` makes the account on the default plan.
    pub auto_create_accounts: bool,
    /// Development: the clock can be moved.
    pub development: bool,
    pub people: PeopleSettings,
    pub billing: BillingSettings,
}

impl Settings {
    /// A page of this server. Links in mails begin with the public URL, whatever address a request came by.
    pub fn page(&self, page: &str) -> String {
        format!("{}/{page}", self.issuer())
    }

    /// A page with the secret that it needs.
    pub fn link(&self, page: &str, secret: &str) -> String {
        format!("{}/{page}?token={secret}", self.issuer())
    }

    /// Where a customer goes to get more: the pricing page, with the plan that would fit.
    pub fn upgrade_url(&self, suggested_plan: Option<&domain::name::Name>) -> String {
        let base = self.issuer();
        match suggested_plan {
            Some(plan) => [base, "/pricing?plan=", plan.as_str()].concat(),
            None => [base, "/pricing"].concat(),
        }
    }

    /// Whether customers may be sent there after buying: to this server, or to an allowed origin.
    pub fn may_lead_to(&self, target: &str) -> bool {
        self.billing.may_lead_to(target, self.issuer())
    }

    /// Who tokens are said to be from.
    pub fn issuer(&self) -> &str {
        self.public_url.trim_end_matches('/')
    }

    /// Whom access tokens are for.
    pub fn audience(&self) -> &str {
        self.people.token_audience.as_deref().unwrap_or_else(|| self.issuer())
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub fn new(database: Database, ledger: Ledger, settings: Settings, vault: Vault) -> Self {
        let keys = Arc::new(KeyCache::new(database.is_postgres()));
        let sessions = Arc::new(SessionCache::new(database.is_postgres()));
        let account_names = Arc::new(AccountNames::new(ledger.settings().remembered_accounts));
        let jobs_added = Arc::new(watch::Sender::new(()));
        let (forget_keys, forget_names, forget_sessions) = (keys.clone(), account_names.clone(), sessions.clone());
        let tell_runner = jobs_added.clone();
        database.on_change(move |changed| {
            if changed.keys {
                forget_keys.forget_all();
            }
            if changed.people {
                forget_sessions.forget_all();
            }
            forget_sessions.forget(&changed.sessions);
            changed.accounts.iter().for_each(|account| forget_names.forget(*account));
            if changed.jobs {
                tell_runner.send_replace(());
            }
        });
        let entropy = Arc::new(Entropy::system());
        Self(Arc::new(Parts {
            database,
            ledger,
            gateway: Arc::default(),
            sign_in_providers: Arc::default(),
            issuers: Arc::default(),
            entropy,
            keys,
            sessions,
            signing_keys: Arc::default(),
            passwords: Arc::new(Passwords::new(settings.people.password_cost)),
            vault: Arc::new(vault),
            settings: Arc::new(settings),
            account_names,
            rate_limits: Arc::default(),
            jobs_added,
            mail_server: None,
            webhook_sender: None,
            stripe: None,
            clock_moved: None,
        }))
    }

    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }

    /// The same application, with upstreams to call models at.
    #[must_use]
    pub fn with_gateway(mut self, gateway: Gateway) -> Self {
        self.parts().gateway = Arc::new(gateway);
        self
    }

    /// The same application, with other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.parts().settings = Arc::new(settings);
        self
    }

    /// The same application, with a server that takes its mails.
    #[must_use]
    pub fn with_mail_server(mut self, server: Option<MailServer>) -> Self {
        self.parts().mail_server = server;
        self
    }

    /// The same application, able to tell customers' endpoints.
    #[must_use]
    pub fn with_webhook_sender(mut self, sender: Option<WebhookSender>) -> Self {
        self.parts().webhook_sender = sender.map(Arc::new);
        self
    }

    /// The same application, with a Stripe account that plans are sold through.
    #[must_use]
    pub fn with_stripe(mut self, stripe: Option<Stripe>) -> Self {
        self.parts().stripe = stripe.map(Arc::new);
        self
    }

    /// The same application, telling somebody of its development clock.
    #[must_use]
    pub fn with_clock_moved(mut self, clock_moved: ClockMoved) -> Self {
        self.parts().clock_moved = Some(clock_moved);
        self
    }

    /// Whether a Stripe account is configured.
    pub fn has_stripe(&self) -> bool {
        self.stripe.is_some()
    }

    /// Whether plans can be sold: what Stripe tells of payments must be provable.
    pub fn sells(&self) -> bool {
        self.stripe.is_some() && !self.settings.billing.webhook_secrets.is_empty()
    }

    /// The Stripe account.
    ///
    /// # Errors
    /// [`AppError::SellingNotSetUp`] when none is configured.
    pub(crate) fn stripe(&self) -> Result<&Stripe, AppError> {
        self.stripe.as_deref().ok_or(AppError::SellingNotSetUp)
    }

    /// The Stripe account, where what it tells can be proved to be its own: without that nothing is sold.
    ///
    /// # Errors
    /// [`AppError::SellingNotSetUp`].
    pub(crate) fn must_sell(&self) -> Result<&Stripe, AppError> {
        if self.sells() { self.stripe() } else { Err(AppError::SellingNotSetUp) }
    }

    /// Whether mails are sent; without a server they wait in the outbox.
    pub fn sends_mail(&self) -> bool {
        self.mail_server.is_some()
    }

    /// The same application, with others that people may sign in by.
    #[must_use]
    pub fn with_sign_in_providers(mut self, providers: Providers) -> Self {
        self.parts().sign_in_providers = Arc::new(providers);
        self
    }

    /// The same application, with issuers whose tokens are taken.
    #[must_use]
    pub fn with_issuers(mut self, issuers: Issuers) -> Self {
        self.parts().issuers = Arc::new(issuers);
        self
    }

    /// The same application, with rate limits that are counted elsewhere.
    #[must_use]
    pub fn with_rate_limits(mut self, rate_limits: RateLimits) -> Self {
        self.parts().rate_limits = Arc::new(rate_limits);
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

    /// The random part of an id whose time is told from elsewhere.
    pub(crate) fn new_id_bits(&self) -> u128 {
        self.entropy.bits()
    }

    /// The catalog in force with its plan versions.
    pub async fn plans(&self) -> Result<Arc<PlanBook>, AppError> {
        let none = || StorageError::Unavailable("no catalog has been applied; run `tollway catalog apply`".into());
        Ok(self.ledger.plans().await?.ok_or_else(none)?)
    }
}
