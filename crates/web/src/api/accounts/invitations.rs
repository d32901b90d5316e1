//! `accounts/{id}/invitations`: asks people to join an account.

use app::AccountRef;
use app::teams::{self, Invitation};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::{AccountId, InvitationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::members::{PageQuery, RoleName};
use crate::answer::{self, Page, Time, Written};
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, FromDevice, JsonBody, PathId, PathIds, QueryFields};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationBody {
    #[schema(value_type = String, min_length = 1, max_length = 254, pattern = r"^[^\u0000]*$", example = "grace@example.com")]
    email: Text<1, 254>,
    /// What they are once they have joined. Left out: a member.
    #[schema(inline)]
    role: Option<RoleName>,
}

/// Somebody who was asked to join an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
pub struct InvitationShape {
    #[schema(value_type = String, example = "ivt_01k…")]
    id: Written<InvitationId>,
    email: String,
    /// `member`, `admin` or `owner`.
    #[schema(example = "member")]
    role: &'static str,
    /// `open`, `accepted`, `withdrawn` or `expired`.
    #[schema(example = "open")]
    state: &'static str,
    /// The id of the user or key.
    invited_by: String,
    created_at: Time,
    expires_at: Time,
    /// When it was accepted, withdrawn, or over.
    settled_at: Option<Time>,
}

impl From<Invitation> for InvitationShape {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: Written(invitation.id),
            email: invitation.email,
            role: invitation.role.as_str(),
            state: invitation.state.as_str(),
            invited_by: invitation.invited_by,
            created_at: Written(invitation.created_at),
            expires_at: Written(invitation.expires_at),
            settled_at: invitation.settled_at.map(Written),
        }
    }
}

/// Invite somebody
///
/// Mails a link that is good for some days, and takes a seat. 200 when the address was invited before: the new link takes
/// the place of the old one. Only owners invite owners.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/invitations",
    tag = "teams",
    params(("id" = String, Path, description = "`acct_…`")),
    request_body = InvitationBody,
    responses(
        (status = 201, body = InvitationShape),
        (status = 200, body = InvitationShape, description = "It was open; there is a new link."),
        Problems,
    ),
)]
pub async fn invite(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathId(id): PathId<AccountId>,
    JsonBody(body): JsonBody<InvitationBody>,
) -> Result<Response, Failure> {
    let whom = (body.email.0.as_str(), body.role.unwrap_or(RoleName::Member).into());
    let (invitation, is_new) = teams::invite(&state.app, &caller, &AccountRef::Id(id), whom, &device).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer::json(status, &InvitationShape::from(invitation)))
}

/// List invitations
///
/// First those that are open, then the others, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/invitations",
    tag = "teams",
    params(("id" = String, Path, description = "`acct_…`"), PageQuery),
    responses((status = 200, body = Page<InvitationShape>), Problems),
)]
pub async fn list_invitations(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    PathId(id): PathId<AccountId>,
    QueryFields(query): QueryFields<PageQuery>,
) -> Result<Response, Failure> {
    let limit = query.limit()?;
    let page = teams::list_invitations(&state.app, &caller, &AccountRef::Id(id), query.cursor(), limit).await?;
    let data = page.invitations.into_iter().map(InvitationShape::from).collect();
    Ok(answer::ok(&Page { data, next_cursor: page.next_cursor }))
}

/// Withdraw an invitation
///
/// Its link opens nothing any more, and its seat is free.
#[utoipa::path(
    delete,
    path = "/api/v1/accounts/{id}/invitations/{invitation}",
    tag = "teams",
    params(("id" = String, Path, description = "`acct_…`"), ("invitation" = String, Path, description = "`ivt_…`")),
    responses((status = 204), Problems),
)]
pub async fn withdraw_invitation(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathIds(account, id): PathIds<AccountId, InvitationId>,
) -> Result<Response, Failure> {
    teams::withdraw_invitation(&state.app, &caller, (&AccountRef::Id(account), id), &device).await?;
    Ok(answer::no_content())
}

/// Mail an invitation again
///
/// With a new link, good as long as a new invitation's; the one before opens nothing any more.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/invitations/{invitation}/resend",
    tag = "teams",
    params(("id" = String, Path, description = "`acct_…`"), ("invitation" = String, Path, description = "`ivt_…`")),
    responses((status = 200, body = InvitationShape), Problems),
)]
pub async fn resend_invitation(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    PathIds(account, id): PathIds<AccountId, InvitationId>,
) -> Result<Response, Failure> {
    let invitation = teams::resend_invitation(&state.app, &caller, (&AccountRef::Id(account), id), &device).await?;
    Ok(answer::ok(&InvitationShape::from(invitation)))
}
