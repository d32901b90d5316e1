//! `GET accounts/{id}/members`: who belongs to an account.

use app::teams::{self, ListedMember};
use app::{AccountRef, AppError};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{AccountId, UserId};
use domain::permissions::Role;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{self, Page, Time, Written};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, PathId, QueryFields};
use crate::problem::{Failure, Problems};

const DEFAULT_PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

/// Somebody who belongs to an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberShape {
    #[schema(value_type = String, example = "usr_01k…")]
    user: Written<UserId>,
    name: String,
    email: String,
    /// `member`, `admin` or `owner`.
    #[schema(example = "member")]
    role: &'static str,
    joined_at: Time,
}

impl From<ListedMember> for MemberShape {
    fn from(listed: ListedMember) -> Self {
        Self {
            user: Written(listed.member.user),
            name: listed.name,
            email: listed.email,
            role: listed.member.role.as_str(),
            joined_at: Written(listed.member.joined_at),
        }
    }
}

/// What somebody is, or is to be, to an account.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    Member,
    Admin,
    Owner,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Member => Role::Member,
            RoleName::Admin => Role::Admin,
            RoleName::Owner => Role::Owner,
        }
    }
}

/// A page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Text<1, 255>>,
}

impl PageQuery {
    pub fn limit(&self) -> Result<u32, AppError> {
        page_limit(self.limit)
    }

    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_ref().map(|text| text.0.as_str())
    }
}

/// How many a page is to have.
pub fn page_limit(asked: Option<u32>) -> Result<u32, AppError> {
    let limit = asked.unwrap_or(DEFAULT_PAGE);
    if (1..=LONGEST_PAGE).contains(&limit) {
        return Ok(limit);
    }
    Err(AppError::invalid("limit", format!("`limit` is not between 1 and {LONGEST_PAGE}.")))
}

/// List members
///
/// In the order they joined. For its members and service keys.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/members",
    tag = "teams",
    params(("id" = String, Path, description = "`acct_…`"), PageQuery),
    responses((status = 200, body = Page<MemberShape>), Problems),
)]
pub async fn list_members(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
    QueryFields(query): QueryFields<PageQuery>,
) -> Result<Response, Failure> {
    let limit = query.limit()?;
    let page = teams::list_members(&state.app, &caller, &AccountRef::Id(id), query.cursor(), limit).await?;
    let data = page.members.into_iter().map(MemberShape::from).collect();
    Ok(answer::ok(&Page { data, next_cursor: page.next_cursor }))
}
