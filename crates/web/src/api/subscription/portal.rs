//! `POST subscription/portal`: Stripe's page for cards, invoices and plan.

use app::billing::{self};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBodyOrNone};
use crate::problem::{Failure, Problems};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PortalBody {
    /// The account, with a service key.
    #[schema(inline)]
    account: Option<Text<1, 64>>,
    #[schema(inline)]
    external_id: Option<Text<1, 255>>,
    /// Where the customer comes back to: an address of this server or of an allowed origin.
    #[schema(inline)]
    return_url: Option<Text<1, 2000>>,
}

#[derive(Serialize, ToSchema)]
pub struct Portal {
    portal_url: String,
}

/// Open the customer portal
///
/// The page is good for a short while. For owners, admins and service keys.
#[utoipa::path(
    post,
    path = "/api/v1/subscription/portal",
    tag = "subscription",
    request_body = PortalBody,
    responses((status = 201, body = Portal), Problems),
)]
pub async fn open_portal(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBodyOrNone(body): JsonBodyOrNone<PortalBody>,
) -> Result<Response, Failure> {
    let account = account_ref(body.account.map(|text| text.0), body.external_id.map(|text| text.0))?;
    let return_url = body.return_url.as_ref().map(|text| text.0.as_str());
    let portal_url = billing::portal(&state.app, &caller, &account, return_url).await?;
    Ok(answer::json(StatusCode::CREATED, &Portal { portal_url }))
}
