//! `POST accounts`: makes an account, or answers the one that has the external id.

use app::accounts::{self, Account, NewAccount};
use app::identity::Device;
use app::teams::{self, NewTeam};
use app::{App, AppError, Caller};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::AccountShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::{Metadata, Text};
use crate::extract::{Authenticated, FromDevice, JsonBody};
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
/// On the default plan. By a service key; 200 with the same account, unchanged, when one has the external id already. By a
/// signed-in person: a further account, with a `name` and perhaps a `billing_email`, that the person is the owner of.
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
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<NewAccountBody>,
) -> Result<Response, Failure> {
    if caller.person().is_ok() && caller.must_operate().is_err() {
        let account = create_team(&state.app, &caller, body, &device).await?;
        return Ok(answer::json(StatusCode::CREATED, &AccountShape::from(account)));
    }
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

/// What people say of an account that they make; the rest is the app's to say.
async fn create_team(app: &App, caller: &Caller, body: NewAccountBody, device: &Device) -> Result<Account, AppError> {
    let others = [
        ("external_id", body.external_id.is_some()),
        ("email", body.email.is_some()),
        ("metadata", body.metadata.is_some()),
    ];
    if let Some((field, _)) = others.iter().find(|(_, is_given)| *is_given) {
        return Err(AppError::invalid(*field, format!("`{field}` is set by the app's backend alone.")));
    }
    let name = body.name.ok_or_else(|| AppError::invalid("name", "`name` is missing."))?.0;
    let new = NewTeam { name, billing_email: body.billing_email.map(|text| text.0) };
    teams::create_team(app, caller, new, device).await
}
