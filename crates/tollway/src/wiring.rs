//! From a configuration to a running application: database, ledger, catalog.

use std::sync::Arc;

use app::gateway::Gateway;
use app::rate_limits::RateLimits;
use app::vault::Vault;
use app::{App, Settings};
use providers::issuers::Issuers;
use providers::mail::MailServer;
use providers::oidc::Providers;
use providers::shared_limits::SharedLimits;
use providers::stripe::Stripe;
use providers::webhooks::WebhookSender;
use storage::records::settings as stored;
use storage::{Clock, Database, DatabaseUrl, Entropy, StorageError};

use crate::Common;
use crate::config::{Config, Sources};

/// The catalog of a server that was given none.
pub const STARTER_CATALOG: &str = include_str!("../../../catalogs/starter.toml");

/// The configuration of a command.
///
/// # Errors
/// Every mistake, one a line.
pub fn configuration(common: &Common, mut arguments: Vec<(&'static str, String)>) -> Result<Config, String> {
    let mut sources = Sources::read(common.config.as_deref()).map_err(|mistakes| mistakes.join("\n"))?;
    let named = [("database", &common.database), ("data_dir", &common.data_dir), ("catalog", &common.catalog)];
    arguments.extend(named.into_iter().filter_map(|(name, value)| value.clone().map(|value| (name, value))));
    sources.arguments = arguments;
    Config::load(&sources).map_err(|mistakes| mistakes.join("\n"))
}

/// Opens the database and builds the application on it.
pub async fn open(config: &Config, development: bool) -> Result<App, String> {
    if let DatabaseUrl::Sqlite(path) = &config.database
        && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let clock = Arc::new(Clock::new());
    let opened = Database::open(&config.database, clock, config.ledger).await;
    let (database, ledger) = opened.map_err(|error| capitalized(&error.to_string()))?;
    let settings = Settings {
        public_url: public_url(config),
        product_name: config.product_name.clone(),
        auto_create_accounts: config.auto_create_accounts,
        development,
        people: config.people.clone(),
        billing: config.billing.clone(),
    };
    let vault = vault(config, development, &database).await?;
    let gateway = Gateway::new(config.gateway.clone())
        .map_err(|(name, error)| format!("The upstream {name} cannot be used: {error}."))?;
    let mail_server = mail_server(config)?;
    let sign_in_providers = Providers::new(config.oidc.clone())
        .map_err(|(name, error)| format!("The provider {name} cannot be used: {error}."))?;
    let issuers = Issuers::new(config.issuers.clone())
        .map_err(|(name, error)| format!("The issuer {name} cannot be used: {error}."))?;
    let mut app = App::new(database, ledger, settings, vault)
        .with_gateway(gateway)
        .with_mail_server(mail_server)
        .with_stripe(stripe(config)?)
        .with_webhook_sender(webhook_sender(config, development))
        .with_sign_in_providers(sign_in_providers)
        .with_issuers(issuers);
    if let Some(url) = &config.redis_url {
        let limits = SharedLimits::new(url).map_err(|error| format!("redis_url {error}."))?;
        app = app.with_rate_limits(RateLimits::shared(limits));
    }
    if development {
        restore_clock(&app).await?;
    }
    Ok(app)
}

/// What a server without an encryption key is told.
pub const KEY_MISSING: &str = "encryption_key is not set: secrets of authenticator apps and signing keys could not be \
    kept. Set TOLLWAY_ENCRYPTION_KEY to 32 random characters or more, such as the output of `openssl rand -hex 32`, and \
    keep it with your backups.";
/// In development the key is kept beside what it seals.
const DEVELOPMENT_KEY: &str = "development_encryption_key";

/// Seals secrets with the configured key. Commands that seal nothing go without.
async fn vault(config: &Config, development: bool, database: &Database) -> Result<Vault, String> {
    if let Some(key) = &config.encryption_key {
        return Ok(Vault::new(key, config.former_encryption_key.as_deref()));
    }
    let mut random = [0; 32];
    Entropy::system().fill(&mut random);
    let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    if !development {
        return Ok(Vault::new(&key, None));
    }
    let write = move |tx: &mut storage::Tx<'_>| stored::lock(tx, DEVELOPMENT_KEY, &key);
    let kept = database.write::<_, StorageError, _>("development_encryption_key", write).await;
    Ok(Vault::new(&kept.map_err(|error| error.to_string())?, None))
}

/// Where the server is reached from outside.
pub fn public_url(config: &Config) -> String {
    config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen))
}

/// What the product is called, by the configuration alone.
pub fn product_name(config: &Config) -> Result<String, String> {
    if let Some(name) = &config.product_name {
        return Ok(name.clone());
    }
    let catalog = domain::catalog::parse(&catalog_source(config)?);
    catalog.map(|catalog| catalog.product).map_err(|_| format!("{} has mistakes.", catalog_name(config)))
}

/// Tells customers' endpoints; in development also those on this machine.
fn webhook_sender(config: &Config, development: bool) -> Option<WebhookSender> {
    let sender = WebhookSender::new(development || config.webhooks_allow_private);
    sender.inspect_err(|error| tracing::warn!("{error}")).ok()
}

/// The mail server that is configured, if one is.
pub fn mail_server(config: &Config) -> Result<Option<MailServer>, String> {
    let server = config.mail.as_ref().map(MailServer::new).transpose();
    server.map_err(|error| format!("The mail server cannot be used: {error}."))
}

/// What commands about Stripe say without a key.
pub const NO_STRIPE: &str = "No Stripe account is configured; set stripe.secret_key.";

/// A name for one run of a command, so that Stripe does each of its steps once.
pub fn run_id() -> String {
    format!("{:032x}", Entropy::system().bits())
}

/// The Stripe account that is configured, if one is.
pub fn stripe(config: &Config) -> Result<Option<Stripe>, String> {
    let stripe = config.stripe.as_ref().map(Stripe::new).transpose();
    stripe.map_err(|error| format!("Stripe cannot be used: {error}."))
}

/// The development clock goes on from where it was moved to.
async fn restore_clock(app: &App) -> Result<(), String> {
    let read = |tx: &mut storage::Tx<'_>| stored::get(tx, stored::CLOCK_OFFSET);
    let offset =
        app.database.read::<_, StorageError, _>("read_clock", read).await.map_err(|error| error.to_string())?;
    if let Some(offset) = offset.and_then(|text| text.parse().ok()) {
        app.clock().set_offset_micros(offset);
    }
    Ok(())
}

/// The text of the catalog that is configured.
pub fn catalog_source(config: &Config) -> Result<String, String> {
    match &config.catalog {
        None => Ok(STARTER_CATALOG.to_owned()),
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display())),
    }
}

/// What the catalog is called in messages.
pub fn catalog_name(config: &Config) -> String {
    config.catalog.as_ref().map_or_else(|| "the starter catalog".into(), |path| path.display().to_string())
}

/// A message as a sentence.
pub fn capitalized(message: &str) -> String {
    let mut letters = message.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().collect::<String>() + letters.as_str(),
        None => String::new(),
    }
}
