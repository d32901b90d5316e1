//! `POST hand-offs`: the app's own user is shown one account's pages or embedded parts.

use app::identity::hand_off::{self, Asked};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::AccountId;
use domain::permissions::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use crate::answer::{self, Time, Written};
use crate::extract::fields::Text;
use crate::extract::work::account_ref;
use crate::extract::{Authenticated, JsonBody};
use crate::problem::{Failure, Problems};

const LIFETIME_SECONDS: i64 = 900;

/// Names the account by `account` or `external_id`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandOffBody {
    #[schema(inline, example = "acct_01k…")]
    account: Option<Text<1, 64>>,
    #[schema(inline, example = "user-42")]
    external_id: Option<Text<1, 255>>,
    /// What the person may do with the account; `admin` where it is left out.
    #[schema(inline)]
    role: Option<RoleName>,
    /// What the app calls the person; limits for each member go by it.
    #[schema(inline)]
    member: Option<Text<1, 255>>,
    /// How long the token, and the browser's session, are good for; 900 where it is left out.
    #[schema(minimum = 60, maximum = 86400)]
    ttl_seconds: Option<i64>,
    /// The page that the link leads to.
    #[schema(inline, example = "/usage")]
    return_to: Option<Text<1, 500>>,
}

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

/// A link for the browser and a token for embedded parts.
#[derive(Serialize, ToSchema)]
#[schema(as = HandOff)]
pub struct HandOffShape {
    #[schema(value_type = String, example = "acct_01k…")]
    account: Written<AccountId>,
    /// Send the browser here, once.
    url: String,
    url_expires_at: Time,
    /// `Authorization: Bearer …`, for one account until it expires.
    token: String,
    expires_at: Time,
}

/// Hand an account's pages to the app's own user
///
/// An `external_id` that is new makes its account, as a consume does. For service keys.
#[utoipa::path(
    post,
    path = "/api/v1/hand-offs",
    tag = "identity",
    request_body = HandOffBody,
    responses((status = 201, body = HandOffShape), Problems),
)]
pub async fn hand_off(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    JsonBody(body): JsonBody<HandOffBody>,
) -> Result<Response, Failure> {
    let account = account_ref(body.account.map(|text| text.0), body.external_id.map(|text| text.0))?;
    let asked = Asked {
        role: body.role.map_or(Role::Admin, Role::from),
        member: body.member.map(|text| text.0),
        lifetime_seconds: body.ttl_seconds.unwrap_or(LIFETIME_SECONDS),
        return_to: body.return_to.map_or_else(|| "/".to_owned(), |text| text.0),
    };
    let made = hand_off::hand_off(&state.app, &caller, &account, asked).await?;
    let shape = HandOffShape {
        account: Written(made.account),
        url: made.url,
        url_expires_at: Written(made.url_expires_at),
        token: made.token.text,
        expires_at: Written(made.token.expires_at),
    };
    Ok(answer::json(StatusCode::CREATED, &shape))
}
