//! `POST accounts`: makes an account, or answers the one that has the external id.

use app::accounts::{self, NewAccount};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::AccountShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::{Metadata, Text};
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{Failure, Problems};

/// At least an `external_id`, a `name` or an `email`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccountBody {
    /// The id that your own system knows the customer by. Once set it stays.
    #[schema(inline, example = "user-42")]
    external_id: Option<Text<1, 255>>,
    #[schema(inline)]
    name: Option<Text<1, 200>>,
    #[schema(inline, example = "ada@example.com")]
    email: Option<Text<1, 254>>,
    /// Where invoices go, if not to `email`.
    #[schema(inline, example = "billing@example.com")]
    billing_email: Option<Text<1, 254>>,
    #[schema(inline)]
    metadata: Option<Metadata>,
}

/// Make an account
///
/// On the default plan. 200 with the same account, unchanged, when one has the external id already. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/accounts",
    tag = "accounts",
    request_body = NewAccountBody,
    responses((status = 201, body = AccountShape), (status = 200, body = AccountShape, description = "It existed."), Problems),
)]
pub async fn create_account(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<NewAccountBody>,
) -> Result<Response, Failure> {
    let new = NewAccount {
        external_id: body.external_id.map(|text| text.0),
        name: body.name.map(|text| text.0),
        email: body.email.map(|text| text.0),
        billing_email: body.billing_email.map(|text| text.0),
        metadata: body.metadata.map(|metadata| metadata.0).unwrap_or_default(),
    };
    let (account, is_new) = accounts::create_account(&state.app, &caller, new).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer::json(status, &AccountShape::from(account)))
}
