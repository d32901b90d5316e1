//! `accounts/{id}/api-keys`: the keys that act for one account.

use app::AccountRef;
use app::identity::KeysOf;
use axum::extract::State;
use axum::response::Response;
use domain::ids::{AccountId, KeyId};

use super::{KeyShape, NewKeyBody, NewKeyShape};
use crate::answer::Page;
use crate::api::Shared;
use crate::extract::{Authenticated, JsonBody, PathId, PathIds};
use crate::problem::{Failure, Problems};

fn of(account: AccountId) -> KeysOf {
    KeysOf::Account(AccountRef::Id(account))
}

/// Make an API key
///
/// The secret is shown this once.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/api-keys",
    tag = "keys",
    params(("id" = String, Path, description = "`acct_…`")),
    request_body = NewKeyBody,
    responses((status = 201, body = NewKeyShape), Problems),
)]
pub async fn create_account_key(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(account): PathId<AccountId>,
    JsonBody(body): JsonBody<NewKeyBody>,
) -> Result<Response, Failure> {
    super::create(&state, &caller, of(account), body).await
}

/// List API keys
///
/// The newest first, revoked ones included.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/api-keys",
    tag = "keys",
    params(("id" = String, Path, description = "`acct_…`")),
    responses((status = 200, body = Page<KeyShape>), Problems),
)]
pub async fn list_account_keys(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(account): PathId<AccountId>,
) -> Result<Response, Failure> {
    super::list(&state, &caller, of(account)).await
}

/// Revoke an API key
///
/// The next call that comes with it is answered 401.
#[utoipa::path(
    delete,
    path = "/api/v1/accounts/{id}/api-keys/{key}",
    tag = "keys",
    params(("id" = String, Path, description = "`acct_…`"), ("key" = String, Path, description = "`key_…`")),
    responses((status = 204), Problems),
)]
pub async fn revoke_account_key(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathIds(account, key): PathIds<AccountId, KeyId>,
) -> Result<Response, Failure> {
    super::revoke(&state, &caller, of(account), key).await
}
