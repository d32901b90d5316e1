//! Says what would keep plans from being sold, or payments from being heard of.

use domain::catalog::Catalog;
use providers::stripe::{API_VERSION, Stripe, StripeError};

use super::BillingSettings;
use super::set_up_stripe::{endpoints_at, is_of_our_version, is_on, missing_events, wanted_portal, webhook_url};
use crate::catalog::push_to_stripe::{Step, StepKind, plan_push, sold_plans};

/// One thing, with what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StripeFinding {
    /// Plans cannot be sold like this.
    pub stops: bool,
    pub text: String,
}

const SETUP: &str = "Run `tollway stripe setup`.";

/// Asks Stripe about the key, the endpoint, the portal and the prices. Changes nothing.
pub async fn check_stripe(
    stripe: &Stripe,
    catalog: &Catalog,
    settings: &BillingSettings,
    public_url: &str,
) -> Vec<StripeFinding> {
    let mut findings = Vec::new();
    match stripe.account().await {
        Ok(account) if !account.charges_enabled && stripe.is_live() => {
            findings.push(stops(format!("The Stripe account {} may not take payments yet.", account.id)));
        }
        Ok(_) => {}
        Err(error) => {
            findings.push(stops(format!("stripe.secret_key: {error}.")));
            return findings;
        }
    }
    let sells = sold_plans(catalog).next().is_some();
    if sells && settings.webhook_secrets.is_empty() {
        findings.push(stops(format!("stripe.webhook_secret is not set: no plan can be sold. {SETUP}")));
    }
    if !stripe.is_live() && public_url.starts_with("https://") {
        findings.push(note("stripe.secret_key is a test key: no money moves."));
    }
    let asked = [
        check_endpoint(stripe, public_url).await,
        check_portal(stripe, catalog, settings, public_url).await,
        check_prices(stripe, catalog).await,
    ];
    for (what, found) in ["webhook endpoint", "portal", "prices"].into_iter().zip(asked) {
        match found {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(stops(format!("Stripe could not be asked about the {what}: {error}."))),
        }
    }
    findings
}

async fn check_endpoint(stripe: &Stripe, public_url: &str) -> Result<Vec<StripeFinding>, StripeError> {
    let url = webhook_url(public_url);
    let endpoints = endpoints_at(stripe, &url).await?;
    if endpoints.is_empty() {
        return Ok(vec![stops(format!(
            "Stripe has no webhook endpoint {url}: payments would not be heard of. {SETUP}"
        ))]);
    }
    let on: Vec<_> = endpoints.iter().filter(|endpoint| is_on(endpoint)).collect();
    let Some(endpoint) = on.iter().find(|endpoint| is_of_our_version(endpoint)).or(on.first()) else {
        return Ok(vec![stops(format!("The webhook endpoint {url} is switched off at Stripe. {SETUP}"))]);
    };
    let mut findings = Vec::new();
    if !is_of_our_version(endpoint) {
        let version = endpoint.api_version.as_deref().unwrap_or("the account's own");
        findings.push(note(format!(
            "The webhook endpoint {url} sends events of the version {version}, not {API_VERSION}. {SETUP}"
        )));
    }
    let missing = missing_events(endpoint);
    if !missing.is_empty() {
        findings.push(stops(format!("The webhook endpoint {url} does not send {}. {SETUP}", missing.join(", "))));
    }
    if on.len() > 1 {
        findings.push(note(format!("Stripe has {} endpoints {url} and tells each event to all. {SETUP}", on.len())));
    }
    Ok(findings)
}

async fn check_portal(
    stripe: &Stripe,
    catalog: &Catalog,
    settings: &BillingSettings,
    public_url: &str,
) -> Result<Vec<StripeFinding>, StripeError> {
    let Some(id) = &settings.portal_configuration else {
        let text = "stripe.portal_configuration is not set: the portal lets customers do what the default of the \
            account says.";
        return Ok(vec![note(format!("{text} {SETUP}"))]);
    };
    let (wanted, _) = wanted_portal(stripe, catalog, public_url).await?;
    Ok(match stripe.get_portal_configuration(id).await {
        Ok(there) if wanted.is_met_by(&there) => Vec::new(),
        Ok(there) if !there.active => vec![stops(format!("The portal configuration {id} is switched off at Stripe."))],
        Ok(_) => vec![note(format!("The portal configuration {id} does not offer what the catalog sells. {SETUP}"))],
        Err(StripeError::NotFound { .. }) => {
            vec![stops(format!(
                "Stripe has no portal configuration {id}. Leave it out and run `tollway stripe setup`."
            ))]
        }
        Err(error) => return Err(error),
    })
}

async fn check_prices(stripe: &Stripe, catalog: &Catalog) -> Result<Vec<StripeFinding>, StripeError> {
    let push = "Run `tollway catalog push-to-stripe`.";
    let about = |Step { plan, what }: Step| match what {
        StepKind::FoundProduct { .. }
        | StepKind::FoundPrice { .. }
        | StepKind::CreateProduct { .. }
        | StepKind::FoundMeter { .. }
        | StepKind::FoundMeteredPrice { .. } => None,
        StepKind::CreateMeter { event } => {
            Some(stops(format!("Stripe has no meter {event} for the plan {plan}. {push}")))
        }
        StepKind::CreateMeteredPrice { price, .. } => {
            Some(stops(format!("Stripe has no price {} for the plan {plan}. {push}", price.lookup_key)))
        }
        StepKind::DifferentMeteredPrice { price, differences, .. } => {
            let differences = differences.join("; ");
            Some(stops(format!("The price {} of the plan {plan} differs: {differences}. {push}", price.lookup_key)))
        }
        StepKind::CreatePrice { price, .. } => {
            Some(stops(format!("Stripe has no price {} for the plan {plan}. {push}", price.lookup_key)))
        }
        StepKind::ReplacePrice { price, differences, .. } | StepKind::DifferentPrice { price, differences, .. } => {
            let differences = differences.join("; ");
            Some(stops(format!("The price {} of the plan {plan} differs: {differences}. {push}", price.lookup_key)))
        }
        StepKind::ArchivedProduct { id } => {
            Some(stops(format!("The product {id} of the plan {plan} is archived at Stripe.")))
        }
        StepKind::NoProduct { id } => Some(stops(format!("Stripe has no product {id} for the plan {plan}."))),
    };
    Ok(plan_push(stripe, catalog, false).await?.into_iter().filter_map(about).collect())
}

fn stops(text: impl Into<String>) -> StripeFinding {
    StripeFinding { stops: true, text: text.into() }
}

fn note(text: impl Into<String>) -> StripeFinding {
    StripeFinding { stops: false, text: text.into() }
}
