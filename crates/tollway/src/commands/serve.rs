//! `tollway serve`: opens everything, serves until it is told to stop, then finishes what it has begun.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use app::catalog::{apply_catalog, preview_catalog};
use app::mail::WrittenMails;
use domain::catalog::{Plan, PlanPrice};
use providers::stripe::StripeSettings;
use storage::records::catalogs;
use storage::{StorageError, Tx};
use tokio::net::TcpListener;
use web::{Measurements, WebState};

use super::{development, development_stripe};
use crate::config::Config;
use crate::{Common, logging, wiring};

/// How long model calls that were cut off may take to be booked, once nothing is answered any more.
const SETTLING_TIME: Duration = Duration::from_secs(5);

/// What whoever develops with real money is told.
const LIVE_KEY: &str = "stripe.secret_key is a live key, and --dev is for trying things out. Use a test key, sk_test_… or \
    rk_test_…, or serve without --dev.";

#[derive(clap::Args)]
pub struct ServeArguments {
    /// Development: a demo customer, keys that are printed, a clock that can be moved. Never in production.
    #[arg(long)]
    dev: bool,
    /// With --dev: print one line of JSON when ready, for programs.
    #[arg(long, requires = "dev")]
    json: bool,
    /// Address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Mount what the benchmark measures against.
    #[arg(long, hide = true, requires = "dev")]
    benchmark: bool,
}

pub async fn run(common: &Common, arguments: ServeArguments) -> Result<ExitCode, String> {
    let mut named: Vec<_> = arguments.listen.clone().map(|listen| ("listen", listen)).into_iter().collect();
    if arguments.dev && !std::env::vars().any(|(name, _)| name == "TOLLWAY_LOG") {
        named.push(("log", "text".into()));
    }
    let mut config = wiring::configuration(common, named)?;
    if arguments.dev && !std::env::vars().any(|(name, _)| name == "TOLLWAY_LOG_LEVEL") {
        config.log_level = "warn".into();
    }
    if config.encryption_key.is_none() && !arguments.dev {
        return Err(wiring::KEY_MISSING.into());
    }
    if arguments.dev && config.stripe.as_ref().is_some_and(StripeSettings::is_live) {
        return Err(LIVE_KEY.into());
    }
    logging::start(config.json_logs, &config.log_level);
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        format!("{} cannot be listened on: {error}. Stop what uses it, or name another with --listen.", config.listen)
    })?;
    config.listen = listener.local_addr().map_err(|error| error.to_string())?;
    let mut stripe = None;
    let stand_in = if arguments.dev {
        stripe = development_stripe::start(&mut config).await?;
        Some(development::start_models(&mut config).await?)
    } else {
        None
    };
    let mut app = wiring::open(&config, arguments.dev).await?;
    put_catalog_in_force(&app, &config, arguments.dev).await?;
    if let Some(stripe) = &stripe {
        app = stripe.follow_clock_of(app);
        stripe.put_up_catalog(&app).await?;
    }
    warn_of_unsaleable_plans(&app).await?;
    // Before anybody is told that it runs, so that whoever stops it then stops it in order.
    let stopped = told_to_stop()?;
    if arguments.dev {
        let mut demo = development::prepare(&app, &config).await?;
        demo.model_url = stand_in;
        demo.stripe_url = stripe.as_ref().map(|stripe| stripe.url.clone());
        let shown = if arguments.json { demo.json_line() } else { demo.welcome() };
        // Whoever reads the other end may have left; the server serves all the same.
        let _ = writeln!(std::io::stdout(), "{shown}");
        if !arguments.json {
            tokio::spawn(development::print_mails(WrittenMails::from_now_on(&app)));
        }
    } else {
        tracing::info!(url = %app.settings.public_url, listen = %config.listen, "ready");
    }
    serve(app, listener, (arguments.benchmark, &config), stopped).await
}

async fn serve(
    app: App,
    listener: TcpListener,
    (benchmark, config): (bool, &Config),
    stopped: impl Future<Output = ()>,
) -> Result<ExitCode, String> {
    let jobs = app::jobs::start(app.clone());
    let measurements = Measurements::install().map_err(|error| format!("Nothing can be measured: {error}"))?;
    let mut state = WebState::new(app.clone(), measurements);
    state.benchmark = benchmark;
    state.trusted_proxies = config.trusted_proxies.clone();
    let shutdown_delay = config.shutdown_delay;
    let readiness = state.readiness.clone();
    let stop = async move {
        stopped.await;
        readiness.drain();
        tokio::time::sleep(shutdown_delay).await;
        tracing::info!("stopping: no new connections, finishing what is under way");
    };
    web::serve(listener, web::router(Arc::new(state)), stop).await;
    app.gateway.open_calls().settled(SETTLING_TIME).await;
    jobs.stop().await;
    app.database.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Stripe would take payments that nothing here would ever hear of.
async fn warn_of_unsaleable_plans(app: &App) -> Result<(), String> {
    let plans = app.plans().await.map_err(|error| error.to_string())?;
    let is_sold = |plan: &Plan| plan.active && matches!(plan.price, PlanPrice::Paid { .. });
    if app.has_stripe() && !app.sells() && plans.catalog.plans.values().any(is_sold) {
        tracing::warn!(
            "stripe.secret_key is set without stripe.webhook_secret: no plan can be sold. `tollway stripe setup` makes \
             the webhook endpoint and prints its secret"
        );
    }
    Ok(())
}

/// Listens for the signals at once; the future ends when one has come.
fn told_to_stop() -> Result<impl Future<Output = ()>, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| format!("Signals cannot be listened for: {error}"));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The first start applies the configured catalog, and development always does. Otherwise a changed file is only
/// reported: what customers notice is applied on purpose, by `tollway catalog apply`.
async fn put_catalog_in_force(app: &App, config: &Config, development: bool) -> Result<(), String> {
    let source = wiring::catalog_source(config)?;
    let name = wiring::catalog_name(config);
    let read = |tx: &mut Tx<'_>| catalogs::latest(tx);
    let in_force = app.database.read::<_, StorageError, _>("catalog_in_force", read).await;
    let in_force = in_force.map_err(|error| error.to_string())?;
    let to_apply = match &in_force {
        Some(in_force) if !development => in_force.source.as_str(),
        _ => source.as_str(),
    };
    let with_place = |error: app::catalog::CatalogError| format!("{name} cannot be used:\n{error}");
    let applied = apply_catalog(app, to_apply, &config.limit_settings).await.map_err(with_place)?;
    for change in applied.changes.iter().filter(|_| in_force.is_some()) {
        tracing::warn!(%change, "the catalog has changed; new subscribers get it, others stay where they are");
    }
    if !development && in_force.is_some_and(|in_force| in_force.source != source) {
        let preview = preview_catalog(app, &source, &config.limit_settings).await.map_err(with_place)?;
        for change in &preview.changes {
            tracing::warn!(%change, "{name} differs from the catalog in force; `tollway catalog apply` applies it");
        }
    }
    Ok(())
}
