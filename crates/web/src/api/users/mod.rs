//! `admin/users`: the people of the platform, for who operates it.

use app::identity::{self, UserStatus};
use axum::extract::State;
use axum::response::Response;
use domain::ids::UserId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::UserShape;
use crate::answer::{self, Page};
use crate::extract::fields::Text;
use crate::extract::{Authenticated, FromDevice, JsonBody, PathId, QueryFields};
use crate::problem::{Failure, Problems};

const PAGE: u32 = 50;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// Where the page before left off.
    #[param(inline)]
    cursor: Option<Text<1, 64>>,
    /// 1 to 200; 50 where it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserStatusBody {
    #[schema(inline)]
    status: UserStatusName,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UserStatusName {
    Active,
    Suspended,
}

/// List users
///
/// The newest first. For service keys and superadmins.
#[utoipa::path(
    get,
    path = "/api/v1/admin/users",
    tag = "admin",
    params(UsersQuery),
    responses((status = 200, body = Page<UserShape>), Problems),
)]
pub async fn list_users(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    QueryFields(query): QueryFields<UsersQuery>,
) -> Result<Response, Failure> {
    let cursor = query.cursor.as_ref().map(|text| text.0.as_str());
    let page = identity::list_users(&state.app, &caller, cursor, query.limit.unwrap_or(PAGE)).await?;
    let data = page.users.iter().map(UserShape::from).collect();
    Ok(answer::ok(&Page { data, next_cursor: page.next_cursor }))
}

/// Show a user
#[utoipa::path(
    get,
    path = "/api/v1/admin/users/{id}",
    tag = "admin",
    params(("id" = String, Path, description = "`usr_…`")),
    responses((status = 200, body = UserShape), Problems),
)]
pub async fn get_user(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<UserId>,
) -> Result<Response, Failure> {
    Ok(answer::ok(&UserShape::from(&identity::get_user(&state.app, &caller, id).await?)))
}

/// Suspend or activate a user
///
/// A suspended user is signed out everywhere and cannot sign in; keys that act for them do nothing. From the next request
/// on.
#[utoipa::path(
    put,
    path = "/api/v1/admin/users/{id}/status",
    tag = "admin",
    params(("id" = String, Path, description = "`usr_…`")),
    request_body = UserStatusBody,
    responses((status = 200, body = UserShape), Problems),
)]
pub async fn set_user_status(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathId(id): PathId<UserId>,
    JsonBody(body): JsonBody<UserStatusBody>,
) -> Result<Response, Failure> {
    let status = match body.status {
        UserStatusName::Active => UserStatus::Active,
        UserStatusName::Suspended => UserStatus::Suspended,
    };
    let user = identity::set_user_status(&state.app, &caller, id, status, &device).await?;
    Ok(answer::ok(&UserShape::from(&user)))
}
