//! `PUT accounts/{id}/status`: suspends an account, or lets it go on.

use app::accounts::{self, AccountStatus};
use app::{AccountRef, AppError};
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::AccountShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, JsonBody, PathId};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusBody {
    /// `active` or `suspended`.
    #[schema(value_type = String, example = "suspended")]
    status: Text<1, 16>,
}

/// Suspend or activate an account
///
/// A suspended account is denied everything it would use, from the next call on. For service keys.
#[utoipa::path(
    put,
    path = "/api/v1/accounts/{id}/status",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    request_body = StatusBody,
    responses((status = 200, body = AccountShape), Problems),
)]
pub async fn set_status(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<StatusBody>,
) -> Result<Response, Failure> {
    let unknown = || AppError::invalid("status", "`status` is `active` or `suspended`.");
    let status = AccountStatus::parse(&body.status.0).ok_or_else(unknown)?;
    let account = accounts::set_status(&state.app, &caller, &AccountRef::Id(id), status).await?;
    Ok(answer::ok(&AccountShape::from(account)))
}
