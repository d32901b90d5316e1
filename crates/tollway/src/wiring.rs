//! From a configuration to a running application: database, ledger, catalog.

use std::sync::Arc;

use app::gateway::Gateway;
use app::rate_limits::RateLimits;
use app::{App, Settings};
use providers::issuers::Issuers;
use providers::oidc::Providers;
use providers::shared_limits::SharedLimits;
use storage::records::settings as stored;
use storage::{Clock, Database, DatabaseUrl, StorageError};

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
    let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
    let settings = Settings { public_url, auto_create_accounts: config.auto_create_accounts, development };
    let gateway = Gateway::new(config.gateway.clone())
        .map_err(|(name, error)| format!("The upstream {name} cannot be used: {error}."))?;
    let sign_in_providers = Providers::new(config.oidc.clone())
        .map_err(|(name, error)| format!("The provider {name} cannot be used: {error}."))?;
    let issuers = Issuers::new(config.issuers.clone())
        .map_err(|(name, error)| format!("The issuer {name} cannot be used: {error}."))?;
    let mut app = App::new(database, ledger, settings)
        .with_gateway(gateway)
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
