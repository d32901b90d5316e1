//! Endpoints of an account: made, changed, listed, deleted, and their secrets replaced.

use std::fmt;

use domain::ids::{AccountId, WebhookEndpointId};
use domain::time::MICROS_PER_DAY;
use serde_json::json;
use storage::Tx;
use storage::records::webhooks::{self, EndpointStatus, WebhookEndpoint};

use super::{EVENTS, Event, MAY_MANAGE};
use crate::accounts::fields;
use crate::audit::{self, Audited};
use crate::identity::must_be_recent;
use crate::{AccountRef, App, AppError, Caller};

const MOST_ENDPOINTS: usize = 20;
const LONGEST_DESCRIPTION: usize = 200;
const SECRET_BYTES: usize = 24;
/// How long messages are signed with the former secret too.
const BOTH_MICROS: i64 = MICROS_PER_DAY;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewEndpoint {
    pub url: String,
    pub description: Option<String>,
    /// Names of events; empty: all.
    pub events: Vec<String>,
}

/// What to change; `None` leaves it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EndpointChanges {
    pub url: Option<String>,
    pub description: Option<String>,
    pub events: Option<Vec<String>>,
    pub status: Option<EndpointStatus>,
}

/// A signing secret in the open. Shown once, and never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret([u8; SECRET_BYTES]);

impl SigningSecret {
    fn generate(app: &App) -> Self {
        let mut secret = [0; SECRET_BYTES];
        app.entropy.fill(&mut secret);
        Self(secret)
    }

    /// `whsec_` and base 64, as libraries for Standard Webhooks take it.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", base64(&self.0))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_…")
    }
}

/// What a sealed secret is for.
pub(super) fn purpose(endpoint: WebhookEndpointId) -> String {
    format!("webhook endpoint {endpoint}")
}

/// Makes an endpoint. Its secret is in the answer and nowhere else.
///
/// # Errors
/// [`AppError::Invalid`] for an address that is not public, or an event that nobody knows.
pub async fn create_endpoint(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    new: NewEndpoint,
) -> Result<(WebhookEndpoint, SigningSecret), AppError> {
    let account = caller.account_of_person(app, account, MAY_MANAGE).await?;
    must_be_recent(app, caller)?;
    check(app, Some(&new.url), new.description.as_deref(), Some(&new.events))?;
    let (secret, now, id) = (SigningSecret::generate(app), app.now(), app.new_id());
    let endpoint = WebhookEndpoint {
        id,
        account,
        url: new.url,
        description: new.description.unwrap_or_default(),
        events: new.events,
        secret: app.vault.seal(&app.entropy, &purpose(id), &secret.0),
        former: None,
        status: EndpointStatus::Enabled,
        created_at: now,
        updated_at: now,
    };
    let (event, actor) = (Audited::new(app, "webhook_endpoint.created", None), caller.actor());
    let write = move |tx: &mut Tx<'_>| -> Result<WebhookEndpoint, AppError> {
        storage::records::accounts::lock(tx, account)?.ok_or(AppError::AccountUnknown)?;
        if webhooks::of_account(tx, account)?.len() >= MOST_ENDPOINTS {
            let message = format!("This account has {MOST_ENDPOINTS} endpoints; delete one that is no longer used.");
            return Err(AppError::invalid("url", message));
        }
        webhooks::insert(tx, &endpoint)?;
        audit::note(tx, &event, Some(account), &actor, id, json!({ "url": endpoint.url }))?;
        Ok(endpoint.clone())
    };
    Ok((app.database.write("create_webhook_endpoint", write).await?, secret))
}

/// The newest first.
pub async fn list_endpoints(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
) -> Result<Vec<WebhookEndpoint>, AppError> {
    let account = caller.account_of_person(app, account, MAY_MANAGE).await?;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { Ok(webhooks::of_account(tx, account)?) };
    app.database.read("list_webhook_endpoints", read).await
}

pub async fn get_endpoint(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    id: WebhookEndpointId,
) -> Result<WebhookEndpoint, AppError> {
    let account = caller.account_of_person(app, account, MAY_MANAGE).await?;
    let read = move |tx: &mut Tx<'_>| -> Result<_, AppError> { of(webhooks::by_id(tx, id)?, account, id) };
    app.database.read("get_webhook_endpoint", read).await
}

pub async fn update_endpoint(
    app: &App,
    caller: &Caller,
    (account, id): (&AccountRef, WebhookEndpointId),
    changes: EndpointChanges,
) -> Result<WebhookEndpoint, AppError> {
    let account = caller.account_of_person(app, account, MAY_MANAGE).await?;
    check(app, changes.url.as_deref(), changes.description.as_deref(), changes.events.as_deref())?;
    let (event, actor, now) = (Audited::new(app, "webhook_endpoint.changed", None), caller.actor(), app.now());
    let write = move |tx: &mut Tx<'_>| -> Result<WebhookEndpoint, AppError> {
        let mut endpoint = of(webhooks::lock(tx, id)?, account, id)?;
        let changes = changes.clone();
        endpoint.url = changes.url.unwrap_or(endpoint.url);
        endpoint.description = changes.description.unwrap_or(endpoint.description);
        endpoint.events = changes.events.unwrap_or(endpoint.events);
        endpoint.status = changes.status.unwrap_or(endpoint.status);
        endpoint.updated_at = now;
        webhooks::update(tx, &endpoint)?;
        audit::note(tx, &event, Some(account), &actor, id, json!({}))?;
        Ok(endpoint)
    };
    app.database.write("update_webhook_endpoint", write).await
}

/// Puts another secret in the place of the one there is. For a day messages are signed with both.
pub async fn rotate_secret(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    id: WebhookEndpointId,
) -> Result<(WebhookEndpoint, SigningSecret), AppError> {
    let account = caller.account_of_person(app, account, MAY_MANAGE).await?;
    must_be_recent(app, caller)?;
    let (secret, now) = (SigningSecret::generate(app), app.now());
    let sealed = app.vault.seal(&app.entropy, &purpose(id), &secret.0);
    let (event, actor) = (Audited::new(app, "webhook_endpoint.secret_rotated", None), caller.actor());
    let write = move |tx: &mut Tx<'_>| -> Result<WebhookEndpoint, AppError> {
        let mut endpoint = of(webhooks::lock(tx, id)?, account, id)?;
        let former = std::mem::replace(&mut endpoint.secret, sealed.clone());
        endpoint.former = Some((former, now.plus_micros(BOTH_MICROS)));
        endpoint.updated_at = now;
        webhooks::update(tx, &endpoint)?;
        audit::note(tx, &event, Some(account), &actor, id, json!({}))?;
        Ok(endpoint)
    };
    Ok((app.database.write("rotate_webhook_secret", write).await?, secret))
}

/// What is still to be sent there is not sent any more.
pub async fn delete_endpoint(
    app: &App,
    caller: &Caller,
    account: &AccountRef,
    id: WebhookEndpointId,
) -> Result<(), AppError> {
    let account = caller.account_of_person(app, account, MAY_MANAGE).await?;
    let (event, actor) = (Audited::new(app, "webhook_endpoint.deleted", None), caller.actor());
    let write = move |tx: &mut Tx<'_>| -> Result<(), AppError> {
        of(webhooks::lock(tx, id)?, account, id)?;
        webhooks::delete(tx, id)?;
        Ok(audit::note(tx, &event, Some(account), &actor, id, json!({}))?)
    };
    app.database.write("delete_webhook_endpoint", write).await
}

/// An endpoint of another account is answered as if it did not exist.
pub(super) fn of(
    found: Option<WebhookEndpoint>,
    account: AccountId,
    id: WebhookEndpointId,
) -> Result<WebhookEndpoint, AppError> {
    let own = found.filter(|endpoint| endpoint.account == account);
    own.ok_or_else(|| AppError::NotFound { what: "webhook endpoint", name: id.to_string() })
}

fn check(app: &App, url: Option<&str>, description: Option<&str>, events: Option<&[String]>) -> Result<(), AppError> {
    if let (Some(url), Some(sender)) = (url, &app.webhook_sender) {
        let refused = |error| AppError::invalid("url", format!("`url` cannot be an endpoint: {error}."));
        sender.check(url).map_err(refused)?;
    }
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        fields::plain_text("description", description, LONGEST_DESCRIPTION)?;
    }
    let unknown = events.unwrap_or_default().iter().find(|name| Event::parse(name).is_none());
    match unknown {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<&str> = EVENTS.iter().map(|(event, _)| event.as_str()).collect();
            let message = format!("No event is called `{unknown}`. Known are {}.", known.join(", "));
            Err(AppError::invalid("events", message))
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
