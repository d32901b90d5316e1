//! Makes at Stripe what billing needs beside products and prices: the endpoint for webhooks, and what customers may do on
//! the portal. Done once, doing it again changes nothing.

use domain::catalog::Catalog;
use providers::secret::SecretText;
use providers::stripe::events::FOLLOWED;
use providers::stripe::{
    API_VERSION, Metadata, NewPortalConfiguration, PortalConfiguration, PortalProduct, Stripe, StripeError,
    WebhookEndpoint,
};

use crate::catalog::push_to_stripe::sold_plans;

/// Where Stripe tells what has happened, under the server's public URL.
pub const WEBHOOK_PATH: &str = "/webhooks/stripe";

/// By which a portal configuration of ours is known.
const OURS: &str = "tollway";
/// More products than this a portal does not offer.
const MOST_PRODUCTS: usize = 10;

/// What became of the endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookSetup {
    pub id: String,
    pub url: String,
    pub done: Done,
    /// Told once, when the endpoint is made.
    pub secret: Option<SecretText>,
    /// Endpoints with the same address and another version of the API. They are switched off by the next setup, when the
    /// secret of the new one is known to the server.
    pub former: Vec<String>,
    /// Those that were switched off now.
    pub switched_off: Vec<String>,
}

/// What became of the portal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortalSetup {
    pub id: String,
    pub done: Done,
    /// Lookup keys of prices that Stripe does not have; nobody can switch to them.
    pub missing_prices: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    Created,
    Updated,
    Nothing,
}

/// The endpoint under a server's public URL.
pub fn webhook_url(public_url: &str) -> String {
    let base = public_url.trim_end_matches('/');
    format!("{}{WEBHOOK_PATH}", base.strip_suffix(WEBHOOK_PATH).unwrap_or(base))
}

/// Creates the endpoint, or gives it the events that are followed. `run` names this run, so that Stripe does each step of
/// it once.
pub async fn set_up_webhook(stripe: &Stripe, public_url: &str, run: &str) -> Result<WebhookSetup, StripeError> {
    let url = webhook_url(public_url);
    let endpoints = endpoints_at(stripe, &url).await?;
    let (current, former): (Vec<_>, Vec<_>) = endpoints.into_iter().partition(is_of_our_version);
    let mut former: Vec<String> = former.into_iter().filter(is_on).map(|endpoint| endpoint.id).collect();
    let mut switched_off = Vec::new();
    let (done, endpoint) = match current.into_iter().max_by_key(is_on) {
        None => {
            let key = format!("setup/{run}/webhook");
            (Done::Created, stripe.create_webhook_endpoint(&url, &FOLLOWED, API_VERSION, &key).await?)
        }
        Some(endpoint) => {
            for id in std::mem::take(&mut former) {
                stripe.disable_webhook_endpoint(&id, &format!("setup/{run}/former/{id}")).await?;
                switched_off.push(id);
            }
            if is_on(&endpoint) && sends_what_is_followed(&endpoint) {
                (Done::Nothing, endpoint)
            } else {
                let key = format!("setup/{run}/webhook");
                (Done::Updated, stripe.update_webhook_endpoint(&endpoint.id, &FOLLOWED, &key).await?)
            }
        }
    };
    let secret = endpoint.secret.filter(|_| done == Done::Created);
    Ok(WebhookSetup { id: endpoint.id, url, done, secret, former, switched_off })
}

/// Creates the portal's configuration, or brings it up to the catalog. `configured`: the one that the server uses.
pub async fn set_up_portal(
    stripe: &Stripe,
    catalog: &Catalog,
    configured: Option<&str>,
    public_url: &str,
    run: &str,
) -> Result<PortalSetup, StripeError> {
    let (wanted, missing_prices) = wanted_portal(stripe, catalog, public_url).await?;
    let there = match configured {
        Some(id) => Some(stripe.get_portal_configuration(id).await?),
        None => stripe.list_portal_configurations().await?.into_iter().find(|found| is_ours(found, catalog)),
    };
    let key = format!("setup/{run}/portal");
    let (done, there) = match there {
        Some(there) if wanted.is_met_by(&there) => (Done::Nothing, there),
        Some(there) => (Done::Updated, stripe.update_portal_configuration(&there.id, &wanted, &key).await?),
        None => (Done::Created, stripe.create_portal_configuration(&wanted, &key).await?),
    };
    Ok(PortalSetup { id: there.id, done, missing_prices })
}

/// What customers should be able to do, by what the catalog sells, and the lookup keys of prices that are missing.
pub(super) async fn wanted_portal(
    stripe: &Stripe,
    catalog: &Catalog,
    public_url: &str,
) -> Result<(NewPortalConfiguration, Vec<String>), StripeError> {
    let keys: Vec<String> = sold_plans(catalog).flat_map(|(_, prices)| prices).map(|price| price.lookup_key).collect();
    let found = stripe.prices_by_lookup_keys(&keys).await?;
    let mut missing = Vec::new();
    let mut products: Vec<PortalProduct> = Vec::new();
    for key in keys {
        let price = found.iter().find(|price| price.active && price.lookup_key.as_ref() == Some(&key));
        let Some((price, product)) = price.and_then(|price| Some((price, price.product.as_ref()?))) else {
            missing.push(key);
            continue;
        };
        match products.iter_mut().find(|offered| offered.product == *product) {
            Some(offered) => offered.prices.push(price.id.clone()),
            None => products.push(PortalProduct { product: product.clone(), prices: vec![price.id.clone()] }),
        }
    }
    products.truncate(MOST_PRODUCTS);
    let wanted = NewPortalConfiguration {
        products,
        // Stripe takes addresses that everybody can reach.
        default_return_url: public_url.starts_with("https://").then(|| public_url.to_owned()),
        metadata: Metadata::from([(OURS.to_owned(), catalog.product.clone())]),
    };
    Ok((wanted, missing))
}

fn is_ours(found: &PortalConfiguration, catalog: &Catalog) -> bool {
    found.active && found.metadata.get(OURS) == Some(&catalog.product)
}

pub(super) async fn endpoints_at(stripe: &Stripe, url: &str) -> Result<Vec<WebhookEndpoint>, StripeError> {
    let all = stripe.list_webhook_endpoints().await?;
    Ok(all.into_iter().filter(|endpoint| endpoint.url == url).collect())
}

pub(super) fn is_of_our_version(endpoint: &WebhookEndpoint) -> bool {
    endpoint.api_version.as_deref() == Some(API_VERSION)
}

pub(super) fn is_on(endpoint: &WebhookEndpoint) -> bool {
    endpoint.status.as_deref() == Some("enabled")
}

fn sends_what_is_followed(endpoint: &WebhookEndpoint) -> bool {
    missing_events(endpoint).is_empty() && endpoint.enabled_events.len() == FOLLOWED.len()
}

/// Events that are followed and not sent.
pub(super) fn missing_events(endpoint: &WebhookEndpoint) -> Vec<&'static str> {
    let is_sent = |event: &&str| endpoint.enabled_events.iter().any(|sent| sent == *event || sent == "*");
    FOLLOWED.into_iter().filter(|event| !is_sent(event)).collect()
}
