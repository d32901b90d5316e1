//! `POST accounts/{id}/transfer`: gives an account to another member.

use app::{AccountRef, AppError, teams};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{AccountId, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::members::MemberShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, FromDevice, JsonBody, PathId};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferBody {
    /// A member of the account.
    #[schema(value_type = String, min_length = 1, max_length = 64, pattern = r"^[^\u0000]*$", example = "usr_01k…")]
    user: Text<1, 64>,
}

/// Transfer an account
///
/// The member becomes its owner and the caller an admin. Asks for a recent sign-in. By a service key the member becomes the
/// only owner.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/transfer",
    tag = "teams",
    params(("id" = String, Path, description = "`acct_…`")),
    request_body = TransferBody,
    responses((status = 200, body = MemberShape), Problems),
)]
pub async fn transfer_account(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<TransferBody>,
) -> Result<Response, Failure> {
    let unknown = || AppError::NotFound { what: "member", name: body.user.0.clone() };
    let user = UserId::parse(&body.user.0).ok_or_else(unknown)?;
    let member = teams::transfer(&state.app, &caller, (&AccountRef::Id(id), user), &device).await?;
    Ok(answer::ok(&MemberShape::from(member)))
}
