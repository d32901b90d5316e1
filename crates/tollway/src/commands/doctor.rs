//! `tollway doctor`: what would stop this server in production, and what to do about each.

use std::process::ExitCode;

use app::billing::check_stripe::{StripeFinding, check_stripe};
use providers::secret::SecretText;
use providers::shared_limits::SharedLimits;
use storage::records::{api_keys, catalogs};
use storage::{DatabaseUrl, StorageError, Tx};
use web::extract::client_address::TrustedProxies;

use crate::config::Config;
use crate::{Common, wiring};

struct Finding {
    stops: bool,
    text: String,
}

pub async fn run(common: &Common) -> Result<ExitCode, String> {
    let config = wiring::configuration(common, Vec::new())?;
    let mut findings = Vec::new();
    let mut note = |stops: bool, text: String| findings.push(Finding { stops, text });
    match &config.public_url {
        None => note(true, "public_url is not set: upgrade links would name the address the server listens on.".into()),
        Some(url) if url.starts_with("http://") && !url.contains("localhost") && !url.contains("127.0.0.1") => {
            note(
                true,
                format!("public_url is {url}: keys would travel unencrypted. Use https:// and a reverse proxy."),
            );
        }
        Some(_) => {}
    }
    if config.encryption_key.is_none() {
        note(true, wiring::KEY_MISSING.into());
    }
    if config.listen.ip().is_loopback() {
        note(false, format!("The server listens on {} alone; only a proxy on this machine reaches it.", config.listen));
    }
    if let Err(mistakes) = wiring::catalog_source(&config).map(|source| domain::catalog::parse(&source)) {
        note(true, mistakes);
    }
    if let DatabaseUrl::Postgres(url) = &config.database
        && !url.contains("@localhost")
        && !url.contains("@127.0.0.1")
    {
        note(false, "The connection to PostgreSQL is not encrypted; keep it inside a private network.".into());
    }
    match &config.mail {
        None => note(
            false,
            "No mail server is configured: mails wait in the outbox. Set mail.smtp_host and mail.from.".into(),
        ),
        Some(mail) if mail.is_in_the_clear() => {
            note(true, format!("mail.tls is none: mails and the password travel to {} unencrypted.", mail.host));
        }
        Some(_) => {}
    }
    if config.trusted_proxies == TrustedProxies::default()
        && config.public_url.as_ref().is_some_and(|url| is_https(url))
    {
        let text = "trusted_proxies is not set: behind a reverse proxy all callers seem to have its address, and share its rate limits.";
        note(false, text.into());
    }
    if let Some(url) = &config.redis_url
        && let Err(error) = reach_redis(url).await
    {
        note(true, format!("redis_url: {error}. Until it answers, each node counts rate limits by itself."));
    }
    findings.extend(ask_stripe(&config).await);
    findings.extend(look_into_database(&config).await);
    report(&findings)
}

/// What is missing where everything is kept.
async fn look_into_database(config: &Config) -> Vec<Finding> {
    let finding = |stops: bool, text: &str| Finding { stops, text: text.to_owned() };
    let app = match wiring::open(config, false).await {
        Ok(app) => app,
        Err(error) => return vec![Finding { stops: true, text: error }],
    };
    let read = |tx: &mut Tx<'_>| Ok::<_, StorageError>((catalogs::latest(tx)?, api_keys::has_service_key(tx)?));
    let found = app.database.read("doctor", read).await;
    app.database.close().await;
    let (catalog, has_key) = match found {
        Ok(found) => found,
        Err(error) => return vec![Finding { stops: true, text: error.to_string() }],
    };
    let about_catalog = match catalog {
        None => Some(finding(true, "No catalog is in force; the first `tollway serve` applies the configured one.")),
        Some(catalog) if catalog.catalog.default_plan.is_none() => {
            let text = "The catalog names no default plan: customers without a plan are denied everything.";
            Some(finding(false, text))
        }
        Some(_) => None,
    };
    let no_key = || finding(true, "There is no service key; make one with `tollway keys create`.");
    about_catalog.into_iter().chain((!has_key).then(no_key)).collect()
}

/// What would keep plans from being sold.
async fn ask_stripe(config: &Config) -> Vec<Finding> {
    let stripe = match wiring::stripe(config) {
        Ok(Some(stripe)) => stripe,
        Ok(None) => {
            let text = "No Stripe account is configured: nothing is sold. Set stripe.secret_key.";
            return vec![Finding { stops: false, text: text.into() }];
        }
        Err(text) => return vec![Finding { stops: true, text }],
    };
    // A catalog that cannot be read is told already.
    let source = wiring::catalog_source(config).unwrap_or_default();
    let Ok(catalog) = domain::catalog::parse(&source) else { return Vec::new() };
    let found = check_stripe(&stripe, &catalog, &config.billing, &wiring::public_url(config)).await;
    found.into_iter().map(|StripeFinding { stops, text }| Finding { stops, text }).collect()
}

fn is_https(url: &str) -> bool {
    url.starts_with("https://")
}

/// Counts one request there.
async fn reach_redis(url: &SecretText) -> Result<(), String> {
    let limits = SharedLimits::new(url).map_err(|error| error.to_string())?;
    limits.connect().await.map_err(|error| error.to_string())
}

fn report(findings: &[Finding]) -> Result<ExitCode, String> {
    for finding in findings {
        println!("{} {}", if finding.stops { "stops:" } else { "note: " }, finding.text);
    }
    if findings.iter().any(|finding| finding.stops) {
        return Ok(ExitCode::FAILURE);
    }
    println!("Nothing stops this server.");
    Ok(ExitCode::SUCCESS)
}
