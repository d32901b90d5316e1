//! `accounts/{id}/members/{user}`: adds somebody, changes what they are, and ends a membership.

use app::{AccountRef, teams};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::{AccountId, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::members::{MemberShape, RoleName};
use crate::answer;
use crate::api::Shared;
use crate::extract::{Authenticated, FromDevice, JsonBody, PathIds};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    #[schema(inline)]
    role: RoleName,
}

/// Add a member
///
/// Makes a user a member with this role, or changes the role. Takes a seat. For service keys; people invite.
#[utoipa::path(
    put,
    path = "/api/v1/accounts/{id}/members/{user}",
    tag = "teams",
    params(("id" = String, Path, description = "`acct_…`"), ("user" = String, Path, description = "`usr_…`")),
    request_body = RoleBody,
    responses((status = 201, body = MemberShape), (status = 200, body = MemberShape, description = "Was a member."), Problems),
)]
pub async fn add_member(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathIds(account, user): PathIds<AccountId, UserId>,
    JsonBody(body): JsonBody<RoleBody>,
) -> Result<Response, Failure> {
    let whom = (&AccountRef::Id(account), user);
    let (member, is_new) = teams::add_member(&state.app, &caller, whom, body.role.into(), &device).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer::json(status, &MemberShape::from(member)))
}

/// Change a member's role
///
/// Admins change members and admins; only owners make somebody an owner, after a recent sign-in, and take it back. The last
/// owner stays one.
#[utoipa::path(
    patch,
    path = "/api/v1/accounts/{id}/members/{user}",
    tag = "teams",
    params(("id" = String, Path, description = "`acct_…`"), ("user" = String, Path, description = "`usr_…`")),
    request_body = RoleBody,
    responses((status = 200, body = MemberShape), Problems),
)]
pub async fn change_role(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathIds(account, user): PathIds<AccountId, UserId>,
    JsonBody(body): JsonBody<RoleBody>,
) -> Result<Response, Failure> {
    let whom = (&AccountRef::Id(account), user);
    let member = teams::change_role(&state.app, &caller, whom, body.role.into(), &device).await?;
    Ok(answer::ok(&MemberShape::from(member)))
}

/// Remove a member, or leave
///
/// Their keys in the account are revoked and their next request is answered as anybody's. What they used stays counted.
/// The last owner cannot leave.
#[utoipa::path(
    delete,
    path = "/api/v1/accounts/{id}/members/{user}",
    tag = "teams",
    params(("id" = String, Path, description = "`acct_…`"), ("user" = String, Path, description = "`usr_…`")),
    responses((status = 204), Problems),
)]
pub async fn remove_member(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathIds(account, user): PathIds<AccountId, UserId>,
) -> Result<Response, Failure> {
    teams::remove_member(&state.app, &caller, (&AccountRef::Id(account), user), &device).await?;
    Ok(answer::no_content())
}
