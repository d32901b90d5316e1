//! `DELETE accounts/{id}`: closes an account for ever.

use app::{AccountRef, accounts};
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;

use crate::answer;
use crate::api::Shared;
use crate::extract::{Authenticated, FromDevice, PathId};
use crate::problem::{Failure, Problems};

/// Close an account
///
/// For ever: its keys are revoked, its invitations withdrawn, and nobody belongs to it any more. People keep their other
/// accounts; what was counted and paid is kept. For owners after a recent sign-in, and service keys.
#[utoipa::path(
    delete,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    responses((status = 204), Problems),
)]
pub async fn close_account(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathId(id): PathId<AccountId>,
) -> Result<Response, Failure> {
    accounts::close_account(&state.app, &caller, &AccountRef::Id(id), &device).await?;
    Ok(answer::no_content())
}
