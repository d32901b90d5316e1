//! `keys`: the platform's own keys, which act for every account.

use app::identity::KeysOf;
use axum::extract::State;
use axum::response::Response;
use domain::ids::KeyId;

use super::{KeyShape, NewKeyBody, NewKeyShape};
use crate::answer::Page;
use crate::api::Shared;
use crate::extract::{Authenticated, JsonBody, PathId};
use crate::problem::{Failure, Problems};

/// Make a service key
///
/// The secret is shown this once. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/keys",
    tag = "keys",
    request_body = NewKeyBody,
    responses((status = 201, body = NewKeyShape), Problems),
)]
pub async fn create_service_key(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<NewKeyBody>,
) -> Result<Response, Failure> {
    super::create(&state, &caller, KeysOf::Service, body).await
}

/// List service keys
///
/// The newest first, revoked ones included. For service keys.
#[utoipa::path(
    get,
    path = "/api/v1/keys",
    tag = "keys",
    responses((status = 200, body = Page<KeyShape>), Problems),
)]
pub async fn list_service_keys(
    State(state): Shared,
    Authenticated(caller): Authenticated,
) -> Result<Response, Failure> {
    super::list(&state, &caller, KeysOf::Service).await
}

/// Revoke a service key
///
/// The next call that comes with it is answered 401. For service keys.
#[utoipa::path(
    delete,
    path = "/api/v1/keys/{key}",
    tag = "keys",
    params(("key" = String, Path, description = "`key_…`")),
    responses((status = 204), Problems),
)]
pub async fn revoke_service_key(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(key): PathId<KeyId>,
) -> Result<Response, Failure> {
    super::revoke(&state, &caller, KeysOf::Service, key).await
}
