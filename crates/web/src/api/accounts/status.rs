//! `PUT accounts/{id}/status`: suspends an account, or lets it go on.

use app::AccountRef;
use app::accounts::{self, AccountStatus};
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::AccountShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::{Authenticated, JsonBody, PathId};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusBody {
    #[schema(inline)]
    status: StatusName,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StatusName {
    Active,
    Suspended,
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
    let status = match body.status {
        StatusName::Active => AccountStatus::Active,
        StatusName::Suspended => AccountStatus::Suspended,
    };
    let account = accounts::set_status(&state.app, &caller, &AccountRef::Id(id), status).await?;
    Ok(answer::ok(&AccountShape::from(account)))
}
