//! `GET accounts/{id}`: one account.

use app::{AccountRef, accounts};
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;

use super::AccountShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::{Authenticated, PathId};
use crate::problem::{Failure, Problems};

/// Show an account
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "`acct_…`")),
    responses((status = 200, body = AccountShape), Problems),
)]
pub async fn get_account(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
) -> Result<Response, Failure> {
    let account = accounts::get_account(&state.app, &caller, &AccountRef::Id(id)).await?;
    Ok(answer::ok(&AccountShape::from(account)))
}
