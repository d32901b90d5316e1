//! `invitations/show` and `invitations/accept`: what the link of an invitation leads to.

use app::teams;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::members::MemberShape;
use super::auth::{SecretText, hold_address};
use crate::answer::{self, Time, Written};
use crate::api::Shared;
use crate::extract::{Authenticated, FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationTokenBody {
    /// `token` of the link.
    #[schema(value_type = String, min_length = 1, max_length = 4096, pattern = r"^[^\u0000]*$")]
    token: SecretText,
}

/// What somebody was invited to.
#[derive(Serialize, ToSchema)]
pub struct ShownInvitation {
    account_name: String,
    /// A person's name, or the product's.
    inviter: String,
    /// The address that it was sent to, the only one that can accept it.
    email: String,
    /// `member`, `admin` or `owner`.
    #[schema(example = "member")]
    role: &'static str,
    expires_at: Time,
    /// Somebody has the address here: sign in and accept. Otherwise: register by it.
    registered: bool,
}

/// Show an invitation
///
/// To whoever has its link, before they sign in or register.
#[utoipa::path(
    post,
    path = "/api/v1/invitations/show",
    tag = "teams",
    security(()),
    request_body = InvitationTokenBody,
    responses((status = 200, body = ShownInvitation), Problems),
)]
pub async fn show_invitation(
    State(state): Shared,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<InvitationTokenBody>,
) -> Result<Response, Failure> {
    hold_address(&state.app, &device, "login").await?;
    let shown = teams::show_invitation(&state.app, &body.token.0).await?;
    Ok(answer::ok(&ShownInvitation {
        account_name: shown.account_name,
        inviter: shown.inviter,
        email: shown.email,
        role: shown.role.as_str(),
        expires_at: Written(shown.expires_at),
        registered: shown.registered,
    }))
}

/// Accept an invitation
///
/// For the signed-in person whose address it was sent to. They act for the account from now on where a request names none,
/// and their address is verified.
#[utoipa::path(
    post,
    path = "/api/v1/invitations/accept",
    tag = "teams",
    request_body = InvitationTokenBody,
    responses((status = 200, body = AcceptedInvitation), Problems),
)]
pub async fn accept_invitation(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<InvitationTokenBody>,
) -> Result<Response, Failure> {
    let member = teams::accept_invitation(&state.app, &caller, &body.token.0, &device).await?;
    let account = Written(member.member.account);
    Ok(answer::ok(&AcceptedInvitation { account, member: MemberShape::from(member) }))
}

/// A membership that has just begun.
#[derive(Serialize, ToSchema)]
pub struct AcceptedInvitation {
    #[schema(value_type = String, example = "acct_01k…")]
    account: Written<domain::ids::AccountId>,
    #[serde(flatten)]
    member: MemberShape,
}
