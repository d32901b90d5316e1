//! Endpoints: made, listed, shown, changed, deleted, and their secrets replaced.

use app::webhooks::{self, EndpointChanges, EndpointStatus, NewEndpoint, SigningSecret, WebhookEndpoint};
use app::{AccountRef, AppError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::{AccountId, WebhookEndpointId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{EndpointShape, NewEndpointShape};
use crate::answer::{self, Page};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, JsonBody, PathId, PathIds};
use crate::idempotency::StoredInstead;
use crate::problem::{Failure, Problems};

const MOST_EVENTS: usize = 50;

/// An endpoint to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpointBody {
    /// Public and encrypted.
    #[schema(value_type = String, min_length = 1, max_length = 2000, pattern = r"^[^\u0000]*$", example = "https://example.com/hooks/tollway")]
    url: Text<1, 2000>,
    #[schema(inline)]
    description: Option<Text<0, 200>>,
    /// Left out or empty: all.
    #[schema(value_type = Option<Vec<String>>, max_items = 50, example = json!(["usage.threshold_reached"]))]
    events: Option<Vec<Text<1, 64>>>,
}

/// What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeEndpointBody {
    #[schema(inline)]
    url: Option<Text<1, 2000>>,
    #[schema(inline)]
    description: Option<Text<0, 200>>,
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    events: Option<Vec<Text<1, 64>>>,
    #[schema(inline)]
    status: Option<StatusName>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StatusName {
    Enabled,
    Disabled,
}

fn names(events: Option<Vec<Text<1, 64>>>) -> Result<Option<Vec<String>>, AppError> {
    match events {
        Some(events) if events.len() > MOST_EVENTS => {
            Err(AppError::invalid("events", format!("`events` names more than {MOST_EVENTS} events.")))
        }
        events => Ok(events.map(|events| events.into_iter().map(|name| name.0).collect())),
    }
}

fn shown_once(status: StatusCode, (endpoint, secret): (WebhookEndpoint, SigningSecret)) -> Response {
    let mut shape = NewEndpointShape { endpoint: endpoint.into(), secret: Some(secret.reveal()) };
    let mut response = answer::json(status, &shape);
    shape.secret = None;
    StoredInstead::of(&shape).attach(&mut response);
    response
}

/// Make a webhook endpoint
///
/// Messages are signed after the Standard Webhooks specification; the secret is shown this once. For admins and owners,
/// after a recent sign-in, and for service keys.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/webhook-endpoints",
    tag = "webhooks",
    params(("id" = String, Path, description = "`acct_…`")),
    request_body = NewEndpointBody,
    responses((status = 201, body = NewEndpointShape), Problems),
)]
pub async fn create_endpoint(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(account): PathId<AccountId>,
    JsonBody(body): JsonBody<NewEndpointBody>,
) -> Result<Response, Failure> {
    let new = NewEndpoint {
        url: body.url.0,
        description: body.description.map(|text| text.0),
        events: names(body.events)?.unwrap_or_default(),
    };
    let made = webhooks::create_endpoint(&state.app, &caller, &AccountRef::Id(account), new).await?;
    Ok(shown_once(StatusCode::CREATED, made))
}

/// List webhook endpoints
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/webhook-endpoints",
    tag = "webhooks",
    params(("id" = String, Path, description = "`acct_…`")),
    responses((status = 200, body = Page<EndpointShape>), Problems),
)]
pub async fn list_endpoints(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(account): PathId<AccountId>,
) -> Result<Response, Failure> {
    let endpoints = webhooks::list_endpoints(&state.app, &caller, &AccountRef::Id(account)).await?;
    Ok(answer::ok(&Page { data: endpoints.into_iter().map(EndpointShape::from).collect(), next_cursor: None }))
}

/// Show a webhook endpoint
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/webhook-endpoints/{endpoint}",
    tag = "webhooks",
    params(("id" = String, Path, description = "`acct_…`"), ("endpoint" = String, Path, description = "`whe_…`")),
    responses((status = 200, body = EndpointShape), Problems),
)]
pub async fn get_endpoint(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathIds(account, endpoint): PathIds<AccountId, WebhookEndpointId>,
) -> Result<Response, Failure> {
    let found = webhooks::get_endpoint(&state.app, &caller, &AccountRef::Id(account), endpoint).await?;
    Ok(answer::ok(&EndpointShape::from(found)))
}

/// Change a webhook endpoint
#[utoipa::path(
    patch,
    path = "/api/v1/accounts/{id}/webhook-endpoints/{endpoint}",
    tag = "webhooks",
    params(("id" = String, Path, description = "`acct_…`"), ("endpoint" = String, Path, description = "`whe_…`")),
    request_body = ChangeEndpointBody,
    responses((status = 200, body = EndpointShape), Problems),
)]
pub async fn change_endpoint(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathIds(account, endpoint): PathIds<AccountId, WebhookEndpointId>,
    JsonBody(body): JsonBody<ChangeEndpointBody>,
) -> Result<Response, Failure> {
    let changes = EndpointChanges {
        url: body.url.map(|text| text.0),
        description: body.description.map(|text| text.0),
        events: names(body.events)?,
        status: body.status.map(|name| match name {
            StatusName::Enabled => EndpointStatus::Enabled,
            StatusName::Disabled => EndpointStatus::Disabled,
        }),
    };
    let named = AccountRef::Id(account);
    let changed = webhooks::update_endpoint(&state.app, &caller, (&named, endpoint), changes).await?;
    Ok(answer::ok(&EndpointShape::from(changed)))
}

/// Delete a webhook endpoint
#[utoipa::path(
    delete,
    path = "/api/v1/accounts/{id}/webhook-endpoints/{endpoint}",
    tag = "webhooks",
    params(("id" = String, Path, description = "`acct_…`"), ("endpoint" = String, Path, description = "`whe_…`")),
    responses((status = 204), Problems),
)]
pub async fn delete_endpoint(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathIds(account, endpoint): PathIds<AccountId, WebhookEndpointId>,
) -> Result<Response, Failure> {
    webhooks::delete_endpoint(&state.app, &caller, &AccountRef::Id(account), endpoint).await?;
    Ok(answer::no_content())
}

/// Replace an endpoint's secret
///
/// For a day messages are signed with both. The new secret is shown this once.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/webhook-endpoints/{endpoint}/rotate-secret",
    tag = "webhooks",
    params(("id" = String, Path, description = "`acct_…`"), ("endpoint" = String, Path, description = "`whe_…`")),
    responses((status = 200, body = NewEndpointShape), Problems),
)]
pub async fn rotate_secret(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathIds(account, endpoint): PathIds<AccountId, WebhookEndpointId>,
) -> Result<Response, Failure> {
    let rotated = webhooks::rotate_secret(&state.app, &caller, &AccountRef::Id(account), endpoint).await?;
    Ok(shown_once(StatusCode::OK, rotated))
}
