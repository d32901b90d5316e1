//! What was sent to an endpoint: listed, sent again, and tried by hand.

use app::{AccountRef, AppError, webhooks};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::{AccountId, WebhookDeliveryId, WebhookEndpointId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::DeliveryShape;
use crate::answer::{self, Page};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::path::PathThreeIds;
use crate::extract::{Authenticated, PathIds, QueryFields};
use crate::problem::{Failure, Problems};

const DEFAULT_PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Text<1, 64>>,
}

/// List what was sent to an endpoint
///
/// The newest first; kept for 30 days.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/webhook-endpoints/{endpoint}/deliveries",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "`acct_…`"),
        ("endpoint" = String, Path, description = "`whe_…`"),
        DeliveriesQuery,
    ),
    responses((status = 200, body = Page<DeliveryShape>), Problems),
)]
pub async fn list_deliveries(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathIds(account, endpoint): PathIds<AccountId, WebhookEndpointId>,
    QueryFields(query): QueryFields<DeliveriesQuery>,
) -> Result<Response, Failure> {
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(AppError::invalid("limit", format!("`limit` is not between 1 and {LONGEST_PAGE}.")).into());
    }
    let (named, cursor) = (AccountRef::Id(account), query.cursor.as_ref().map(|text| text.0.as_str()));
    let page = webhooks::list_deliveries(&state.app, &caller, (&named, endpoint), cursor, limit).await?;
    let data = page.deliveries.into_iter().map(DeliveryShape::from).collect();
    Ok(answer::ok(&Page { data, next_cursor: page.next_cursor }))
}

/// Send a message again
///
/// Under the same `webhook-id`.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/webhook-endpoints/{endpoint}/deliveries/{delivery}/replay",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "`acct_…`"),
        ("endpoint" = String, Path, description = "`whe_…`"),
        ("delivery" = String, Path, description = "`whd_…`"),
    ),
    responses((status = 202, body = DeliveryShape), Problems),
)]
pub async fn replay_delivery(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathThreeIds(account, endpoint, delivery): PathThreeIds<AccountId, WebhookEndpointId, WebhookDeliveryId>,
) -> Result<Response, Failure> {
    let named = AccountRef::Id(account);
    let again = webhooks::replay_delivery(&state.app, &caller, (&named, endpoint), delivery).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &DeliveryShape::from(again)))
}

/// Send a test
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/webhook-endpoints/{endpoint}/test",
    tag = "webhooks",
    params(("id" = String, Path, description = "`acct_…`"), ("endpoint" = String, Path, description = "`whe_…`")),
    responses((status = 202, body = DeliveryShape), Problems),
)]
pub async fn send_test(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathIds(account, endpoint): PathIds<AccountId, WebhookEndpointId>,
) -> Result<Response, Failure> {
    let sent = webhooks::send_test(&state.app, &caller, &AccountRef::Id(account), endpoint).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &DeliveryShape::from(sent)))
}
