//! `tollway stripe setup`: the endpoint for webhooks and the portal, made at Stripe or brought up to date; `tollway stripe
//! reconcile`: everything compared with Stripe and repaired.

use std::process::ExitCode;

use app::billing::ReconciliationState;
use app::billing::set_up_stripe::{Done, PortalSetup, WebhookSetup, set_up_portal, set_up_webhook};
use domain::catalog::{Catalog, parse};

use crate::config::Config;
use crate::{Common, wiring};

#[derive(clap::Subcommand)]
pub enum StripeCommand {
    /// Check the key, then make the webhook endpoint and the portal's configuration. Done twice, it changes nothing.
    Setup {
        /// Where customers and Stripe reach this server [default: public_url].
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Compare every account with Stripe, repair what differs, and say what that was. A running server does the same once a
    /// day; beside one on SQLite ask it instead: POST /api/v1/admin/reconcile.
    Reconcile,
}

pub async fn run(common: &Common, command: StripeCommand) -> Result<ExitCode, String> {
    let url = match command {
        StripeCommand::Setup { url } => url,
        StripeCommand::Reconcile => return reconcile(common).await,
    };
    let arguments = url.into_iter().map(|url| ("public_url", url)).collect();
    let config = wiring::configuration(common, arguments)?;
    let stripe = wiring::stripe(&config)?.ok_or(wiring::NO_STRIPE)?;
    let Some(public_url) = &config.public_url else {
        return Err("Say where Stripe reaches this server: --url https://…, or public_url.".into());
    };
    let catalog = catalog(&config)?;
    let said = |error| wiring::capitalized(&format!("{error}."));
    let account = stripe.account().await.map_err(said)?;
    let mode = if stripe.is_live() { "live" } else { "for tests" };
    println!(
        "The key is good: account {} {}({mode}).",
        account.id,
        account.name.map_or_else(String::new, |name| name + " ")
    );
    let run = wiring::run_id();
    tell_of_webhook(&set_up_webhook(&stripe, public_url, &run).await.map_err(said)?);
    let configured = config.billing.portal_configuration.as_deref();
    let portal = set_up_portal(&stripe, &catalog, configured, public_url, &run).await.map_err(said)?;
    tell_of_portal(&portal, configured);
    Ok(ExitCode::SUCCESS)
}

async fn reconcile(common: &Common) -> Result<ExitCode, String> {
    let config = wiring::configuration(common, Vec::new())?;
    if config.stripe.is_none() {
        return Err(wiring::NO_STRIPE.into());
    }
    let app = wiring::open(&config, false).await?;
    let done = app::billing::reconcile_all(&app).await.map_err(|error| error.to_string());
    app.database.close().await;
    let done = done?;
    if done.run.state != ReconciliationState::Done {
        let reason = done.run.last_error.unwrap_or_else(|| "it was given up".to_owned());
        return Err(format!("After {} accounts the comparison does not get on: {reason}.", done.run.compared));
    }
    println!("{} accounts were compared with Stripe.", done.run.compared);
    for found in &done.found {
        for sentence in found.repaired.iter().chain(&found.drift) {
            println!("  {}: {sentence}", found.account);
        }
    }
    let drifts = done.found.iter().any(|found| found.drift.is_some());
    Ok(if drifts { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn catalog(config: &Config) -> Result<Catalog, String> {
    let name = wiring::catalog_name(config);
    parse(&wiring::catalog_source(config)?)
        .map_err(|mistakes| format!("{name} has {} mistakes; `tollway catalog check` explains them.", mistakes.len()))
}

fn tell_of_webhook(setup: &WebhookSetup) {
    println!("The webhook endpoint {} ({}) {}.", setup.url, setup.id, told(setup.done));
    for id in &setup.switched_off {
        println!("The endpoint {id} with another version of the API was switched off.");
    }
    match &setup.secret {
        Some(secret) => {
            println!("  stripe.webhook_secret = {:?}", secret.expose());
            println!(
                "Stripe tells this secret once. Keep it where the server reads its settings, and restart the server."
            );
        }
        None => println!("Its secret was told when it was made; Stripe's Dashboard shows it again."),
    }
    if !setup.former.is_empty() {
        println!(
            "{} sends other versions to the same address. Keep both secrets, separated by a comma, restart the server, \
             and run this again: it is switched off then.",
            setup.former.join(", ")
        );
    }
}

fn tell_of_portal(setup: &PortalSetup, configured: Option<&str>) {
    println!("The portal configuration {} {}.", setup.id, told(setup.done));
    if configured.is_none() {
        println!("  stripe.portal_configuration = {:?}", setup.id);
    }
    if !setup.missing_prices.is_empty() {
        println!(
            "Stripe has no price {}, so customers cannot switch to it: run `tollway catalog push-to-stripe`, then this \
             again.",
            setup.missing_prices.join(", ")
        );
    }
}

fn told(done: Done) -> &'static str {
    match done {
        Done::Created => "was made",
        Done::Updated => "was brought up to date",
        Done::Nothing => "is as it should be",
    }
}
