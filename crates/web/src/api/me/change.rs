//! `PATCH me`: name, address, chosen account, accepted terms.

use app::AppError;
use app::identity::{self, ProfileChanges};
use axum::extract::State;
use axum::response::Response;
use domain::ids::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::show::ProfileShape;
use crate::answer;
use crate::api::Shared;
use crate::extract::fields::Text;
use crate::extract::{Authenticated, FromDevice, JsonBody};
use crate::problem::{Failure, Problems};

/// What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeMeBody {
    #[schema(inline)]
    name: Option<Text<1, 200>>,
    /// Takes effect when the link mailed to it is followed. Asks for a recent sign-in.
    #[schema(inline)]
    email: Option<Text<1, 254>>,
    /// The account that is meant from now on where a request names none.
    #[schema(inline, example = "acct_01k…")]
    account: Option<Text<1, 64>>,
    /// The version of your terms that is accepted now.
    #[schema(inline)]
    terms: Option<Text<1, 100>>,
}

/// Change yourself
#[utoipa::path(
    patch,
    path = "/api/v1/me",
    tag = "identity",
    request_body = ChangeMeBody,
    responses((status = 200, body = ProfileShape), Problems),
)]
pub async fn change_me(
    State(state): Shared,
    Authenticated(caller): Authenticated,
    FromDevice(device): FromDevice,
    JsonBody(body): JsonBody<ChangeMeBody>,
) -> Result<Response, Failure> {
    let account = body.account.map(|text| AccountId::parse(&text.0).ok_or(AppError::AccountUnknown)).transpose()?;
    let changes = ProfileChanges {
        name: body.name.map(|text| text.0),
        email: body.email.map(|text| text.0),
        account,
        terms: body.terms.map(|text| text.0),
    };
    identity::update_profile(&state.app, &caller, changes, &device).await?;
    let profile = identity::profile(&state.app, &caller).await?;
    Ok(answer::ok(&ProfileShape::from(profile)))
}
